"""Watches whatever trains in this process: each optimizer that takes a step is found, and its models with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from headwater.monitor.discovery import models_of
from headwater.monitor.monitor import Monitor
from headwater.monitor.names import module_of
from headwater.monitor.settings import Settings
from headwater.monitor.shield import Shield
from headwater.script import EnoughSteps
from headwater.source import recording


class Session:
    """Watches the trainings of one process from `begin` to `end`.

    Args:
        settings: how closely to watch.
        most: optimizer steps, of all optimizers together, after which `EnoughSteps` is raised; ``None``: no end.
        opened: called with the monitor as soon as there is one, for instance to add sinks.

    Attributes:
        monitor: once the first optimizer has taken a step.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        most: int | None = None,
        opened: Callable[[Monitor], object] = lambda monitor: None,
    ) -> None:
        self._settings, self._most, self._opened = settings, most, opened
        self._shield = Shield()
        self._known: set[int] = set()
        self._process = os.getpid()
        self._unwatched = 0
        self.monitor: Monitor | None = None

    @property
    def fault(self) -> Exception | None:
        """Headwater's own failure that ended watching, if there was one."""
        return self._shield.fault or (self.monitor.fault if self.monitor is not None else None)

    @property
    def steps(self) -> int:
        """Optimizer steps that were seen, of all optimizers together."""
        tracks = self.monitor.tracks if self.monitor is not None else []
        return self._unwatched + sum(track.steps for track in tracks)

    def begin(self) -> None:
        """Looks out for optimizers, and notes where modules are built."""
        built = ExitStack()
        built.enter_context(recording())
        self._shield.at_end(built.close)
        self._shield.at_end(register_optimizer_step_post_hook(self._stepped).remove)

    def end(self) -> None:
        """Ends watching."""
        self._shield.end()
        if self.monitor is not None:
            self.monitor.detach()

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if os.getpid() != self._process:  # a worker that was forked trains for itself
            return
        tracks = self.monitor.tracks if self.monitor is not None else []
        if all(track.optimizer is not optimizer for track in tracks):
            self._unwatched += 1
        if id(optimizer) not in self._known:
            self._shield.guard(self._meet)(optimizer)
        if self._most is not None and self.steps >= self._most:
            raise EnoughSteps

    def _meet(self, optimizer: Optimizer) -> None:
        """Begins to watch an optimizer after its first step."""
        self._known.add(id(optimizer))
        models = self._named(models_of(p for group in optimizer.param_groups for p in group["params"]))
        if not models:
            return
        if self.monitor is None:
            self.monitor = Monitor(models, optimizer, self._settings)
            self._opened(self.monitor)
            self.monitor.attach()
        else:
            self.monitor.add(" + ".join(models), optimizer, models, self._settings)

    def _named(self, models: list[nn.Module]) -> dict[str, nn.Module]:
        """Names models by their classes, and tells those of one class apart by numbers."""
        known = self.monitor.models if self.monitor is not None else {}
        by_identity = {id(model): name for name, model in known.items()}
        found: dict[str, nn.Module] = {}
        for model in models:
            kind = type(module_of(model)).__name__
            name = by_identity.get(id(model)) or kind
            number = 2
            while name in found or (name in known and known[name] is not model):
                name, number = f"{kind}{number}", number + 1
            found[name] = model
        return found
