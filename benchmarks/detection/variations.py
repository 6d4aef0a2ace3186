"""The same network and training in other units, batches and widths: the verdict may not change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmarks.detection.problem import Batch, Case, Factory, Problem

Build = Callable[[Case, int], Problem]


def scaled(problem: Problem, factor: float) -> Problem:
    """The loss times `factor`, with the optimizer in the same units: every step moves the weights as before."""
    step, loss_fn = problem.step, problem.loss_fn
    change: dict[str, Any] = {}
    if step is not None:
        change["step"] = lambda m, batch: factor * step(m, batch)
    if loss_fn is not None:
        change["loss_fn"] = lambda out, y: factor * loss_fn(out, y)
    if isinstance(problem.optimizer, Optimizer):
        _rescale(problem.optimizer, factor)
    elif problem.optimizer is not None:
        change["optimizer"] = _rescaled(problem.optimizer, factor)
    return replace(problem, **change)


def _rescaled(factory: Factory, factor: float) -> Factory:
    def make(parameters: Any) -> Optimizer:
        return _rescale(factory(parameters), factor)

    return make


def _rescale(optimizer: Optimizer, factor: float) -> Optimizer:
    for group in optimizer.param_groups:
        for name in ("max_norm", "weight_decay"):  # what is compared with, or added to, a gradient
            if name in group and not group.get("decoupled_weight_decay"):
                group[name] *= factor
        if "eps" in group:  # adaptive: the step has no unit of gradient, but eps has
            group["eps"] *= factor
        else:
            group["lr"] /= factor
    return optimizer


def summed(case: Case, seed: int) -> Problem:
    """Sum over the batch in place of the mean."""
    problem = case.build(seed)
    return scaled(problem, float(len(problem.batches[0][1])))


def larger_batches(case: Case, seed: int) -> Problem:
    problem = case.build(seed)
    groups = [problem.batches[i : i + 4] for i in range(0, len(problem.batches) - 3, 4)]
    return replace(problem, batches=[_joined(group) for group in groups] or problem.batches)


def _joined(batches: Any) -> Batch:
    first = batches[0][0]
    if isinstance(first, Tensor):
        inputs: Any = torch.cat([x for x, _ in batches])
    else:
        inputs = tuple(torch.cat([x[i] for x, _ in batches]) for i in range(len(first)))
    return inputs, torch.cat([y for _, y in batches])


VARIATIONS: dict[str, Build] = {
    "loss x 1e-6": lambda case, seed: scaled(case.build(seed), 1e-6),
    "loss x 1e6": lambda case, seed: scaled(case.build(seed), 1e6),
    "sum": summed,
    "batch x 4": larger_batches,
    "width x 2": lambda case, seed: case.build(seed, widen=2),
}
