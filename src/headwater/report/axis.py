"""Axes: logarithmic ones, which also have a place for zero and for infinity, and plain ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from headwater.records.numbers import number

_FLOOR = 0.08
"""Share of the axis below the smallest number that is kept for zeros."""
_FINE = 2.2
"""Decades up to which an axis shows 2 and 5 between the powers of ten."""


@dataclass(frozen=True)
class LogAxis:
    """An axis in decades. Zeros stand at `bottom`, which lies below `low` when there are any."""

    low: float
    high: float
    bottom: float


@dataclass(frozen=True)
class LinearAxis:
    """An axis of even steps. What lies beyond its ends stands at the nearer one."""

    low: float
    high: float


Axis = LogAxis | LinearAxis


def axis_over(values: Iterable[float | None], *, least: float, around: float | None = None) -> LogAxis:
    """Returns an axis over all values, at least `least` decades long, that includes the number `around`."""
    known = [value for value in values if value is not None]
    logs = [math.log10(value) for value in known if value > 0 and math.isfinite(value)]
    logs += [math.log10(around)] if around else []
    low, high = (min(logs), max(logs)) if logs else (-1.0, 0.0)
    pad = max(0.06 * (high - low), 0.5 * (least - (high - low)))
    low, high = low - pad, high + pad
    zeros = any(value == 0 for value in known)
    return LogAxis(low, high, low - _FLOOR * (high - low) if zeros else low)


def linear_axis_over(values: Iterable[float]) -> LinearAxis:
    """Returns an axis over all finite values."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    pad = 0.06 * (high - low) or 0.5
    return LinearAxis(low - pad, high + pad)


def position(axis: Axis, value: float) -> float:
    """Place on the axis, 0 at its bottom and 1 at its top, of a number; NaN and infinity are at the top."""
    if isinstance(axis, LinearAxis):
        place = value if math.isfinite(value) else axis.high
        return (min(max(place, axis.low), axis.high) - axis.low) / (axis.high - axis.low)
    if value == 0:
        return 0.0
    decade = math.log10(value) if value > 0 and math.isfinite(value) else axis.high
    return (min(max(decade, axis.bottom), axis.high) - axis.bottom) / (axis.high - axis.bottom)


def ticks(axis: Axis, most: int = 8) -> list[tuple[float, str]]:
    """Returns round numbers along the axis and how they are written."""
    if isinstance(axis, LinearAxis):
        return _even_ticks(axis, most)
    span = axis.high - axis.low
    first, last = math.floor(axis.low), math.ceil(axis.high)
    if span <= _FINE:
        values = [mantissa * 10.0**decade for decade in range(first, last + 1) for mantissa in (1, 2, 5)]
    else:
        step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200) if span / step <= most)
        values = [10.0**decade for decade in range(first, last + 1) if decade % step == 0 and -308 <= decade <= 308]
    return [(value, number(value)) for value in values if axis.low <= math.log10(value) <= axis.high]


def _even_ticks(axis: LinearAxis, most: int) -> list[tuple[float, str]]:
    span = axis.high - axis.low
    decade = 10.0 ** math.floor(math.log10(span / most))
    step = next(step for step in (decade * m for m in (1, 2, 5, 10)) if span / step <= most)
    first, last = math.ceil(axis.low / step), math.floor(axis.high / step)
    return [(place * step, number(place * step)) for place in range(first, last + 1)]


def marked(value: float) -> str:
    """What stands beside a number that has no place on a logarithmic axis."""
    if value == 0:
        return "0"
    if math.isfinite(value):
        return ""
    return "NaN" if math.isnan(value) else "∞"
