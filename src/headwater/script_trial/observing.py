"""A script as it is: its diagnosis, and which of its optimizers that is about."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn
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
    """An optimizer of the script: its number, the line that built it, the model's names there, and its rates."""

    number: int
    line: SourceLine | None
    names: dict[str, dict[str, str]]
    rates: set[tuple[float, ...]] = field(default_factory=set[tuple[float, ...]])
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
            seen.line if [each.line for each in self._seen].count(seen.line) == 1 else None,
            losses=losses,
            names=seen.names,
            scheduled=seen.scheduled or len(seen.rates) > 1,
        )
        return Answer(steps=self._session.steps, original=original)

    def _note(self, optimizer: Optimizer, line: SourceLine | None, frame: FrameType) -> None:
        models = models_of(p for group in optimizer.param_groups for p in group["params"])
        names = names_of(module_of(models[0]), frame) if len(models) == 1 else {}
        self._built[optimizer] = _Seen(len(self._seen), line, names)
        self._seen.append(self._built[optimizer])

    def _stepping(self, optimizer: Optimizer, *_: Any) -> None:
        """Takes note of the rates of each step: a script may set them by itself."""
        seen = self._built.get(optimizer)
        if seen is None or under_way(optimizer) > 1:
            return
        if not seen.rates:
            seen.scheduled = _has_schedule(optimizer)
        seen.rates.add(tuple(rate_of(group) or 0.0 for group in optimizer.param_groups))

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
