"""Measures the gradient through time during a probation: on two of its steps, before training and once under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from headwater.graph import Graph, Guard, Owners, unguarded
from headwater.measure import unscaled
from headwater.measure.layers import Use
from headwater.measure.structure import Structure
from headwater.measure.through_time.capture import Captured, capture, copied, prepared
from headwater.measure.through_time.dependence import dependence, sequences
from headwater.measure.through_time.loops import Loop, loop_profile, loops, probe_loop
from headwater.measure.through_time.replay import replay
from headwater.measure.through_time.summary import scan_profile
from headwater.records import TimeProfile, Trace

UNDER_WAY = 3
"""The step, from 0, on which a network under way is measured: the first that is judged."""
_MOST_SEQUENCES = 16
"""Sequences of a batch that are replayed: their norms differ little, and the replay stays cheap."""


@dataclass
class ThroughTime:
    """Collects profiles by step: `watch` around the forward pass, `before` and `after` around the backward pass.

    Fused calls before training are held, and replayed only if no later step is judged.

    Attributes:
        steps: how many passes there will be.
        live: whether the passes are the user's own. Then no backward pass is added, which the hooks on the user's
            tensors would hear, and loops that need one are left out; and no tensor is held between two steps.
        profiles: by step.
    """

    steps: int
    live: bool = field(default=False, kw_only=True)
    profiles: dict[int, tuple[TimeProfile, ...]] = field(default_factory=dict[int, tuple[TimeProfile, ...]])
    _calls: dict[str, list[Captured]] = field(default_factory=dict[str, list[Captured]])
    _held: dict[str, Captured] = field(default_factory=dict[str, Captured])
    _loops: tuple[Loop, ...] = ()
    _trace: Trace | None = None
    _places: dict[str, tuple[str | None, int | None]] = field(default_factory=dict[str, tuple[str | None, int | None]])

    def watch(self, model: nn.Module, step: int, guard: Guard = unguarded) -> AbstractContextManager[None]:
        """Captures the calls of fused recurrent modules on the steps that are measured."""
        self._calls = {}
        return capture(model, self._calls, guard) if step in self._measured() else nullcontext()

    def before(self, step: int, graph: Graph) -> None:
        """Probes loops whose states the loss reads everywhere, in the pass after the one in which they were found."""
        hidden = [loop for loop in self._loops if loop.everywhere]
        if self.live or self._trace is None or step - 1 not in self._measured() or not hidden:
            return
        generator = torch.Generator().manual_seed(0)
        probes = [probe_loop(loop, graph, self._trace, generator) for loop in hidden]
        probed = {probe.name: probe for probe in probes if probe is not None}
        self.profiles[step - 1] = tuple(probed.get(each.name, each) for each in self.profiles[step - 1])

    def after(self, step: int, trace: Trace, structure: Structure, used: Sequence[Use], learned: Owners) -> None:
        """Takes the profiles of this pass."""
        self._loops, self._trace, calls = (), None, self._calls
        if step not in self._measured():
            return
        if step == 0:
            self._places = {op.module: (op.file, op.line) for op in trace.ops if op.file and op.module in calls}
        stepwise = {name for name, several in calls.items() if all(call.length == 1 for call in several)}
        fused = {name: call for name, several in calls.items() if name not in stepwise and (call := _longest(several))}
        self._loops = loops(trace, structure, used, learned.classes, calls.keys() - stepwise)
        self._trace = trace if self._loops else None
        self._calls = {}  # lets go of the tensors
        self.profiles[step] = tuple(
            loop_profile(loop, trace) for loop in self._loops if not (self.live and loop.everywhere)
        )
        if step < self._measured()[-1] and not self.live:
            self._held = {name: replace(call, module=copied(call.module)) for name, call in fused.items()}
        else:
            self.profiles[step] = (*self._replayed(fused), *self.profiles[step])

    def rescale(self, step: int, scale: float) -> None:
        """Divides the gradients of a pass."""
        if step in self.profiles:
            self.profiles[step] = tuple(unscaled.through_time(profile, scale) for profile in self.profiles[step])

    def records(self, judged: Sequence[int], batches: Iterable[Any]) -> tuple[TimeProfile, ...]:
        """Returns the profiles of the later step that was measured, if it is judged, else those before training.

        `batches` are read only where the memory is short beside the lag that the loss spans.
        """
        step = max((each for each in self.profiles if each in judged), default=0)
        found = (*(self._replayed(self._held) if step == 0 else ()), *self.profiles.get(step, ()))
        at_first = {(each.name, each.layer, each.direction): each for each in self.profiles.get(0, ())}
        placed = [
            replace(each, file=first.file, line=first.line)
            if (first := at_first.get((each.name, each.layer, each.direction)))
            else each
            for each in found
        ]
        return _with_dependence(placed, batches)

    def _measured(self) -> tuple[int, int]:
        return 0, min(UNDER_WAY, self.steps // 2)

    def _replayed(self, calls: Mapping[str, Captured]) -> tuple[TimeProfile, ...]:
        """Profiles of all layers and directions of some modules."""
        found: list[TimeProfile] = []
        for name, captured in calls.items():
            call, gradients = prepared(captured, _MOST_SEQUENCES)
            kind = type(captured.module).__name__
            file, line = self._places.get(name, (None, None))
            for scan in replay(captured.module, call, gradients, torch.Generator().manual_seed(0)):
                profile = scan_profile(scan, call.lengths, name=name or kind.lower(), kind=kind)
                found.append(replace(profile, file=file, line=line))
        return tuple(found)


def _longest(several: Sequence[Captured]) -> Captured | None:
    """The longest call of a module that a gradient reached."""
    reached = [call for call in several if call.gradients and call.outputs is not None]
    return max(reached, key=lambda each: each.length, default=None)


def _with_dependence(profiles: Sequence[TimeProfile], batches: Iterable[Any]) -> tuple[TimeProfile, ...]:
    """Asks the data, once, for the layer with the longest reach: what one layer carries, the network has."""
    if not profiles or not all(each.falls_short for each in profiles):
        return tuple(profiles)
    reach = max(each.reach or 0 for each in profiles)
    data = sequences(batches, max(each.length for each in profiles))
    found = dependence(data, reach) if data is not None else None
    return tuple(replace(each, dependence=found) for each in profiles)
