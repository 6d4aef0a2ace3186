"""Data, loss and score that belong together, and the step from a model to a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import nn

from benchmarks.detection import data as d
from benchmarks.detection.problem import Factory, LossFn, Problem, Score, adam, fit


@dataclass(frozen=True)
class Task:
    data: Callable[[], d.Data]
    inputs: int
    outputs: int
    loss_fn: LossFn
    score: Score
    tail: Callable[[], nn.Module] | None = None


ADAM, ADAM_2, ADAM_3 = adam(1e-3), adam(2e-3), adam(3e-3)


def _parity(source: Callable[[], d.Data]) -> Callable[[], d.Data]:
    return lambda: source().map(on_y=lambda y: (y % 2).float()[:, None])


_ten = d.accuracy(0.1)
_even = d.binary(0.5)
_classes = {"loss_fn": F.cross_entropy, "score": _ten}

TASKS: dict[str, Task] = {
    "digits": Task(d.standard_digits, 64, 10, **_classes),
    "digits-unit": Task(d.unit_digits, 64, 10, **_classes),
    "digits-nll": Task(d.standard_digits, 64, 10, F.nll_loss, _ten, partial(nn.LogSoftmax, dim=-1)),
    "parity": Task(_parity(d.standard_digits), 64, 1, F.binary_cross_entropy_with_logits, _even),
    "parity-bce": Task(_parity(d.standard_digits), 64, 1, F.binary_cross_entropy, d.binary(0.5, 0.5), nn.Sigmoid),
    "parity-hinge": Task(
        _parity(d.standard_digits), 64, 1, lambda out, y: (1 - out * (2 * y - 1)).clamp_min(0).mean(), _even
    ),
    "friedman": Task(d.friedman, 10, 1, F.mse_loss, d.r_squared),
    "friedman-smooth": Task(d.friedman, 10, 1, F.smooth_l1_loss, d.r_squared),
    "cancer": Task(d.cancer, 30, 1, F.binary_cross_entropy_with_logits, d.binary(0.63)),
    "cancer-raw": Task(lambda: d.cancer(False), 30, 1, F.binary_cross_entropy_with_logits, d.binary(0.63)),
    "wine": Task(d.wine, 13, 3, F.cross_entropy, d.accuracy(0.4)),
    "wine-raw": Task(lambda: d.wine(False), 13, 3, F.cross_entropy, d.accuracy(0.4)),
    "images": Task(d.image_digits, 1, 10, **_classes),
    "rows": Task(d.row_digits, 8, 10, **_classes),
    "patches": Task(d.patch_digits, 4, 10, **_classes),
    "tokens": Task(d.token_digits, d.VOCABULARY, 10, **_classes),
    "chain": Task(
        d.chain,
        d.VOCABULARY,
        d.VOCABULARY,
        lambda out, y: F.cross_entropy(out.flatten(0, 1), y.flatten()),
        d.accuracy(1 / 17),
    ),
}


def with_tail(model: nn.Sequential, task: Task) -> nn.Sequential:
    return model if task.tail is None else model.append(task.tail())


def make_problem(
    model: nn.Module,
    task: Task,
    *,
    seed: int,
    opt: Factory | None = None,
    batch: int = 64,
    steps: int = 200,
    converge: int = 0,
    loss_fn: LossFn | None = None,
    data: d.Data | None = None,
    score: Score | None = None,
) -> Problem:
    """The problem of training `model` on `task`; `converge` trains it so many steps beforehand."""
    source = data if data is not None else task.data()
    problem = Problem(
        model, source.batches(batch, seed), source.test, score or task.score, loss_fn or task.loss_fn, opt, steps
    )
    if converge:
        fit(problem, converge)
    return problem
