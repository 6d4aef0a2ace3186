"""Why the gradient changes as it does: measurement beside prediction, and what it amounts to."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.records.source import SourceLine


@dataclass(frozen=True)
class PartExplained:
    """One part of the layers' gain.

    Attributes:
        part: ``"activation"``, ``"weights"``, ``"normalisation"`` or ``"other"``.
        measured: its factor, geometric mean over the layers.
        predicted: what theory says; ``None`` where it has no formula for some layer.
        share: its share of ``ln gain``; negative where it works against the fault. The shares sum to one.
    """

    part: str
    measured: float
    predicted: float | None
    share: float


@dataclass(frozen=True)
class CostlyLine:
    """A line of source, and what its operations do to the gradient.

    Attributes:
        what: the operation: ``"sigmoid"``, ``"Linear"``.
        part: as in `PartExplained`.
        layers: the layers that it stands for.
        factor: geometric mean over them.
        share: of ``ln gain``, as in `PartExplained`.
        built: the user's line that built the module, when known.
        file, line: the user's line that calls it, when known.
    """

    what: str
    part: str
    layers: tuple[str, ...]
    factor: float
    share: float
    built: SourceLine | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Explanation:
    """A vanishing or an exploding gradient in numbers.

    Attributes:
        layers: how many layers it is about; one when the fault sits in one place.
        measured: gain of a layer, geometric mean.
        predicted: what theory says, from the norms of the weights and the moments of what enters the activations;
            ``None`` where it has no formula for some layer.
        parts: the factors of the gain, the decisive one first; those that do nothing are left out.
        lines: the lines that cost most, the worst first.
        half_depth: layers after which half of the gradient is left (or twice as much has come of it).
        reach: layers after which ``e^-3`` is left, 5 % (or ``e^3`` has come of it, 20 times as much).
        attenuation: of the network as it is; as its gains have it, where rounding swallows the gradient.
        attenuation_at_twice_the_depth: its square. Like `half_depth` and `reach`, ``None`` for a fault in one place.
    """

    layers: int
    measured: float
    predicted: float | None
    parts: tuple[PartExplained, ...]
    lines: tuple[CostlyLine, ...]
    half_depth: float | None = None
    reach: float | None = None
    attenuation: float | None = None
    attenuation_at_twice_the_depth: float | None = None
