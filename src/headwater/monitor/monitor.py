"""Watches a live training from its optimizer steps and backward passes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.graph import settle
from headwater.measure import held_names
from headwater.monitor import patches
from headwater.monitor.alarms import Event
from headwater.monitor.governor import Governor
from headwater.monitor.names import named_models, named_optimizers, together
from headwater.monitor.settings import Settings
from headwater.monitor.shield import Shield
from headwater.monitor.sink import Sink, Sinks
from headwater.monitor.stepping import around_step, under_way
from headwater.monitor.track import Track

log = logging.getLogger("headwater")


class Monitor:
    """Hooks into a training; changes nothing in it, and never raises into it.

    Args:
        model: a module, or several in a list or dict; as it is or wrapped.
        optimizer: an optimizer over its parameters, or several.
        settings: how closely to watch.
        sinks: get what is seen.
        thread: in which the training runs, where others run beside it; ``None``: any.

    Attributes:
        models: by name.
        tracks: one for each optimizer.
        sinks: those that get what is seen.
        events: everything that was raised or has healed, in order.

    Raises:
        ModelError, OptimizerError: something else was given.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        settings: Settings,
        sinks: Iterable[Sink] = (),
        *,
        thread: int | None = None,
    ) -> None:
        self._shield = Shield()
        self.sinks = Sinks(sinks)
        self._thread = thread
        self._lock = threading.RLock()
        self._last: Track | None = None
        self._follows: dict[str, Track | None] = {}
        self._opened_by: Track | None = None
        self._depth: dict[str, int] = {}
        self.events: list[Event] = []
        self.models = named_models(model)
        self.tracks: list[Track] = []
        optimizers = named_optimizers(optimizer)
        share = replace(settings, budget=settings.budget / len(optimizers))
        whole = together(self.models)
        for name, each in optimizers.items():
            self.tracks.append(Track(name, each, whole, self.models.values(), Governor(share), self._shield.guard))
            self.tracks[-1].held = self._held

    @property
    def fault(self) -> Exception | None:
        """Headwater's own failure that ended watching, if there was one."""
        return self._shield.fault

    def attach(self) -> None:
        """Begins to watch."""
        self._shield.at_end(settle)
        for track in self.tracks:
            self._shield.at_end(track.close)
            self._hook(track)
        patches.listen(self)
        self._shield.at_end(lambda: patches.leave(self))
        if len(self.tracks) == 1:
            self._guarded(self.tracks[0].arm)

    def add(self, name: str, optimizer: Any, models: Mapping[str, nn.Module], settings: Settings) -> None:
        """Watches one more optimizer, and the models that it trains, from now on."""
        if not models.keys() <= self.models.keys():
            self.models |= models
            for track in self.tracks:
                track.meet(together(self.models), self.models.values())
        roots = self.models.values()
        track = Track(name, optimizer, together(self.models), roots, Governor(settings), self._shield.guard)
        track.held = self._held
        self.tracks.append(track)
        self._shield.at_end(track.close)
        self._hook(track)
        self.sinks.joined(name, optimizer, models)

    def detach(self) -> None:
        """Ends watching, and hands over what was still under way."""
        self._shield.guard(self._finish)()
        self._shield.end()

    # What PyTorch tells (`headwater.monitor.patches.Listener`).

    def before_backward(self, tensors: Any) -> None:
        """Shows the loss to every track."""
        self._guarded(self._before_backward, tensors)

    def after_backward(self, completed: bool) -> None:
        """Lets probes file what they heard."""
        for track in self.tracks:
            self._guarded(self._billed, track, track.after_backward, completed)

    def clipped(self, parameters: Any, norm: Any, limit: float | None) -> None:
        """Shows clipping to every track."""
        for track in self.tracks:
            self._guarded(track.clipped, parameters, norm, limit)

    def before_scaled_step(self, optimizer: Any, scaler: Any) -> None:
        """Shows the scale of the loss to the optimizer's track."""
        self._guarded(self._scaled, optimizer, scaler)

    def after_scaled_step(self, optimizer: Any) -> None:
        """A step that did not come was skipped: the gradients held an infinity."""
        self._guarded(self._maybe_skipped, optimizer)

    # Helpers.

    def _held(self) -> frozenset[str]:
        """Names of the parameters that any of the optimizers holds."""
        model = together(self.models)
        return frozenset(name for track in self.tracks for name in held_names(track.optimizer, model))

    def _guarded(self, function: Callable[..., Any], *args: Any) -> None:
        self._shield.guard(function)(*args)

    def _billed(self, track: Track, function: Callable[..., Any], *args: Any) -> Any:
        with self._lock, track.governor.billed():
            return function(*args)

    def _hook(self, track: Track) -> None:
        self._shield.at_end(track.governor.close)
        before, after = self._shield.guard(self._before_step), self._shield.guard(self._after_step)

        def pre(*_: Any) -> None:
            before(track)

        def post(*_: Any) -> None:
            after(track)

        if isinstance(track.optimizer, Optimizer):
            self._shield.at_end(track.optimizer.register_step_pre_hook(pre).remove)
            self._shield.at_end(track.optimizer.register_step_post_hook(post).remove)
        else:  # a class of its own, that has no hooks
            self._shield.at_end(around_step(track.optimizer, pre, post))

    def _before_backward(self, tensors: Any) -> None:
        if self._thread is not None and self._thread != threading.get_ident():
            return
        if isinstance(tensors, torch.Tensor) and tensors.numel() == 1 and tensors.grad_fn is not None:
            self._opened_by = self._last
            settle()
            for track in self.tracks:
                self._billed(track, track.before_backward, tensors)

    def _before_step(self, track: Track) -> None:
        if _captures_graph():
            return
        depth = self._depth.get(track.name, 0) + 1
        if depth > 1:  # a step inside a step; or one before it raised, and never came to its end
            depth = max(1, under_way(track.optimizer))
        self._depth[track.name] = depth
        self._billed(track, lambda: track.before_step(again=depth > 1))

    def _after_step(self, track: Track) -> None:
        if _captures_graph():
            return
        self._depth[track.name] = max(0, self._depth.get(track.name, 0) - 1)
        if self._depth[track.name]:
            return
        self._billed(track, self._close_step, track)
        track.governor.step_ended(probed=track.was_probe, measured=track.was_measured)

    def _close_step(self, track: Track) -> None:
        events = track.after_step()
        self._publish(track, events)
        self._follows[track.name], self._last = self._opened_by, track
        settle()
        for each in self.tracks:  # each is armed by the step after which its own backward pass came last time
            if len(self.tracks) == 1 or self._follows.get(each.name) is track:
                self._billed(each, each.arm)

    def _publish(self, track: Track, events: Iterable[Event], *, everything: bool = False) -> None:
        if figures := track.collect(everything=everything):
            self.sinks.figures(track.name, figures)
        if track.was_probe and track.measured is not None and not everything:
            self.sinks.probe(track.name, track.steps - 1, track.measured, track.findings)
        for event in events:
            self.events.append(event)
            finding = event.finding
            level = logging.WARNING if event.event == "raised" else logging.INFO
            where = f" [{event.track}]" if event.track else ""
            log.log(level, "%s %s%s at step %d: %s", finding.code, event.event, where, event.step, finding.message)
            self.sinks.event(event)

    def _scaled(self, optimizer: Any, scaler: Any) -> None:
        for track in self.tracks:
            if track.optimizer is optimizer:
                track.scaled(scaler._scale)
                track.fired = False

    def _maybe_skipped(self, optimizer: Any) -> None:
        for track in self.tracks:
            if track.optimizer is optimizer and not track.fired:
                self._publish(track, self._billed(track, track.skip))

    def _finish(self) -> None:
        for track in self.tracks:
            self._publish(track, (), everything=True)
        self.sinks.close()


def _captures_graph() -> bool:
    """Inside the capture of a CUDA graph nothing can be read; its replays call no hook."""
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
