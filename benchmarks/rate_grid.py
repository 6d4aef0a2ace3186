"""The range test against a grid of trainings, beside what other tools read off the curve."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import torch

from benchmarks import rate_rules
from benchmarks.detection.cases_data import fitted
from benchmarks.detection.problem import Problem, fit
from benchmarks.tables import markdown
from headwater.range_test import range_test
from headwater.records.numbers import number

GRID = tuple(10.0 ** (k / 2) for k in range(-7, 2))
"""Rates from 3e-4 to 3, two a decade; from 1e-4 to 10 with three a decade none outside was the best of any problem."""
CLOSE = 1.25
"""A suggestion is close when its loss is at most so many times the grid's best, or 2 % of the first loss away."""
POINTS = 0.02
"""It is close by what it predicts when its held-out score is at most so much below that of the grid's best loss."""
LONGER = 2
"""Multiple of the steps in the trainings that are longer than the trials of the range test."""

Kind = Callable[..., torch.optim.Optimizer]
SGD, ADAM, ADAMW, RMSPROP = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop
MOMENTUM = partial(torch.optim.SGD, momentum=0.9)
_CNN = {"kind": "cnn", "task": "images", "width": 16, "steps": 150}
_GRU = {"kind": "gru", "task": "rows", "width": 48, "steps": 150}
_TRANSFORMER = {"kind": "transformer", "task": "tokens", "width": 32, "steps": 200}
_TANH = {"task": "friedman", "act": "tanh", "steps": 300}
_RELU = {"task": "friedman", "width": 128, "depth": 3, "steps": 300}
_GELU = {"task": "friedman", "act": "gelu", "width": 128, "batch": 16, "steps": 300}

Problems = dict[str, tuple[dict[str, Any], Kind]]
TUNED: Problems = {
    "digits MLP, SGD": ({}, SGD),
    "digits MLP, momentum": ({}, MOMENTUM),
    "digits MLP, Adam": ({}, ADAM),
    "digits CNN, momentum": (_CNN, MOMENTUM),
    "digits CNN, Adam": (_CNN, ADAM),
    "transformer, Adam": (_TRANSFORMER, ADAM),
    "transformer, momentum": (_TRANSFORMER, MOMENTUM),
    "GRU, Adam": (_GRU, ADAM),
    "GRU, SGD": (_GRU, SGD),
    "tanh regression, SGD": (_TANH, SGD),
    "tanh regression, Adam": (_TANH, ADAM),
}
"""On these, with seed 0, the method and its constants were chosen."""
KEPT: Problems = {
    "digits MLP 4 x 256, batch 32, SGD": ({"width": 256, "depth": 4, "batch": 32}, SGD),
    "tanh MLP 6 x 32, momentum": ({"act": "tanh", "width": 32, "depth": 6}, MOMENTUM),
    "transformer 64 wide, batch 32, AdamW": ({**_TRANSFORMER, "width": 64, "batch": 32}, ADAMW),
    "digits MLP 3 x 128, RMSprop": ({"width": 128, "depth": 3}, RMSPROP),
    "GRU 32 wide, RMSprop": ({**_GRU, "width": 32}, RMSPROP),
    "ReLU regression 3 x 128, momentum": (_RELU, MOMENTUM),
    "LSTM, batch 32, Adam": ({**_GRU, "kind": "lstm", "batch": 32}, ADAM),
    "CNN 8 wide, batch 128, SGD": ({**_CNN, "width": 8, "batch": 128}, SGD),
    "cancer MLP, batch 16, Adam": ({"task": "cancer", "width": 32, "batch": 16}, ADAM),
    "parity MLP, Adagrad": ({"task": "parity", "width": 128}, torch.optim.Adagrad),
    "GELU regression, batch 16, AdamW": (_GELU, ADAMW),
    "wine MLP, batch 16, SGD": ({"task": "wine", "width": 32, "batch": 16}, SGD),
}
"""Kept aside while it was chosen."""


@dataclass(frozen=True)
class Outcome:
    """A suggestion beside the grid.

    Attributes:
        rate, loss, score: of the suggestion; a loss is the mean of the last tenth of a training.
        best, best_loss, best_score: of the grid's least loss.
        first: loss before the training.
        others: rule and whether the rate that it reads off the curve is close by its loss.
    """

    name: str
    seed: int
    rate: float | None
    loss: float
    score: float
    best: float
    best_loss: float
    best_score: float
    first: float
    others: dict[str, bool]

    @property
    def close(self) -> bool:
        return near(self.loss, self.best_loss, self.first)

    @property
    def predicts(self) -> bool:
        return self.score >= self.best_score - POINTS

    def row(self) -> list[str]:
        losses = [number(self.rate), number(self.loss), number(self.best), number(self.best_loss), number(self.first)]
        scores = [f"{self.score:.2f}", f"{self.best_score:.2f}"]
        return [self.name, str(self.seed), *losses, _yes(self.close), *scores, _yes(self.predicts)]


def _yes(good: bool) -> str:
    return "yes" if good else "**no**"


def near(loss: float, best: float, first: float) -> bool:
    return loss <= max(CLOSE * best, best + 0.02 * first)


def trained(problem: Problem, steps: int) -> tuple[float, float]:
    """Mean loss of the last tenth of a training, and held-out score; infinite losses when it was lost."""
    losses: list[float] = []
    fit(problem, steps, lambda _, loss: losses.append(loss))
    level = fmean(losses[-max(1, steps // 10) :])
    if not math.isfinite(level) or len(losses) < steps:
        return math.inf, -math.inf
    problem.model.eval()
    return level, problem.score(problem.model, problem.test)


def against_grid(problems: Problems, seed: int, longer: int = 1, *, others: bool = True) -> list[Outcome]:
    """Trains each problem at the suggested rate, at those of the grid and at those of the other rules."""
    return [_outcome(name, options, kind, seed, longer, others) for name, (options, kind) in problems.items()]


def _outcome(name: str, options: dict[str, Any], kind: Kind, seed: int, longer: int, others: bool) -> Outcome:
    def problem(rate: float) -> Problem:
        return fitted(seed, opt=partial(kind, lr=rate), **options)

    start = problem(1e-3)
    steps = longer * start.train_steps
    first = float(start.loss(start.batches[0]).detach())
    grid = {rate: trained(problem(rate), steps) for rate in GRID}
    best = min(grid, key=lambda rate: grid[rate][0])
    least = grid[best][0]
    found = range_test(start.model, start.batches, start.loss_fn, optimizer=start.optimizer).suggested
    loss, score = trained(problem(found), steps) if found else (math.inf, -math.inf)
    rules = rate_rules.suggestions(rate_rules.curve(problem(1e-3))) if others else {}
    beside = {rule: near(trained(problem(rate), steps)[0], least, first) for rule, rate in rules.items()}
    outcome = Outcome(name, seed, found, loss, score, best, *grid[best], first, beside)
    print(outcome.row(), beside, file=sys.stderr, flush=True)
    return outcome


def table(outcomes: Sequence[Outcome]) -> str:
    head = ["problem", "seed", "suggested", "its loss", "best of the grid", "its loss", "first loss", "close"]
    return markdown([*head, "its score", "the grid's", "close"], [outcome.row() for outcome in outcomes])


def rules_table(groups: dict[str, Sequence[Outcome]]) -> str:
    """How many suggestions are close by their loss, by rule and group of problems."""
    rows = [["Headwater", *(_count([o.close for o in group]) for group in groups.values())]]
    for rule in rate_rules.RULES:
        rows.append([rule, *(_count([o.others[rule] for o in group]) for group in groups.values())])
    return markdown(["suggestion", *groups], rows)


def _count(good: Sequence[bool]) -> str:
    return f"{sum(good)} of {len(good)}"
