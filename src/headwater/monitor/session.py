"""Watches whatever trains in this process: each optimizer that takes a step is found, and its models with it."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any
from weakref import WeakSet

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from headwater.graph import class_of
from headwater.monitor.discovery import models_of
from headwater.monitor.monitor import Monitor
from headwater.monitor.names import module_of
from headwater.monitor.settings import Settings
from headwater.monitor.shield import Shield
from headwater.monitor.track import Track
from headwater.script import enough
from headwater.source import recording


class Session:
    """Watches the trainings of one process from `begin` to `end`.

    Args:
        settings: how closely to watch.
        most: optimizer steps, of all optimizers together, after which the script is ended; ``None``: no end.
        opened: called with the monitor as soon as there is one, for instance to add sinks.

    Attributes:
        monitors: by the thread that trains, once an optimizer has taken a step in it.
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
        self._known: WeakSet[Optimizer] = WeakSet()
        self._process = os.getpid()
        self._unwatched = 0
        self._ended = False
        self._classes, self._optimizers = Counter[str](), Counter[str]()
        self.monitors: dict[int, Monitor] = {}

    @property
    def fault(self) -> Exception | None:
        """Headwater's own failure that ended watching, if there was one."""
        return next((each.fault for each in (self._shield, *self.monitors.values()) if each.fault is not None), None)

    @property
    def steps(self) -> int:
        """Optimizer steps that were seen, of all optimizers together."""
        return self._unwatched + sum(monitor.steps for monitor in list(self.monitors.values()))

    def begin(self) -> None:
        """Looks out for optimizers, and notes where modules are built."""
        built = ExitStack()
        built.enter_context(recording())
        self._shield.at_end(built.close)
        handle = register_optimizer_step_post_hook(self._stepped)
        self._shield.at_end(lambda: handle.remove() if threading.active_count() == 1 else None)

    def end(self) -> None:
        """Ends watching. While other threads may step, PyTorch's list of hooks must not change: ours stays, idle."""
        self._ended = True
        self._shield.end()
        for monitor in self.monitors.values():
            monitor.detach()

    def _tracks(self) -> list[Track]:
        return [track for monitor in list(self.monitors.values()) for track in monitor.tracks]

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if os.getpid() != self._process:  # a worker that was forked trains for itself
            return
        if self._ended:
            self._stop_when_enough()  # the process cannot end before its other threads do
            return
        if all(track.optimizer is not optimizer for track in self._tracks()):
            self._unwatched += 1
        if optimizer not in self._known:
            self._shield.guard(self._meet)(optimizer)
        self._stop_when_enough()

    def _stop_when_enough(self) -> None:
        if self._most is not None and self.steps >= self._most:
            enough()

    def _meet(self, optimizer: Optimizer) -> None:
        """Begins to watch an optimizer after its first step; trainings in several threads have nothing in common."""
        began = time.perf_counter()
        self._known.add(optimizer)
        thread = threading.get_ident()
        monitor = self.monitors.get(thread)
        models = self._named(models_of(p for group in optimizer.param_groups for p in group["params"]), monitor)
        if not models:
            return
        if monitor is None:
            named = {
                self._new_track(models): optimizer
            }  # from the start: others may join, and rows stand on disk by then
            monitor = self.monitors[thread] = Monitor(models, named, self._settings, thread=thread, keep=False)
            self._opened(monitor)
            monitor.attach()
        else:
            monitor.add(self._new_track(models), optimizer, models)
        monitor.tracks[-1].governor.charge(time.perf_counter() - began)

    def _named(self, models: list[nn.Module], monitor: Monitor | None) -> dict[str, nn.Module]:
        """Names models by their classes, and tells those of one class apart by numbers."""
        known = {id(model): name for name, model in monitor.models.items()} if monitor is not None else {}
        found: dict[str, nn.Module] = {}
        for model in models:
            kind = class_of(module_of(model)).__name__
            name = known.get(id(model))
            if name is None:  # never one that was given before: who had it may be gone, and its record stays
                self._classes[kind] += 1
                name = kind if self._classes[kind] == 1 else f"{kind}{self._classes[kind]}"
            found[name] = model
        return found

    def _new_track(self, models: Iterable[str]) -> str:
        """Names an optimizer by what it trains, and tells those that train the same apart."""
        name = " + ".join(models)
        self._optimizers[name] += 1
        return name if self._optimizers[name] == 1 else f"{name}, optimizer {self._optimizers[name]}"
