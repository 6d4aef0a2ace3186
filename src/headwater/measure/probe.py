"""One itemised pass: what watches the forward pass, listens to the backward pass, and files what both showed.

A diagnosis runs it on a copy of the model (`headwater.measure.probation`), a monitor on the user's own training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from headwater.graph import Graph, GraphOp, Guard, Owners, owners, source_lines, unguarded, walk
from headwater.measure import unscaled
from headwater.measure.attention import Attention, with_lines
from headwater.measure.head import head
from headwater.measure.layers import layers, uses
from headwater.measure.learning_rate import Progress
from headwater.measure.magnitudes import Magnitudes
from headwater.measure.norms import NormBook
from headwater.measure.precision import Precision
from headwater.measure.prediction import Expected, PreActivations, Predictions
from headwater.measure.profile import places
from headwater.measure.saved import saved
from headwater.measure.signals import Signals
from headwater.measure.structure import structure
from headwater.measure.through_time import ThroughTime
from headwater.measure.trace import Gradients, Observer, itemise, listening, parameter_names
from headwater.measure.units import Units
from headwater.measure.updates import equal_units, identical_units, unlike_units, zero_names
from headwater.records import AttentionRecord, HeadRecord, Layer, Profile, StepRecord, Trace

SETTLED = 3
"""Steps of a training that are not judged, when there are enough: by then what starts at zero by design has moved."""


@dataclass
class Passes:
    """What several passes left behind, in their order."""

    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    layers: list[tuple[Layer, ...]] = field(default_factory=list[tuple[Layer, ...]])
    profiles: list[Profile] = field(default_factory=list[Profile])
    identical: frozenset[str] = frozenset()
    unlike: frozenset[str] = frozenset()
    equal_at_start: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    head: HeadRecord = field(default_factory=HeadRecord)
    expected: dict[int, dict[str, list[tuple[str, Expected]]]] = field(
        default_factory=dict[int, dict[str, list[tuple[str, Expected]]]]
    )
    units: Units = field(default_factory=Units)
    signals: Signals = field(default_factory=Signals)
    magnitudes: Magnitudes = field(default_factory=Magnitudes)
    attention: tuple[AttentionRecord, ...] = ()
    precision: Precision | None = None
    progress: Progress | None = None
    through_time: ThroughTime = field(default_factory=lambda: ThroughTime(0))
    batches: Iterable[Any] = ()


class Probe:
    """Measures one pass of `model`: run the forward pass inside `forward`, then `begin`, the backward pass, `end`.

    Args:
        model: whose modules are named.
        passes: where to file what is seen.
        step: number of the pass among these, from 0. The first one also learns source lines.
        last: whether it is the last one; first and last look at attention.
        fresh: whether the batch was not seen before; samples seen twice count once.
        predict: whether to compare with theory, which watches the activations' inputs.
        guard: wraps every hook.
    """

    def __init__(
        self,
        model: nn.Module,
        passes: Passes,
        step: int,
        *,
        last: bool,
        fresh: bool = True,
        predict: bool = False,
        guard: Guard = unguarded,
    ) -> None:
        self._model, self._passes, self._step, self._last, self._fresh = model, passes, step, last, fresh
        self._guard = guard
        self._activations = PreActivations(guard) if predict else None
        self._watching = ExitStack()
        self._owners = Owners(model)
        self._graph = Graph([])
        self._book = NormBook()
        self._loss = math.nan
        self._zeros: frozenset[str] = frozenset()
        self._attention: Attention | None = None
        self._saw_attention = False
        self._predictions: Predictions | None = None
        self._listening = ExitStack()

    @contextmanager
    def forward(self) -> Generator[None]:
        """Watches the forward pass that runs inside."""
        try:
            self.open()
            with self.activations():
                yield
        finally:
            self.shut()

    def open(self) -> None:
        """Begins to watch forward passes; `begin` or `shut` ends it."""
        self._owners = self._watching.enter_context(owners(self._model, self._guard))
        if self._step == 0:
            self._watching.enter_context(source_lines())
        through_time = self._passes.through_time
        self._watching.enter_context(through_time.watch(self._model, self._step, self._guard))

    @property
    def called(self) -> bool:
        """Whether a module of the model has run."""
        return bool(self._owners.calls)

    def targets(self) -> torch.Tensor | None:
        """What the loss compares with, as autograd keeps it for the backward pass that has begun."""
        kept = (saved(op, "target") for op in self._graph.ops if hasattr(op.node, "_raw_saved_target"))
        return next((target for target in kept if target is not None), None)

    def behind(self) -> frozenset[int]:
        """Identities of the parameters that the loss of the backward pass that has begun leads to."""
        return frozenset(id(parameter) for op in self._graph.ops for parameter in op.parameters)

    @property
    def sees_time(self) -> bool:
        """Whether a pass showed a gradient through time."""
        return any(self._passes.through_time.profiles.values())

    def rescale(self, scale: float) -> None:
        """Divides the loss that was filed last and every gradient behind it: a gradient scaler had multiplied them."""
        if scale == 1.0:
            return
        passes = self._passes
        passes.steps[-1] = replace(passes.steps[-1], loss=passes.steps[-1].loss / scale)
        passes.layers[-1] = tuple(unscaled.layer(each, scale) for each in passes.layers[-1])
        passes.profiles[-1] = unscaled.profile(passes.profiles[-1], scale)
        passes.through_time.rescale(self._step, scale)
        passes.magnitudes.rescale(scale)
        if self._saw_attention:
            passes.attention = tuple(unscaled.attention(each, scale) for each in passes.attention)

    def activations(self) -> AbstractContextManager[object]:
        """Watches the activations of the forward pass that runs inside, where they are asked for."""
        return self._activations or nullcontext()

    def shut(self) -> None:
        """Watches no further forward pass."""
        self._watching.close()

    def begin(self, loss: torch.Tensor, value: float | None = None) -> None:
        """Reads the graph behind the loss and begins to listen to its backward pass.

        Args:
            loss: from which the backward pass will start.
            value: to file as the loss, where it is another.
        """
        self.shut()
        first = self._step == 0
        self._graph, self._loss = walk(loss), float(loss.detach()) if value is None else value
        self._zeros = zero_names(self._model.named_parameters()) if first else frozenset()
        if self._activations is not None:
            self._predictions = Predictions(self._activations.moments, self._graph.ops)
        self._passes.units.prepare(self._graph, self._place, fresh=self._fresh)
        self._attention = Attention(self._graph) if first or self._last else None
        self._passes.through_time.before(self._step, self._graph)
        self._book = self._listening.enter_context(listening(self._graph, self._observer(), self._guard))

    def end(self, outputs: Any = None, targets: Any = None) -> Trace:
        """Files what the pass showed, once its backward pass has run, and lets go of the graph.

        Args:
            outputs: what the model returned; read when it is a tensor.
            targets: what the loss compares it with; read when it is a tensor.
        """
        self.stop()
        norms = self._book.read()
        graph, passes, step = self._graph, self._passes, self._step
        finite = math.isfinite(self._loss)
        trace = itemise(graph, norms, self._loss, parameter_names(self._model), self._owners)
        shape = structure(trace)
        used = uses(trace, shape)
        names = {use.op: use.layer for use in used}
        classes = self._owners.classes
        passes.layers.append(layers(trace, shape, used, classes=classes, zero_parameters=self._zeros))
        passes.profiles.append(places(trace, shape, used))
        passes.through_time.after(step, trace, shape, used, self._owners)
        if self._predictions is not None:
            passes.expected[step] = self._predictions.paths(trace, shape, used)
        passes.units.attribute(trace, names)
        passes.signals.attribute(graph, names, finite=finite)
        passes.magnitudes.attribute(names, finite=finite)
        if self._attention is not None and finite:
            passes.attention = with_lines(self._attention.records(trace, norms, names), passes.attention)
            self._saw_attention = True
        passes.called |= frozenset(self._owners.calls)
        # outputs are judged late, when a head of zeros has moved; lines are known at first
        if step == 0 or finite:
            now = head(graph, trace, outputs, targets)
            passes.head = now if step == 0 else replace(now, ops=passes.head.ops)
        passes.steps.append(_step_record(step, trace))
        if step == 0:
            passes.equal_at_start = named(self._model, equal_units)
        passes.unlike |= named(self._model, unlike_units, without=passes.unlike)  # they do not grow alike any more
        passes.identical = named(self._model, identical_units, without=passes.unlike)
        self._graph, self._attention, self._predictions = Graph([]), None, None
        return trace

    def stop(self) -> None:
        """Stops to watch and to listen; what was heard so far is not filed."""
        with ExitStack() as stack:  # both, whatever one of them raises
            stack.callback(self.shut)
            stack.callback(self._listening.close)

    def _place(self, op: GraphOp) -> tuple[str, int]:
        return self._owners.module(op.node) if op.kind != "Input" else ("", 0)

    def _observer(self) -> Observer:
        observers: list[Callable[[GraphOp], None]] = [self._passes.units.observe, self._passes.signals.observe]
        if self._attention is not None:
            observers.append(self._attention.observe)
        if self._predictions is not None:
            observers.append(self._predictions.observe)

        magnitudes = self._passes.magnitudes if self._last or self._step == 0 else None

        def observe(op: GraphOp, gradients: Gradients) -> None:
            for each in observers:
                each(op)
            if magnitudes is not None:
                magnitudes.observe(op, gradients)

        return observe


def _step_record(step: int, trace: Trace) -> StepRecord:
    if not math.isfinite(trace.loss):
        return StepRecord(step, trace.loss, "the loss")
    for op in trace.ops:
        if not op.finite:
            return StepRecord(step, trace.loss, f"{op.kind} in {op.module}" if op.module else op.kind, op.file, op.line)
    return StepRecord(step, trace.loss)


def named(
    model: nn.Module, test: Callable[[nn.Parameter], bool], without: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Names of the trainable parameters that pass a test, which is not asked of those `without`."""
    named = ((name, p) for name, p in model.named_parameters() if p.requires_grad and name not in without)
    return frozenset(name for name, p in named if test(p))
