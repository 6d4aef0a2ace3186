"""A script as it is: its diagnosis, and which of its optimizers that is about."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from headwater.measure.optimizers import rate_of
from headwater.monitor import OF_A_SCRIPT, Monitor, Session, Settings, Sink, models_of, patches
from headwater.monitor.names import module_of
from headwater.monitor.settings import BUDGET
from headwater.monitor.stepping import under_way
from headwater.records import SourceLine, gravity
from headwater.script_trial.construction import on_built
from headwater.script_trial.job import Answer, Job, Original
from headwater.script_trial.losses import Losses
from headwater.script_trial.naming import names_of


@dataclass
class _Seen:
    """An optimizer of the script: its number, the line that built it, what it trains, and at which rates."""

    number: int
    line: SourceLine | None
    shapes: tuple[torch.Size | None, ...]
    names: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    rates: list[float] = field(default_factory=list[float])
    scheduled: bool = False


class Observing(Sink):
    """Watches the script, as ``headwater run`` does."""

    def __init__(self, job: Job) -> None:
        settings = Settings(budget=BUDGET, first=OF_A_SCRIPT)
        self._session = Session(settings, most=job.steps, opened=self._opened)
        self._seen: list[_Seen] = []
        self._built: WeakKeyDictionary[Optimizer, _Seen] = WeakKeyDictionary()
        self._losses = Losses()
        self._of: dict[str, _Seen] = {}

    def begin(self) -> None:
        """Begins to watch."""
        on_built(self._note)
        patches.listen(self._losses)
        register_optimizer_step_pre_hook(self._stepping)
        register_optimizer_step_post_hook(self._stepped)  # before the session's, which ends the script
        self._session.begin()

    def joined(self, track: str, optimizer: Any, models: Mapping[str, nn.Module]) -> None:
        """Takes note of what an optimizer is called: at the end it may be gone."""
        if optimizer in self._built:
            self._of[track] = self._built[optimizer]

    def answer(self) -> Answer:
        """Returns what was seen."""
        self._session.end()
        tracks = [
            track
            for monitor in self._session.monitors.values()
            for track in monitor.verdicts
            if track.measured is not None and track.name in self._of
        ]
        if not tracks:
            return Answer(steps=self._session.steps)
        worst = min(tracks, key=lambda track: gravity(track.findings))
        assert worst.measured is not None  # as was asked for above
        seen = self._of[worst.name]
        losses = tuple(self._losses.of[seen.number])
        original = Original(
            worst.measured,
            worst.findings,
            len(losses),
            seen.number,
            self._line(seen),
            losses=losses,
            names=seen.names,
            scheduled=seen.scheduled,
        )
        return Answer(steps=self._session.steps, original=original)

    def _note(self, optimizer: Optimizer, line: SourceLine | None, frame: FrameType) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        seen = _Seen(len(self._seen), line, tuple(None if is_lazy(p) else p.shape for p in parameters))
        before = next((each for each in self._seen if line is not None and each.line == line), None)
        if before is not None:
            seen.names = before.names
        elif len(models := models_of(parameters)) == 1:
            seen.names = names_of(module_of(models[0]), frame)
        self._built[optimizer] = seen
        self._seen.append(seen)

    def _line(self, seen: _Seen) -> SourceLine | None:
        """The line that built it, unless that builds an optimizer of another network, too: a sweep's are alike."""
        others = [each for each in self._seen if each.line == seen.line and each.shapes != seen.shapes]
        return None if others else seen.line

    def _stepping(self, optimizer: Optimizer, *_: Any) -> None:
        """Takes note of the rates of each step: a script may set them by itself."""
        seen = self._built.get(optimizer)
        if seen is None or under_way(optimizer) > 1:
            return
        rates = [rate_of(group) or 0.0 for group in optimizer.param_groups]
        if not seen.rates:
            seen.scheduled = _has_schedule(optimizer)
        seen.scheduled |= any(now != before for now, before in zip(rates, seen.rates, strict=False))
        seen.rates = rates  # of more groups, where some were added

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if optimizer in self._built and under_way(optimizer) == 1:
            self._losses.stepped(self._built[optimizer].number)

    def _opened(self, monitor: Monitor) -> None:
        monitor.sinks.add(self)
        for track in monitor.tracks:
            self.joined(track.name, track.optimizer, {})


def _has_schedule(optimizer: Optimizer) -> bool:
    schedules = [each for each in gc.get_objects() if issubclass(type(each), LRScheduler)]
    return any(getattr(each, "optimizer", None) is optimizer for each in schedules)
