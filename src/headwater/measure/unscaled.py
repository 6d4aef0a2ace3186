"""Takes the factor of a gradient scaler out of what was measured behind a loss that it had multiplied.

Gains, shares and slopes are ratios and stay. So does what was lost to rounding: the backward pass ran with the factor.
"""

from __future__ import annotations

import math
from dataclasses import replace

from headwater.records import AttentionRecord, Layer, Profile, TimeProfile


def layer(record: Layer, scale: float) -> Layer:
    """Divides the signal and that of the stream."""
    return replace(record, signal=_over(record.signal, scale), stream=_stream(record.stream, scale))


def profile(record: Profile, scale: float) -> Profile:
    """Divides the signal of each point."""
    return replace(record, points=tuple(replace(point, signal=point.signal / scale) for point in record.points))


def attention(record: AttentionRecord, scale: float) -> AttentionRecord:
    """Divides the gradients."""
    return replace(
        record,
        query_gradient=_over(record.query_gradient, scale),
        key_gradient=_over(record.key_gradient, scale),
        value_gradient=_over(record.value_gradient, scale),
        output_gradient=record.output_gradient / scale,
        stream_gradient=_stream(record.stream_gradient, scale),
    )


def through_time(record: TimeProfile, scale: float) -> TimeProfile:
    """Divides the gradients, which are logarithms; random vectors that were sent back know of no loss."""
    if record.probe == "jacobian":
        return record
    return replace(record, log_gradient=tuple(value - math.log(scale) for value in record.log_gradient))


def _stream(value: float | None, scale: float) -> float | None:
    """Where a branch rejoins only at the loss it finds the 1 that the backward pass begins with: no factor yet."""
    return value if value == 1.0 else _over(value, scale)


def _over(value: float | None, scale: float) -> float | None:
    return None if value is None else value / scale
