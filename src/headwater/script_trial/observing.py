"""A script as it is: its diagnosis, and which of its optimizers that is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from headwater.monitor import OF_A_SCRIPT, Monitor, Session, Settings, Sink, patches
from headwater.monitor.settings import BUDGET
from headwater.monitor.stepping import under_way
from headwater.records import SourceLine, gravity
from headwater.script_trial.construction import on_built
from headwater.script_trial.job import Answer, Job, Original
from headwater.script_trial.losses import Losses


class Observing(Sink):
    """Watches the script, as ``headwater run`` does."""

    def __init__(self, job: Job) -> None:
        settings = Settings(budget=BUDGET, first=OF_A_SCRIPT)
        self._session = Session(settings, most=job.steps, opened=self._opened)
        self._built: WeakKeyDictionary[Optimizer, tuple[int, SourceLine | None]] = WeakKeyDictionary()
        self._count = 0
        self._losses = Losses()
        self._of: dict[str, tuple[int, SourceLine | None]] = {}

    def begin(self) -> None:
        """Begins to watch."""
        on_built(self._note)
        patches.listen(self._losses)
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
        number, line = self._of[worst.name]
        losses = tuple(self._losses.of[number])
        original = Original(worst.measured, worst.findings, len(losses), number, line, losses=losses)
        return Answer(steps=self._session.steps, original=original)

    def _note(self, optimizer: Optimizer, line: SourceLine | None) -> None:
        self._built[optimizer], self._count = (self._count, line), self._count + 1

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if optimizer in self._built and under_way(optimizer) == 1:
            self._losses.stepped(self._built[optimizer][0])

    def _opened(self, monitor: Monitor) -> None:
        monitor.sinks.add(self)
        for track in monitor.tracks:
            self.joined(track.name, track.optimizer, {})
