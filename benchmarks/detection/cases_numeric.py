"""Numbers that stop being finite, and signals that stop depending on the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection import data as d
from benchmarks.detection.nets import init_, mlp
from benchmarks.detection.nets_numeric import (
    Between,
    Coordinates,
    Exponential,
    Masked,
    PaddedRnn,
    Pooling,
    Tagged,
    averaged,
    crowding,
    crowding_of_angles,
    entropy,
    padded_embedding,
    pooled,
    root,
    safe_root,
    safe_spread_over_time,
    safe_unit_rows,
    spread_over_time,
    unit_rows,
)
from benchmarks.detection.nets_vision import cnn
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, adamw, sgd
from benchmarks.detection.tasks import ADAM_2, TASKS, make_problem


def between(
    seed: int,
    widen: int = 1,
    *,
    task: str = "digits",
    change: Callable[[Tensor], Tensor],
    width: int = 32,
    first: Callable[[int], nn.Module],
    second: Callable[[int], nn.Module],
    opt: Factory = ADAM_2,
    loss: Any = None,
    score: Any = None,
    batch: int = 64,
    steps: int = 200,
) -> Problem:
    torch.manual_seed(seed)
    model = Between(first(width * widen), change, second(width * widen))
    return make_problem(model, TASKS[task], seed=seed, opt=opt, batch=batch, steps=steps, loss_fn=loss, score=score)


def whole(
    seed: int,
    widen: int = 1,
    *,
    make: Callable[[int], nn.Module],
    task: str,
    width: int = 32,
    opt: Factory = ADAM_2,
    steps: int = 200,
    batch: int = 64,
) -> Problem:
    torch.manual_seed(seed)
    return make_problem(make(width * widen), TASKS[task], seed=seed, opt=opt, steps=steps, batch=batch)


def counts(seed: int, widen: int = 1, *, opt: Factory) -> Problem:
    """Poisson regression written by hand: the rate is the exponential of the output."""
    torch.manual_seed(seed)
    data = d.friedman().map(on_y=lambda y: (y + 3).clamp_min(0))
    model = init_(mlp(10, 64 * widen, 2, 1), "he")
    return make_problem(
        model,
        TASKS["friedman"],
        seed=seed,
        opt=opt,
        data=data,
        steps=400,
        score=_log_rate_score,
        loss_fn=lambda out, y: (out.exp() - y * out).mean(),
    )


def _log_rate_score(model: nn.Module, batch: Any) -> float:
    return d.r_squared(nn.Sequential(model, Exponential()), batch)


def regularised(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "mlp",
    floor: float,
    term: Callable[[Tensor, float], Tensor],
    width: int = 32,
) -> Problem:
    """Classification with a term on the features before the head; `floor` guards its derivative."""
    torch.manual_seed(seed)
    data = d.image_digits() if kind == "cnn" else d.standard_digits()
    model = init_(cnn(width * widen, 2, pool_every=2) if kind == "cnn" else mlp(64, width * widen, 2, 10), "he")

    def step(model: nn.Module, batch: Any) -> Tensor:
        features = model[:-1](batch[0])
        return F.cross_entropy(model[-1](features), batch[1]) + 0.01 * term(features, floor)

    return Problem(
        model, data.batches(64, seed), data.test, d.accuracy(), optimizer=adam(2e-3), step=step, train_steps=150
    )


BETWEEN = Family("numeric", between)
WHOLE = Family("numeric", whole)
COUNTS = Family("numeric", counts)
TERM = Family("numeric", regularised)
_DIVERGES = {"effect": "diverges"}
_MLP = {"first": lambda w: nn.Linear(64, w), "second": lambda w: mlp(w, w, 1, 10)}

# Tables, a case in as few lines as it takes.
# fmt: off
NON_FINITE: tuple[Case, ...] = (
    *BETWEEN.pair("root-of-zero", "HW701", "tune", _MLP, {"change": root}, {"change": safe_root}, **_DIVERGES),
    *BETWEEN.pair("norm-of-padding-token", "HW701", "held_out",
        {"task": "tokens", "first": padded_embedding, "opt": adam(5e-3),
         "second": lambda w: nn.Sequential(nn.Flatten(), nn.Linear(16 * w, 10))},
        {"change": unit_rows}, {"change": safe_unit_rows}, **_DIVERGES),
    *BETWEEN.pair("deviation-over-time", "HW701", "held_out",
        {"task": "rows", "width": 48, "second": lambda w: nn.Linear(2 * w, 10), "first": Tagged, "opt": adam(1e-2)},
        {"change": spread_over_time}, {"change": safe_spread_over_time}, **_DIVERGES),
    *TERM.pair("angle-with-itself", "HW701", "tune", {"term": crowding_of_angles}, {"floor": 0.0}, {"floor": 1e-3},
        **_DIVERGES),
    *TERM.pair("distance-to-itself", "HW701", "held_out", {"term": crowding, "width": 64}, {"floor": 0.0},
        {"floor": 1e-4}, **_DIVERGES),
    *TERM.pair("entropy-of-zero", "HW701", "tune", {"term": entropy, "kind": "cnn", "width": 16}, {"floor": 0.0},
        {"floor": 1e-6}, **_DIVERGES),
    *WHOLE.pair("attention-to-nothing", "HW701", "held_out", {"task": "tokens"}, {"make": lambda w: Masked(w, False)},
        {"make": lambda w: Masked(w, True)}, **_DIVERGES),
    *COUNTS.pair("exponential-overflows", "HW701", "tune", {}, {"opt": sgd(0.2, 0.9)}, {"opt": adam(5e-3)},
        learns=0.4, **_DIVERGES, accept=("HW402",),
        note="the gradient is even at the first step; it explodes when the weights have"),
)

COLLAPSED: tuple[Case, ...] = (
    *WHOLE.pair("layernorm-of-one-feature", "HW103", "tune", {"task": "friedman", "width": 64},
        {"make": lambda w: mlp(10, w, 2, 1, tail=(nn.LayerNorm(1),))}, {"make": lambda w: mlp(10, w, 2, 1)},
        accept=("HW602",)),
    *WHOLE.pair("groupnorm-of-one-value", "HW103", "held_out", {"task": "images", "width": 16, "opt": adam(3e-3)},
        {"make": lambda w: pooled(w, nn.GroupNorm(w, w))}, {"make": lambda w: pooled(w, nn.GroupNorm(1, w))},
        accept=("HW602",)),
    *WHOLE.pair("instance-norm-then-mean", "HW103", "tune", {"task": "images", "width": 32, "opt": adamw(1e-2)},
        {"make": lambda w: averaged(w, nn.Identity())}, {"make": lambda w: averaged(w, nn.ReLU())},
        accept=("HW602",)),
    *WHOLE.pair("mean-of-normalised-features", "HW103", "held_out", {"task": "tokens", "opt": adam(1e-2)},
        {"make": lambda w: Pooling(w, -1)}, {"make": lambda w: Pooling(w, 1)}, accept=("HW602",)),
    *WHOLE.pair("coordinates-in-large-units", "HW605", "tune", {"task": "images", "width": 16, "opt": sgd(0.01, 0.9)},
        {"make": lambda w: Coordinates(w, 1e4)}, {"make": lambda w: Coordinates(w, 0.1)},
        accept=("HW103",), note="the network makes these inputs itself, beside the data"),
    *WHOLE.pair("answer-read-from-padding", "HW103", "held_out", {"task": "rows", "width": 64, "opt": adam(3e-3)},
        {"make": lambda w: PaddedRnn("rnn", w, 60, True)}, {"make": lambda w: PaddedRnn("rnn", w, 60, False)},
        accept=("HW101",)),
)
# fmt: on

CASES = NON_FINITE + COLLAPSED
