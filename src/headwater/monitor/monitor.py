"""Watches a live training from its optimizer steps and backward passes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from weakref import finalize

from torch import nn
from torch.optim import Optimizer

from headwater.graph import settle
from headwater.measure import held_names
from headwater.monitor import patches
from headwater.monitor.alarms import Event
from headwater.monitor.belongings import Belongings, Models
from headwater.monitor.governor import Governor, Purse
from headwater.monitor.losses import loss_of
from headwater.monitor.names import named_models, named_optimizers
from headwater.monitor.probing import captures_graph
from headwater.monitor.settings import Settings
from headwater.monitor.shield import Shield
from headwater.monitor.sink import Sink, Sinks
from headwater.monitor.sleep import After, Before
from headwater.monitor.stepping import around_step
from headwater.monitor.track import Track

log = logging.getLogger("headwater")

KEPT = 8
"""Verdicts that are kept of optimizers that are gone."""


class Monitor:
    """Hooks into a training; changes nothing in it, and never raises into it.

    Args:
        model: a module, or several in a list or dict; as it is or wrapped.
        optimizer: an optimizer over its parameters, or several.
        settings: how closely to watch.
        sinks: get what is seen.
        thread: in which the training runs, where others run beside it; ``None``: any.
        keep: whether the models and optimizers are kept alive; those that are not are watched until they are gone.

    Attributes:
        tracks: one for each optimizer that is alive.
        ended: those of optimizers that are gone, the newest few; they hold verdicts and nothing else.
        sinks: those that get what is seen.
        events: everything that was raised or has healed, in order.
        resting: whether nothing is asked of the coming step; with several tracks each one's backward passes are of use,
            to tell whose they are.

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
        keep: bool = True,
    ) -> None:
        self._shield = Shield()
        self.sinks = Sinks(sinks)
        self._thread = thread
        self._lock = threading.RLock()
        self.resting = False
        self._last: Track | None = None
        self._follows: dict[Track, Track | None] = {}
        self._opened_by: Track | None = None
        self._removers: dict[Track, list[Callable[[], None]]] = {}
        self._parting: list[Track] = []
        self._gone_steps, self._gone_seconds = 0, 0.0
        self.events: list[Event] = []
        self.tracks: list[Track] = []
        self.ended: list[Track] = []
        models, optimizers = named_models(model), named_optimizers(optimizer)
        self._models = Models(models)
        self._kept = (models, optimizers) if keep else None
        self._settings, self._purse = settings, Purse()
        for name, each in optimizers.items():
            self._follow(name, each, models)
        self._first = self.tracks[0].governor

    @property
    def fault(self) -> Exception | None:
        """Headwater's own failure that ended watching, if there was one."""
        return self._shield.fault

    @property
    def models(self) -> dict[str, nn.Module]:
        """The models that are alive, by name."""
        return self._models.alive()

    @property
    def verdicts(self) -> tuple[Track, ...]:
        """All tracks that have something to tell, also of the newest optimizers that are gone."""
        return (*self.ended, *self._parting, *self.tracks)

    @property
    def steps(self) -> int:
        """Optimizer steps that were seen, of all optimizers together."""
        return self._gone_steps + sum(track.steps for track in self.verdicts)

    @property
    def spent(self) -> float:
        """Seconds that watching took so far."""
        return self._gone_seconds + sum(track.governor.spent for track in self.verdicts)

    @property
    def elapsed(self) -> float:
        """Seconds since the first step ended."""
        return max(governor.elapsed for governor in (self._first, *(track.governor for track in self.verdicts)))

    def attach(self) -> None:
        """Begins to watch."""
        self._shield.at_end(settle)
        for track in self.tracks:
            self._hook(track)
        patches.listen(self)
        self._shield.at_end(lambda: patches.leave(self))
        if len(self.tracks) == 1:
            self._guarded(self.tracks[0].arm)

    def add(self, name: str, optimizer: Any, models: Mapping[str, nn.Module]) -> None:
        """Watches one more optimizer, and the models that it trains, from now on."""
        self._wake()
        for track in self.verdicts:
            track.name = track.name or track.trains
        self._models.add(models)
        self._hook(self._follow(name, optimizer, models))
        self.sinks.joined(name, optimizer, models)

    def detach(self) -> None:
        """Ends watching, and hands over what was still under way."""
        self._shield.guard(self._finish)()
        self._shield.end()

    # What PyTorch tells (`headwater.monitor.patches.Listener`).

    def before_backward(self, tensors: Any, gradients: Any) -> None:
        """Shows the loss to every track."""
        self._guarded(self._before_backward, tensors, gradients)

    def after_backward(self, completed: bool) -> None:
        """Lets probes file what they heard."""
        self._guarded(self._after_backward, completed)

    def clipped(self, parameters: Any, norm: Any, limit: float | None) -> None:
        """Shows clipping to every track."""
        self._guarded(self._clipped, parameters, norm, limit)

    def before_scaled_step(self, optimizer: Any, scaler: Any) -> None:
        """Shows the scale of the loss to the optimizer's track."""
        self._guarded(self._scaled, optimizer, scaler)

    def after_scaled_step(self, optimizer: Any) -> None:
        """A step that did not come was skipped: the gradients held an infinity."""
        self._guarded(self._maybe_skipped, optimizer)

    # Helpers.

    def _follow(self, name: str, optimizer: Any, models: Mapping[str, nn.Module]) -> Track:
        """Makes a track, which lasts as long as its optimizer."""
        governor = Governor(self._settings, purse=self._purse)
        track = Track(name, optimizer, models, governor, self._shield.guard)
        track.held, track.others = self._held, self._others
        self.tracks.append(track)
        self._divide()
        if self._kept is None:
            finalize(optimizer, self._gone, track).atexit = False
        return track

    def _gone(self, track: Track) -> None:
        """Lets go of what an optimizer that is gone leaves behind; wherever the program is just now."""
        self._guarded(track.retire)
        if track in self.tracks:
            self.tracks.remove(track)
            self._divide()
        self._shield.forget(self._removers.pop(track, ()))
        self._follows.pop(track, None)
        self._parting.append(track)
        self._wake()

    def _divide(self) -> None:
        """Gives each optimizer that is alive its part of the budget."""
        for track in self.tracks:
            track.governor.share(self._settings.budget / len(self.tracks))

    def _take_leave(self) -> None:
        """Hands over the last figures of optimizers that are gone, and keeps the newest few verdicts."""
        while self._parting:
            self._publish(self._parting[0], (), everything=True)
            self.ended.append(self._parting.pop(0))
        for track in self.ended[:-KEPT]:
            self._gone_steps += track.steps
            self._gone_seconds += track.governor.spent
        del self.ended[:-KEPT]

    def _held(self, model: nn.Module) -> frozenset[str]:
        """Names of the model's parameters that any of the optimizers holds."""
        optimizers = [track.optimizer for track in self.tracks]
        return frozenset(name for each in optimizers if each is not None for name in held_names(each, model))

    def _others(self, identities: frozenset[int]) -> dict[str, nn.Module]:
        """Models that hold some of these parameters."""
        found = self.models.items() if identities else ()
        return {name: each for name, each in found if any(id(p) in identities for p in each.parameters())}

    def _guarded(self, function: Callable[..., Any], *args: Any) -> None:
        self._shield.run(function, *args)

    def _billed(self, track: Track, function: Callable[..., Any], *args: Any) -> Any:
        with self._lock:
            alive = track.optimizer  # and stays so until the end
            return track.governor.bill(function, *args) if alive is not None else None

    def _hook(self, track: Track) -> None:
        optimizer, belongings = track.optimizer, Belongings()
        track.belong(belongings)
        before = Before(self._shield, partial(self._before_step, track, belongings), track.sleep)
        after = After(self._shield, partial(self._after_step, track, belongings), track.sleep)
        if isinstance(optimizer, Optimizer):
            handles = optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)
            removers = [handle.remove for handle in handles]
        else:  # a class of its own, that has no hooks
            removers = [around_step(optimizer, before, after)]
        self._removers[track] = [*removers, track.close, track.governor.close]
        for remover in self._removers[track]:
            self._shield.at_end(remover)

    def _here(self) -> tuple[Track, ...]:
        """The tracks that this thread may have news for."""
        return tuple(self.tracks) if self._thread in (None, threading.get_ident()) else ()

    def _before_backward(self, tensors: Any, gradients: Any) -> None:
        tracks = () if captures_graph() else self._here()
        begins = loss_of(tensors, gradients) if tracks else None
        if begins is None:
            return
        self._opened_by = self._last
        settle()
        for track in tracks:
            self._billed(track, track.before_backward, *begins)

    def _after_backward(self, completed: bool) -> None:
        for track in self._here():
            self._billed(track, track.after_backward, completed)

    def _clipped(self, parameters: Any, norm: Any, limit: float | None) -> None:
        for track in () if captures_graph() else self._here():
            self._billed(track, track.clipped, parameters, norm, limit)

    def _before_step(self, track: Track, _belongings: Belongings, *_: Any) -> None:
        if captures_graph():
            return
        depth = track.sleep.enter()
        if not self.resting:
            self._billed(track, lambda: track.before_step(again=depth > 1))

    def _after_step(self, track: Track, _belongings: Belongings, *_: Any) -> None:
        if captures_graph():
            return
        if not track.sleep.leave():
            return
        slept = track.wake()
        if self.resting:
            self._rest(track, slept)
        else:
            self._billed(track, self._close_step, track)
            track.governor.step_ended(
                probed=track.was_probe, measured=track.was_measured, noted=track.was_noted, slept=slept
            )
            track.space()
        self.resting = len(self.tracks) == 1 and track.rests and not self._parting

    def _rest(self, track: Track, slept: int) -> None:
        """Closes a step of which nothing was kept, and those before it that were only counted."""
        began, governor = track.governor.now(), track.governor
        track.rest()
        settle()
        self._mind()
        if governor.rested(track.steps, began, slept):
            self._billed(track, track.arm)
        track.lie_down(governor.patience(track.steps))

    def _mind(self) -> None:
        """Takes note of whether somebody looks on: then all tracks are spaced anew, at once."""
        if self._purse.eager is not (eager := self.sinks.eager):
            self._purse.eager = eager
            for track in self.tracks:
                track.space(anew=True)

    def _wake(self) -> None:
        """Attends to the next step, whatever was planned."""
        self.resting = False
        for track in self.tracks:
            track.sleep.left = 0

    def _close_step(self, track: Track) -> None:
        events = track.after_step()
        self._take_leave()
        self._publish(track, events)
        self._mind()
        self._follows[track], self._last = self._opened_by, track
        settle()
        for each in tuple(self.tracks):  # each is armed by the step after which its own backward pass came last time
            if len(self.tracks) == 1 or self._follows.get(each) is track:
                self._billed(each, each.arm)

    def _publish(self, track: Track, events: Iterable[Event], *, everything: bool = False) -> None:
        if figures := track.collect(everything=everything):
            self.sinks.figures(track.name, figures)
        if track.itemised is not None and track.measured is not None and not everything:
            self.sinks.probe(track.name, track.itemised, track.measured, track.findings)
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

    def _maybe_skipped(self, optimizer: Any) -> None:
        for track in self.tracks:
            if track.optimizer is optimizer and not track.stepped_since_scaled:
                self._publish(track, self._billed(track, track.skip))
                self._wake()

    def _finish(self) -> None:
        self._take_leave()
        for track in self.tracks:
            self._publish(track, (), everything=True)
        self.sinks.close()
