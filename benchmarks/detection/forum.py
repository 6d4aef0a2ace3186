"""From a question as people post it to the problem of training that network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.detection import data as d
from benchmarks.detection.problem import Factory, Problem, adam, fit


def classes(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over the last dimension, at each position if there are several."""
    return F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1))


def times(factor: float, loss_fn: Callable[[Any, Any], Tensor] = classes) -> Callable[[Any, Any], Tensor]:
    return lambda outputs, targets: factor * loss_fn(outputs, targets)


def asked(
    seed: int,
    widen: int = 1,
    *,
    net: Callable[[int], nn.Module],
    data: Callable[[], d.Data] = d.standard_digits,
    chance: float | None = 0.1,
    opt: Factory | None = None,
    loss_fn: Callable[[Any, Any], Tensor] | None = None,
    spoil: Callable[[nn.Module], object] | None = None,
    before: tuple[Factory, int] | None = None,
    narrow: Callable[[nn.Module], nn.Module] | None = None,
    batch: int = 64,
    steps: int = 200,
    warm: int = 0,
) -> Problem:
    """A problem with the keywords as the question states them.

    Args:
        seed: of the weights and of the order of the batches.
        widen: factor of the width.
        net: makes the network for a factor of its width.
        data: training examples and held-out ones.
        chance: accuracy of a guess; ``None`` for a regression, which is scored by the variance explained.
        opt: ``None`` for Adam at 1e-3, or for what `before` trained with.
        loss_fn: ``None`` for cross-entropy, or the mean squared error of a regression.
        spoil: changes the network before its training.
        before: an optimizer and a number of steps that the network was trained with; if `opt` is ``None`` that very
            optimizer goes on, with its state.
        narrow: puts the trained network into another number format.
        batch: its size.
        steps: the honest budget.
        warm: steps over which the rate rises to that of `opt`, which is at the first of them.
    """
    torch.manual_seed(seed)
    model, source = net(widen), data()
    if spoil is not None:
        spoil(model)
    usual = classes if chance is not None else F.mse_loss
    score = d.r_squared if chance is None else d.accuracy(chance)
    problem = Problem(model, source.batches(batch, seed), source.test, score, loss_fn or usual, adam(1e-3), steps)
    if before is not None:
        make, amount = before
        problem = replace(problem, optimizer=make(model.parameters()))
        fit(problem, amount)
    if narrow is not None:
        problem = replace(problem, model=narrow(model))
    if opt is None:
        return problem
    if not warm:
        return replace(problem, optimizer=opt)
    optimizer = opt(problem.model.parameters())
    schedule = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warm))
    return replace(problem, optimizer=optimizer, schedule=schedule.step)


def unscaled(make: Callable[[Any], Optimizer], scale: float) -> Factory:
    """Divides the gradients by `scale` before each step, as GradScaler does; the loss function multiplies by it."""

    def divide(optimizer: Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.div_(scale)

    def factory(parameters: Any) -> Optimizer:
        optimizer = make(parameters)
        optimizer.register_step_pre_hook(divide)
        return optimizer

    return factory


def adamw_with(lr: float, **options: Any) -> Factory:
    return partial(torch.optim.AdamW, lr=lr, **options)


def sgd_with(lr: float, **options: Any) -> Factory:
    return partial(torch.optim.SGD, lr=lr, **options)
