"""The gain of each layer as a stack of its factors, in decades: what both pictures of the gains draw."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.records import GainParts, Layer
from headwater.report.view import factors, mean_gain, mean_parts

_GAP = 0.12
"""Share of a depth that separates it from the next."""


@dataclass(frozen=True)
class Segment:
    """One factor of a gain: it leads from `start` to `end`, in decades; infinite where the factor is zero."""

    part: str
    factor: float
    start: float
    end: float


@dataclass(frozen=True)
class Bar:
    """One layer, or the mean of neighbours, between `left` and `right` on an axis of depth.

    Attributes:
        layers: the layers that it stands for.
        gain: the product of the factors.
        segments: the factors above one upward from 0, those below one downward.
    """

    left: float
    right: float
    layers: tuple[Layer, ...]
    gain: float
    segments: tuple[Segment, ...]


def bars(layers: Sequence[Layer], most: int) -> tuple[Bar, ...]:
    """Returns the bars of all layers with a gain, in order of depth, neighbours together so that there are few enough.

    Layers of one depth (parallel branches) share its room.
    """
    known = sorted((layer for layer in layers if layer.gain is not None), key=lambda layer: layer.depth)
    depths = [list(group) for _, group in itertools.groupby(known, key=lambda layer: layer.depth)]
    if len(known) <= most:
        return tuple(bar for group in depths for bar in _side_by_side(group))
    size = math.ceil(len(depths) / most)
    chunks = [list(itertools.chain(*depths[i : i + size])) for i in range(0, len(depths), size)]
    return tuple(_bar(chunk[0].depth - 0.5, chunk[-1].depth + 0.5, chunk) for chunk in chunks)


def extremes(drawn: Sequence[Bar]) -> list[float]:
    """The finite ends of all segments, as factors, for the range of an axis."""
    ends = [end for bar in drawn for s in bar.segments for end in (s.start, s.end) if math.isfinite(end)]
    return [10.0 ** min(max(end, -300.0), 300.0) for end in ends]


def _side_by_side(group: list[Layer]) -> list[Bar]:
    width = 1.0 / len(group)
    start = group[0].depth - 0.5
    return [_bar(start + (i + _GAP) * width, start + (i + 1 - _GAP) * width, [layer]) for i, layer in enumerate(group)]


def _bar(left: float, right: float, group: list[Layer]) -> Bar:
    gain = mean_gain([layer.gain for layer in group])
    parts = mean_parts([layer.gain_parts for layer in group if layer.gain_parts is not None])
    return Bar(left, right, tuple(group), math.nan if gain is None else gain, _segments(parts))


def _segments(parts: GainParts | None) -> tuple[Segment, ...]:
    """Stacks the factors, those without end last: nothing can stand on them."""
    logs = [(name, value, _log(value)) for name, value in (factors(parts) if parts else {}).items()]
    logs = [item for item in logs if item[2] != 0 and not math.isnan(item[2])]
    found: list[Segment] = []
    up = down = 0.0
    for name, value, log in sorted(logs, key=lambda item: math.isinf(item[2])):
        start = up if log > 0 else down
        found.append(Segment(name, value, start, start + log))
        if log > 0:
            up += log
        else:
            down += log
    return tuple(s for s in found if not math.isinf(s.start))


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf if value == 0 else math.nan
