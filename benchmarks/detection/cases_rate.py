"""Learning rates: too small, too large, and too large for what is left."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.detection.cases_data import fitted
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, adamw, fit, rmsprop, sgd


def information(model: nn.Module, batch: Any) -> float:
    """Share of the classes' entropy that the predictions take away, as the loss sees it and not only the best guess."""
    training = model.training
    model.eval()
    with torch.no_grad():
        loss = float(F.cross_entropy(model(batch[0]), batch[1]))
    model.train(training)
    share = 1.0 - loss / math.log(10)
    return max(0.0, share) if math.isfinite(share) else 0.0


def settled(
    seed: int, widen: int = 1, *, opt: Factory, before: int = 400, then: float = 1.0, **options: Any
) -> Problem:
    """A network that was trained for `before` steps and goes on with the same optimizer at `then` times the rate."""
    problem = fitted(seed, widen, opt=opt, **options)
    optimizer = problem.make_optimizer()
    goes_on = Problem(**{**vars(problem), "optimizer": optimizer})
    fit(goes_on, before)
    optimizer.zero_grad()
    for group in optimizer.param_groups:
        group["lr"] *= then
    return goes_on


def scheduled(seed: int, widen: int = 1, *, peak: float, how: str, steps: int = 200, **options: Any) -> Problem:
    """A schedule of torch that begins far below its peak; `headwater.diagnose` sees its first rate only."""
    problem = fitted(seed, widen, opt=None, steps=steps, **options)
    optimizer = torch.optim.AdamW(problem.model.parameters(), lr=peak)
    schedules = torch.optim.lr_scheduler
    if how == "one-cycle":
        schedule: Any = schedules.OneCycleLR(optimizer, peak, total_steps=steps + 1, div_factor=1e4)
    else:
        schedule = schedules.LinearLR(optimizer, start_factor=1e-4, total_iters=steps // 4)
    return Problem(**{**vars(problem), "optimizer": optimizer, "schedule": schedule.step})


def summed(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The sum of squares over the batch, as some write it."""
    return ((out - y) ** 2).sum()


RATE = Family("rate", fitted)
SETTLED = Family("rate", settled)
SCHEDULED = Family("rate", scheduled)

_CNN = {"kind": "cnn", "task": "images", "width": 16}
_GRU, _LSTM = {"kind": "gru", "task": "rows", "width": 48}, {"kind": "lstm", "task": "rows", "width": 48}
_TRANSFORMER = {"kind": "transformer", "task": "tokens", "width": 32}
_TANH = {"task": "friedman", "act": "tanh"}
_INFO = {"score": information}

# Tables, a case in as few lines as it takes.
# fmt: off
SMALL: tuple[Case, ...] = (
    *RATE.pair("rate-1e-6-mlp-adam", "HW401", "tune", {}, {"opt": adam(1e-6)}, {"opt": adam(1e-3)}),
    *RATE.pair("rate-3e-6-cnn-sgd", "HW401", "tune", _CNN, {"opt": sgd(3e-6)}, {"opt": sgd(0.05)}),
    *RATE.pair("rate-1e-5-lstm-momentum", "HW401", "tune", {**_LSTM, "steps": 300}, {"opt": sgd(1e-5, 0.9)},
        {"opt": sgd(0.1, 0.9)}),
    *RATE.pair("rate-1e-7-transformer-adamw", "HW401", "held_out", _TRANSFORMER, {"opt": adamw(1e-7)},
        {"opt": adamw(3e-3)}),
    *RATE.pair("rate-1e-6-tanh-momentum", "HW401", "held_out", {**_TANH, "steps": 300}, {"opt": sgd(1e-6, 0.9)},
        {"opt": sgd(0.03, 0.9)}),
    *RATE.pair("rate-1e-6-gru-rmsprop", "HW401", "held_out", _GRU, {"opt": rmsprop(1e-6)}, {"opt": rmsprop(3e-3)}),
    *RATE.pair("rate-1e-8-sum-of-squares", "HW401", "held_out", {"task": "friedman", "loss": summed, "steps": 300},
        {"opt": sgd(1e-8)}, {"opt": sgd(1e-3)}),
)

LARGE: tuple[Case, ...] = (
    *RATE.pair("rate-1-mlp-adam", "HW402", "tune", {}, {"opt": adam(1.0)}, {"opt": adam(1e-2)}),
    *RATE.pair("rate-0.3-cnn-momentum", "HW402", "tune", _CNN, {"opt": sgd(0.3, 0.9)}, {"opt": sgd(0.02, 0.9)}),
    *RATE.pair("rate-3-mlp-sgd", "HW402", "tune", {"depth": 3}, {"opt": sgd(3.0)}, {"opt": sgd(0.1)}),
    *RATE.pair("rate-10-gru-sgd", "HW402", "tune", _GRU, {"opt": sgd(10.0, 0.9)}, {"opt": adam(1e-2)}),
    *RATE.pair("rate-0.3-transformer-adam", "HW402", "held_out", _TRANSFORMER, {"opt": adam(0.3)}, {"opt": adam(3e-3)}),
    *RATE.pair("rate-1-tanh-momentum", "HW402", "held_out", _TANH, {"opt": sgd(1.0, 0.9)}, {"opt": sgd(0.03, 0.9)}),
    *RATE.pair("rate-1-cnn-adam", "HW402", "held_out", _CNN, {"opt": adam(1.0)}, {"opt": adam(3e-3)}),
    *RATE.pair("rate-0.2-wide-adamw", "HW402", "held_out", {"width": 256, "depth": 4}, {"opt": adamw(0.2)},
        {"opt": adamw(1e-3)}),
)

LEVEL: tuple[Case, ...] = (
    *SETTLED.pair("level-linear-sgd", "HW403", "tune", {"task": "friedman", "depth": 0, "batch": 8, "opt": sgd(0.2)},
        {}, {"then": 0.1}, effect="level"),
    *SETTLED.pair("level-linear-adam", "HW403", "tune", {"task": "friedman", "depth": 0, "batch": 16, "opt": adam(0.2)},
        {}, {"then": 0.1}, effect="level"),
    *SETTLED.pair("level-tanh-adam", "HW403", "tune", {**_TANH, "batch": 16, "opt": adam(0.05)}, {}, {"then": 0.1},
        effect="level"),
    *SETTLED.pair("level-transformer-momentum", "HW403", "held_out",
        {**_TRANSFORMER, **_INFO, "batch": 32, "opt": sgd(0.1, 0.9)}, {}, {"then": 0.1}, effect="level"),
    *SETTLED.pair("level-linear-rmsprop", "HW403", "held_out",
        {"task": "friedman", "depth": 0, "batch": 8, "opt": rmsprop(0.1)}, {}, {"then": 0.1}, effect="level"),
    *SETTLED.pair("level-deeper-transformer-momentum", "HW403", "held_out",
        {**_TRANSFORMER, **_INFO, "depth": 3, "batch": 32, "opt": sgd(0.1, 0.9)}, {}, {"then": 0.1}, effect="level"),
    *SETTLED.pair("level-lstm-adam", "HW403", "held_out", {**_LSTM, **_INFO, "batch": 32, "opt": adam(0.05)}, {},
        {"then": 0.1}, effect="level"),
)

HEALTHY: tuple[Case, ...] = (
    RATE.healthy("rate-2e-4-mlp-adam", "tune", opt=adam(2e-4), steps=600, tempts="HW401", note="slow, and it learns"),
    RATE.healthy("rate-1e-3-momentum", "held_out", opt=sgd(1e-3, 0.9), steps=600, tempts="HW401"),
    SCHEDULED.healthy("warm-up-of-50-steps", "tune", peak=5e-3, how="linear", tempts="HW401"),
    SCHEDULED.healthy("one-cycle-cnn", "held_out", **_CNN, peak=1e-2, how="one-cycle", tempts="HW401"),
    SETTLED.healthy("annealed-gru", "held_out", **_GRU, opt=adam(5e-3), then=1e-4, steps=50, tempts="HW401",
        note="a small rate at the end of a training is what one wants"),
    RATE.healthy("edge-of-stability", "tune", depth=2, opt=sgd(0.3), batch=256, steps=200, tempts="HW402"),
    RATE.healthy("jump-and-back-sgd", "held_out", depth=3, opt=sgd(0.5), steps=300, tempts="HW402"),
    RATE.healthy("rate-0.03-mlp-adam", "tune", depth=3, opt=adam(0.03), tempts="HW402"),
    RATE.healthy("rate-0.1-mlp-momentum", "held_out", depth=3, opt=sgd(0.1, 0.9), tempts="HW402"),
    RATE.healthy("one-big-batch-momentum", "held_out", **_TANH, opt=sgd(0.1, 0.9), batch=1500, steps=300,
        tempts="HW402"),
    RATE.healthy("rate-0.02-gru-adam", "tune", **_GRU, opt=adam(0.02), tempts="HW402"),
    SETTLED.healthy("under-way-transformer", "tune", **_TRANSFORMER, opt=adam(3e-3), before=100,
        steps=200, tempts="HW403"),
    SETTLED.healthy("under-way-cnn", "held_out", **_CNN, opt=sgd(0.02, 0.9), before=60, tempts="HW403"),
    SETTLED.healthy("under-way-tanh", "tune", **_TANH, opt=sgd(0.05), before=200, tempts="HW403"),
    SETTLED.healthy("converged-mlp-momentum", "held_out", opt=sgd(0.03, 0.9), before=800, tempts="HW403"),
    SETTLED.healthy("converged-noisy-regression", "tune", task="friedman", depth=0, opt=sgd(0.01), before=1500,
        batch=128, tempts="HW403", note="a linear model of curved targets: what is left cannot be learned"),
    SETTLED.healthy("converged-gru-adam", "held_out", **_GRU, opt=adam(3e-3), before=800, tempts="HW403"),
)
# fmt: on

CASES = SMALL + LARGE + LEVEL + HEALTHY
