"""The account behind a vanishing or an exploding gradient: which part, on which line, and what depth makes of it.

All is arithmetic on the factors of the chain. With g the geometric mean of the layers' gains, the gradient is down to
a half after ``ln 2 / -ln g`` layers and to e^-3 after ``3 / -ln g``: six depth scales of the squared norm, where
Schoenholz et al. 2017 ("Deep information propagation", arXiv 1611.01232) put the end of trainable depth. A network of
twice the depth squares the attenuation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headwater.records import (
    CostlyLine,
    Explanation,
    GainParts,
    Layer,
    Measurement,
    PartExplained,
    SourceLine,
    UnitsRecord,
)
from headwater.rules.chain import NAMES, chain_layers, factor

MOST_LINES = 3
"""Lines that are named, beside the worst one of each part: a reader looks at the worst first."""
_LARGEST = 700.0
"""``exp`` of more overflows."""
NOTHING = 0.01
"""``|ln|`` of a factor that does nothing worth telling."""


@dataclass(frozen=True)
class _Share:
    """What one part of one layer does: ``ln factor``, and the operation that is behind it."""

    log: float
    part: str
    layer: str
    what: str
    built: SourceLine | None
    file: str | None
    line: int | None


def explanation(measurement: Measurement, only: str | None = None, *, grows: bool = False) -> Explanation | None:
    """Accounts for the gain along the chain, or for that of the layer `only`.

    ``None`` where most layers lie in branches, where no layer has a gain, and where the mean gain goes the other way
    than the fault does.
    """
    layers = [e for e in chain_layers(measurement, only) if e.gain_parts and e.gain and 0 < e.gain < math.inf]
    if not layers:
        return None
    measured = _means([layer.gain_parts for layer in layers if layer.gain_parts])
    known = [layer.predicted_parts for layer in layers if layer.predicted_parts is not None]
    theory = _means(known) if len(known) == len(layers) else {}
    log = sum(measured.values())
    if abs(log) < NOTHING or (log > 0) != grows:
        return None
    found = Explanation(
        layers=len(layers),
        measured=math.exp(log),
        predicted=math.exp(sum(theory.values())) if theory else None,
        parts=_parts(measured, theory, log),
        lines=_lines(measurement, layers, log * len(layers)),
    )
    return found if only is not None else _with_depth(found, measurement, abs(log))


def _means(parts: Sequence[GainParts]) -> dict[str, float]:
    """Mean of ``ln factor`` of each part."""
    return {name: sum(math.log(factor(each, name)) for each in parts) / len(parts) for name in NAMES}


def _parts(measured: dict[str, float], theory: dict[str, float], log: float) -> tuple[PartExplained, ...]:
    told = [name for name in NAMES if abs(measured[name]) > NOTHING or abs(theory.get(name, 0.0)) > NOTHING]
    told.sort(key=lambda name: -measured[name] / log)
    return tuple(
        PartExplained(
            part=name,
            measured=math.exp(measured[name]),
            predicted=math.exp(theory[name]) if theory else None,
            share=measured[name] / log,
        )
        for name in told
    )


def line_costs(measurement: Measurement, layers: Sequence[Layer]) -> tuple[CostlyLine, ...]:
    """What each line of source does to the gradient, one entry for each kind of operation on it, the worst first.

    Their shares are of the whole that these layers do together; those of lines that work against it are negative.
    """
    known = [each for each in layers if each.gain_parts and each.gain and 0 < each.gain < math.inf]
    groups = _groups(measurement, known)
    log = sum(share.log for group in groups for share in group)
    return tuple(sorted((_line(group, log or math.inf) for group in groups), key=lambda line: -line.share))


def _lines(measurement: Measurement, layers: Sequence[Layer], log: float) -> tuple[CostlyLine, ...]:
    """The lines with the largest share of the whole, each for one kind of operation."""
    found = [_line(group, log) for group in _groups(measurement, layers)]
    found = sorted((line for line in found if line.share > 0), key=lambda line: -line.share)
    worst = {line.part: line for line in reversed(found)}.values()
    return tuple(line for i, line in enumerate(found) if i < MOST_LINES or line in worst)


def _groups(measurement: Measurement, layers: Sequence[Layer]) -> list[list[_Share]]:
    """The parts of all layers, those of one operation on one line together."""
    activations = {units.layer: units for units in reversed(measurement.units) if units.role == "hidden"}
    groups: dict[tuple[object, ...], list[_Share]] = {}
    for share in (share for layer in layers for share in _shares(layer, activations)):
        place = share.built or (share.file and (share.file, share.line))
        groups.setdefault((share.part, share.what, place or share.layer), []).append(share)
    return list(groups.values())


def _shares(layer: Layer, activations: dict[str | None, UnitsRecord]) -> list[_Share]:
    """The parts of one layer. The activation between a layer and the next one below belongs to that one."""
    found: list[_Share] = []
    for name in NAMES:
        log = math.log(factor(layer.gain_parts, name)) if layer.gain_parts else 0.0
        below = activations.get(layer.toward) if name == "activation" else None
        if abs(log) <= NOTHING:
            continue
        if below is not None:
            found.append(_Share(log, name, below.layer or "", below.kind, below.built, below.file, below.line))
        else:
            what = layer.kind if name == "weights" else name
            found.append(_Share(log, name, layer.name, what, layer.built, layer.file, layer.line))
    return found


def _line(group: Sequence[_Share], log: float) -> CostlyLine:
    first, total = group[0], sum(share.log for share in group)
    return CostlyLine(
        what=first.what,
        part=first.part,
        layers=tuple(share.layer for share in group),
        factor=math.exp(total / len(group)),
        share=total / log,
        built=first.built,
        file=first.file,
        line=first.line,
    )


def _with_depth(found: Explanation, measurement: Measurement, rate: float) -> Explanation:
    """Adds what the gain a layer means for the depth. Where rounding swallows the gradient, the gains speak for it."""
    profile = measurement.profile
    attenuation = profile.attenuation
    if attenuation is None or not 0 < attenuation < math.inf or profile.underflow_at:
        attenuation = math.exp(min(found.layers * math.log(found.measured), _LARGEST))
    return replace(
        found,
        half_depth=math.log(2.0) / rate,
        reach=3.0 / rate,
        attenuation=attenuation,
        attenuation_at_twice_the_depth=attenuation * attenuation,  # infinite, where a power would raise
    )
