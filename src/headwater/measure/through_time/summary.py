"""From gradients at every step to one profile: logarithms, the robust gain, the memory horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from scipy import stats

from headwater.measure.through_time.replay import Scan, by_lag
from headwater.records import TimeProfile

_MOST_STEPS = 256
"""Steps that a profile records; of more, evenly spaced ones."""


def scan_profile(scan: Scan, lengths: torch.Tensor | None, *, name: str, kind: str) -> TimeProfile:
    """Summarises one layer in one direction of a fused module."""
    values = scan.total if scan.probe is None else scan.probe
    logs = log_norms(values, lengths, reverse=scan.reverse)
    return time_profile(
        logs,
        name=name,
        kind=kind,
        layer=scan.layer,
        length=len(logs),
        direction="reverse" if scan.reverse else "forward",
        probe="loss" if scan.probe is None else "jacobian",
        needed=len(logs) - 1 if scan.probe is None else None,
        gated=kind != "RNN",
    )


def log_norms(values: torch.Tensor, lengths: torch.Tensor | None, *, reverse: bool) -> list[float]:
    """Returns ``ln`` of the norm over the batch at each step, in the order of the scan; minus infinity for zero.

    Squares of what is far below one would leave float64's range, so they are added up as logarithms. Where only some
    sequences reach back so far, their norm is scaled to the whole batch.
    """
    largest = values.abs().amax(dim=2, keepdim=True)
    shares = torch.where(largest > 0, values / largest, values)
    squares = 2.0 * largest[:, :, 0].log() + shares.square().sum(2).log()
    alive = torch.ones_like(squares)
    if lengths is not None:
        steps = torch.arange(len(values), device=values.device)[:, None]
        alive = (steps < lengths.to(values.device)).to(squares.dtype)
    squares = by_lag(squares, lengths, reverse=reverse, nothing=-math.inf)
    counts = by_lag(alive, lengths, reverse=reverse).sum(1)
    logs = 0.5 * (torch.logsumexp(squares, 1) + (squares.shape[1] / counts).log())
    return cast("list[float]", logs.flip(0).tolist())


def time_profile(log_gradient: Sequence[float], **fields: Any) -> TimeProfile:
    """Returns the profile of steps ``0, 1, ...``; `fields` are the others of `TimeProfile`."""
    found = [(i, value) for i, value in enumerate(log_gradient) if math.isfinite(value)]
    every = max(1, math.ceil(len(found) / _MOST_STEPS))
    kept = found[::-1][::every][::-1]  # the last step stays
    gain = _gain(kept)
    horizon = -1.0 / math.log(gain) if gain is not None and 0.0 < gain < 1.0 else None
    return TimeProfile(
        steps=tuple(step for step, _ in kept),
        log_gradient=tuple(value for _, value in kept),
        gain=gain,
        horizon=horizon,
        **fields,
    )


def _gain(points: Sequence[tuple[int, float]]) -> float | None:
    """``exp(-slope)`` with the Theil-Sen slope (Sen 1968) of ``ln |d loss/d h_t|`` against t."""
    if len(points) < 3:
        return None
    slope = float(cast(Any, stats).theilslopes([value for _, value in points], [step for step, _ in points])[0])
    return math.exp(min(-slope, 700.0))
