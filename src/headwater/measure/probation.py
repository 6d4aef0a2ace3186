"""A few real training steps on a copy of the model, each of them itemised: everything that one diagnosis measures.

Steps are taken, and only the later ones judged, because much is zero by design at the very first: branches and heads
that start at zero, low-rank adapters, a warm-up that starts at rate zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.graph import owners, walk
from headwater.measure.fit import outputs_fit
from headwater.measure.learning_rate import Progress
from headwater.measure.norms import frobenius
from headwater.measure.objective import Objective
from headwater.measure.optimizers import optimise
from headwater.measure.precision import Precision
from headwater.measure.probe import SETTLED, Passes, Probe
from headwater.measure.through_time import ThroughTime
from headwater.measure.trace import check_loss
from headwater.measure.units import Units
from headwater.measure.updates import Updates

STEP_SHARE = 1e-3
"""Change of the weights in one step of the default optimizer, as a share of their norm (Karpathy, CS231n: "1e-3")."""

FIRM_SAMPLES = 2048
"""Samples after which a unit never seen alive is called dead: its activity is below 3/2048 with 95 % confidence."""

_MOST_EXTRA_BATCHES = 64


def probation(
    model: nn.Module,
    objective: Objective,
    batches: list[Any],
    more: Iterator[Any],
    optimizer: Optimizer,
    updates: Updates,
    *,
    steps: int,
    bounded: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Passes:
    """Takes `steps` training steps on `model` and measures each.

    Args:
        model: is changed; pass a copy.
        objective: turns a batch into a loss.
        batches: used in turn, and again from the start when there are fewer than steps.
        more: further batches, read only when units look dead on too few samples.
        optimizer: over the parameters of `model`.
        updates: follows its steps.
        steps: how many.
        bounded: whether Headwater chose the optimizer, and sets its rate so that each step changes the weights by
            `STEP_SHARE`: then nothing measured depends on the scale of the loss.
        progress: called with the steps done and their number.
    """
    result = Passes(through_time=ThroughTime(steps), batches=itertools.chain(batches, more))
    precision = result.precision = Precision(model, optimizer, given=not bounded)
    result.progress = None if bounded else Progress(model, objective)
    for step in range(steps):
        batch = batches[step % len(batches)]
        if result.progress:
            result.progress.before_forward(batch)
        last = step == steps - 1
        predict = step in (0, (steps + SETTLED) // 2)
        probe = Probe(model, result, step, last=last, fresh=step < len(batches), predict=predict)
        with probe.forward():
            forward = objective(model, batch)
        _check(forward.loss, step)
        probe.begin(forward.loss)
        try:
            forward.loss.backward()
        finally:
            probe.stop()
        trace = probe.end(forward.outputs, forward.targets)
        if last and result.attention:
            result.head = replace(result.head, fit=outputs_fit(objective.loss_fn, forward.outputs, forward.targets))
        precision.before_step(trace)
        updates.before_step()
        if result.steps[-1].non_finite:
            break
        if bounded:
            _bound(model, optimizer)
        with precision.step():
            optimise(optimizer, lambda batch=batch: objective(model, batch).loss)
        updates.after_step()
        precision.after_step(updates)
        if result.progress and last:
            result.progress.after_last(result.steps[0].loss, result.steps[-1].loss, updates)
        optimizer.zero_grad(set_to_none=True)
        if progress:
            progress(step + 1, steps)
    _look_longer(model, objective, more, result)
    precision.look(objective, batches[0])
    return result


def _check(loss: Any, step: int) -> None:
    """A loss that is not finite is an error of input at the first step, and a finding later."""
    if step == 0 or not isinstance(loss, torch.Tensor) or loss.numel() != 1 or loss.grad_fn is None:
        check_loss(loss)


def _bound(model: nn.Module, optimizer: Optimizer) -> None:
    """Sets the rate of plain gradient descent so that the step is `STEP_SHARE` of the weights."""
    moved = [p for p in model.parameters() if p.grad is not None]
    weights = math.hypot(*(frobenius(p) for p in moved))
    gradients = math.hypot(*(frobenius(p.grad) for p in moved if p.grad is not None))
    for group in optimizer.param_groups:
        group["lr"] = STEP_SHARE * weights / gradients if gradients > 0 else 0.0


def _look_longer(model: nn.Module, objective: Objective, more: Iterator[Any], result: Passes) -> None:
    """Runs further batches forward while units look dead or saturated on too few samples to say so."""
    for _, batch in zip(range(_MOST_EXTRA_BATCHES), more, strict=False):
        if not _undecided(result.units):
            return
        with owners(model) as learned:
            forward = objective(model, batch)
        _check(forward.loss, step=1)  # the training may have lost its course by now
        result.units.look(walk(forward.loss), learned)


def _undecided(units: Units) -> bool:
    hidden = [u for u in units.records() if u.role == "hidden" and u.samples < FIRM_SAMPLES]
    return any(u.dead or u.saturated for u in hidden)
