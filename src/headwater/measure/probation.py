"""A few real training steps on a copy of the model, each of them itemised: everything that one diagnosis measures.

Steps are taken, and only the later ones judged, because much is zero by design at the very first: branches and heads
that start at zero, low-rank adapters, a warm-up that starts at rate zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.graph import Graph, GraphOp, Owners, owners, source_lines, walk
from headwater.measure.attention import Attention, with_lines
from headwater.measure.fit import outputs_fit
from headwater.measure.head import head
from headwater.measure.layers import layers, uses
from headwater.measure.learning_rate import Progress
from headwater.measure.norms import frobenius
from headwater.measure.objective import Objective
from headwater.measure.optimizers import optimise
from headwater.measure.precision import Precision
from headwater.measure.prediction import Expected, Moments, PreActivations, Predictions
from headwater.measure.profile import profile
from headwater.measure.signals import Signals
from headwater.measure.structure import structure
from headwater.measure.through_time import ThroughTime
from headwater.measure.trace import backward, check_loss, itemise, parameter_names
from headwater.measure.units import Units
from headwater.measure.updates import Updates, equal_units, identical_units, zero_names
from headwater.records import AttentionRecord, HeadRecord, Layer, Profile, StepRecord, Trace

STEP_SHARE = 1e-3
"""Change of the weights in one step of the default optimizer, as a share of their norm (Karpathy, CS231n: "1e-3")."""

SETTLED = 3
"""Steps that are not judged, when there are enough: by then what starts at zero by design has moved."""

FIRM_SAMPLES = 2048
"""Samples after which a unit never seen alive is called dead: its activity is below 3/2048 with 95 % confidence."""

_MOST_EXTRA_BATCHES = 64


@dataclass
class Probation:
    """What the steps left behind."""

    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    layers: list[tuple[Layer, ...]] = field(default_factory=list[tuple[Layer, ...]])
    profiles: list[Profile] = field(default_factory=list[Profile])
    identical: frozenset[str] = frozenset()
    equal_at_start: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    head: HeadRecord = field(default_factory=HeadRecord)
    expected: dict[int, dict[str, list[tuple[str, Expected]]]] = field(
        default_factory=dict[int, dict[str, list[tuple[str, Expected]]]]
    )
    units: Units = field(default_factory=Units)
    signals: Signals = field(default_factory=Signals)
    attention: tuple[AttentionRecord, ...] = ()
    precision: Precision | None = None
    progress: Progress | None = None
    through_time: ThroughTime = field(default_factory=lambda: ThroughTime(0))
    batches: Iterable[Any] = ()


@dataclass(frozen=True)
class _Pass:
    """One forward pass that is ready for its backward pass."""

    loss: torch.Tensor
    graph: Graph
    owners: Owners
    outputs: Any
    targets: Any
    moments: Mapping[Any, Moments] | None = None

    def place(self, op: GraphOp) -> tuple[str, int]:
        return self.owners.module(op.node) if op.kind != "Input" else ("", 0)


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
) -> Probation:
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
    result = Probation(through_time=ThroughTime(steps), batches=itertools.chain(batches, more))
    precision = result.precision = Precision(model, optimizer, given=not bounded)
    result.equal_at_start = _named(model, equal_units)
    result.progress = None if bounded else Progress(model, objective)
    for step in range(steps):
        batch = batches[step % len(batches)]
        if result.progress:
            result.progress.before_forward(batch)
        lines = source_lines() if step == 0 else nullcontext()
        watched = PreActivations() if step in (0, (steps + SETTLED) // 2) else None
        with owners(model) as learned, lines, watched or nullcontext(), result.through_time.watch(model, step):
            forward = objective(model, batch)
        _check(forward.loss, step)
        moments = watched.moments if watched else None
        run = _Pass(forward.loss, walk(forward.loss), learned, forward.outputs, forward.targets, moments)
        last = step == steps - 1
        trace = _measure(model, run, result, fresh=step < len(batches), step=step, last=last)
        if last and result.attention:
            result.head = replace(result.head, fit=outputs_fit(objective.loss_fn, run.outputs, run.targets))
        result.steps.append(_step_record(step, trace))
        precision.before_step(trace)
        updates.before_step()
        result.identical = _named(model, identical_units)
        if result.steps[-1].non_finite:
            break
        if bounded:
            _bound(model, optimizer)
        with precision.step():
            optimise(optimizer, lambda batch=batch: objective(model, batch).loss)
        updates.after_step()
        precision.after_step(updates)
        if result.progress and step == steps - 1:
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


def _measure(model: nn.Module, run: _Pass, result: Probation, *, fresh: bool, step: int, last: bool) -> Trace:
    """Runs the backward pass and files what it shows."""
    first = step == 0
    predictions = Predictions(run.moments, run.graph.ops) if run.moments is not None else None
    zeros = zero_names(model.named_parameters()) if first else frozenset[str]()
    result.units.prepare(run.graph, run.place, fresh=fresh)
    attention = Attention(run.graph) if first or last else None
    result.through_time.before(step, run.graph)

    def observe(op: GraphOp) -> None:
        result.units.observe(op)
        result.signals.observe(op)
        if attention is not None:
            attention.observe(op)
        if predictions is not None:
            predictions.observe(op)

    loss = float(run.loss.detach())
    norms = backward(run.loss, run.graph, observe)
    trace = itemise(run.graph, norms, loss, parameter_names(model), run.owners)
    shape = structure(trace)
    used = uses(trace, shape)
    names = {use.op: use.layer for use in used}
    result.layers.append(layers(trace, shape, used, classes=run.owners.classes, zero_parameters=zeros))
    result.profiles.append(profile(trace, shape, used))
    result.through_time.after(step, trace, shape, used, run.owners)
    if predictions is not None:
        result.expected[step] = predictions.paths(trace, shape, used)
    result.units.attribute(trace, names)
    result.signals.attribute(run.graph, names, finite=math.isfinite(loss))
    if attention is not None and math.isfinite(loss):
        result.attention = with_lines(attention.records(trace, norms, names), result.attention)
    result.called |= frozenset(run.owners.calls)
    # outputs are judged late, when a head of zeros has moved; lines are known at first
    if first or math.isfinite(loss):
        now = head(run.graph, trace, run.outputs, run.targets)
        result.head = now if first else replace(now, ops=result.head.ops)
    return trace


def _step_record(step: int, trace: Trace) -> StepRecord:
    if not math.isfinite(trace.loss):
        return StepRecord(step, trace.loss, "the loss")
    for op in trace.ops:
        if not op.finite:
            return StepRecord(step, trace.loss, f"{op.kind} in {op.module}" if op.module else op.kind, op.file, op.line)
    return StepRecord(step, trace.loss)


def _named(model: nn.Module, test: Callable[[nn.Parameter], bool]) -> frozenset[str]:
    """Names of the trainable parameters that pass a test."""
    return frozenset(name for name, p in model.named_parameters() if p.requires_grad and test(p))


def _bound(model: nn.Module, optimizer: Optimizer) -> None:
    """Sets the rate of plain gradient descent so that the step is `STEP_SHARE` of the weights."""
    moved = [p for p in model.parameters() if p.grad is not None]
    weights = math.hypot(*(frobenius(p) for p in moved))
    gradients = math.hypot(*(frobenius(p.grad) for p in moved if p.grad is not None))
    for group in optimizer.param_groups:
        group["lr"] = STEP_SHARE * weights / gradients if gradients > 0 else 0.0


def _look_longer(model: nn.Module, objective: Objective, more: Iterator[Any], result: Probation) -> None:
    """Runs further batches forward while units look dead or saturated on too few samples to say so."""
    for _, batch in zip(range(_MOST_EXTRA_BATCHES), more, strict=False):
        if not _undecided(result.units):
            return
        with owners(model) as learned:
            forward = objective(model, batch)
        _check(forward.loss, step=1)  # the training may have lost its course by now
        run = _Pass(forward.loss, walk(forward.loss), learned, None, None)
        result.units.prepare(run.graph, run.place, fresh=True)
        for op in run.graph.ops:
            result.units.observe(op)


def _undecided(units: Units) -> bool:
    hidden = [u for u in units.records() if u.role == "hidden" and u.samples < FIRM_SAMPLES]
    return any(u.dead or u.saturated for u in hidden)
