"""One optimizer under watch: its steps, their figures, and the probes between them."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.graph import Guard
from headwater.measure import held_names
from headwater.measure.optimizers import needs_closure, rate_of
from headwater.monitor.alarms import Alarms, Event
from headwater.monitor.belongings import Belongings, Models, weakly
from headwater.monitor.clip import Clip, factor
from headwater.monitor.figures import Figures, Notes, StepFigures
from headwater.monitor.governor import Governor
from headwater.monitor.names import identities, together, trained
from headwater.monitor.probing import TRIES, LiveProbe
from headwater.monitor.replay import ReplayedProbe, is_compiled
from headwater.monitor.rhythm import Rhythm, common_stride, spaced
from headwater.monitor.sleep import Sleep
from headwater.monitor.stepping import under_way
from headwater.monitor.window import Window
from headwater.records import ClipRecord, Finding, Measurement
from headwater.rules import judge

log = logging.getLogger("headwater")

SEQUENCES = 16
"""Batches of sequences that are kept at most, to ask whether the data need a long memory."""


class Track:
    """Follows one optimizer, and keeps neither it nor its models alive. Its methods are called by the monitor's hooks.

    Args:
        name: of the optimizer, where there are several; else empty.
        optimizer: is alive whenever a method other than `retire` and `collect` is called.
        models: that it trains, by name.
        governor: keeps its account.
        guard: wraps every hook on the models.

    Attributes:
        name: of the optimizer; empty for the only one without a name.
        trains: names of the models.
        findings: of the last verdict, root cause first.
        measured: what that verdict rests on; ``None`` before the first probe.
        governor: keeps its account.
        closure: whether the optimizer evaluates the loss itself (LBFGS).
        itemised: number of the step that ended last, if its probe was heard and counts.
        was_probe, was_measured, was_noted: whether the step that ended last was itemised, measured, or kept at all.
        skipped: steps that a gradient scaler left out.
        held: names of a model's parameters that any watched optimizer holds.
        rhythm: steps that are kept.
        sleep: coming steps that are only counted.
        others: those of the models that other optimizers train that hold some of these parameters (identities).
    """

    def __init__(
        self,
        name: str,
        optimizer: Any,
        models: Mapping[str, nn.Module],
        governor: Governor,
        guard: Guard,
    ) -> None:
        self.name, self._optimizer = name, weakly(optimizer)
        self.trains = " + ".join(models)
        self.governor = governor
        self._models, self._guard = Models(models), guard
        self._belongings: Callable[[], Belongings | None] = lambda: None
        self._armed: Callable[[], LiveProbe | ReplayedProbe | None] = lambda: None
        self._alarms = Alarms(name)
        self.closure = isinstance(optimizer, Optimizer) and needs_closure(optimizer)
        self._loss_scale: Any = None
        itself = self._optimizer
        self.sleep = Sleep(lambda: under_way(itself()))
        self.held: Callable[[nn.Module], frozenset[str]] = lambda model: held_names(self.optimizer, model)
        self.others: Callable[[frozenset[int]], Mapping[str, nn.Module]] = lambda identities: {}
        self._steps = self._before_scaled = 0
        self.skipped = self._batch = 0
        self.findings: tuple[Finding, ...] = ()
        self.measured: Measurement | None = None
        self.rhythm = Rhythm()
        self._thread: int | None = None
        self._told = self._credit_due = self._taken = False
        self.itemised: int | None = None
        self.was_probe = self.was_measured = self.was_noted = False
        self._parameters: dict[str, nn.Parameter] = {}
        self._figures = Figures({})
        self._clip: Clip | None = None
        self._losses: dict[int, torch.Tensor] = {}
        self._waiting: list[StepFigures] = []
        self._sequences: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._meet()

    @property
    def optimizer(self) -> Any:
        """The optimizer; ``None`` when it is gone."""
        return self._optimizer()

    @property
    def steps(self) -> int:
        """Optimizer steps that were seen."""
        return self._steps + self.sleep.slept

    @property
    def stepped_since_scaled(self) -> bool:
        """Whether the optimizer was called since the scaler was."""
        return self.steps > self._before_scaled

    @property
    def idle(self) -> bool:
        """Whether nothing of this step is kept."""
        return self._armed() is None and not self.rhythm.keeps(self.steps)

    @property
    def rests(self) -> bool:
        """Whether nothing of this step is asked for, by what came before it neither."""
        return self.idle and not (self.closure or self._credit_due or self._waiting or self._figures.due)

    def belong(self, belongings: Belongings) -> None:
        """Learns of what the optimizer holds for this track."""
        self._belongings = weakref.ref(belongings)

    # What happens in a step, in its order.

    def arm(self) -> None:
        """Makes the coming step a probe, if the governor grants it."""
        if self._probe is None and self.governor.wants_probe(self.steps) and self._models.complete():
            if self._known != identities(self._model):
                self._meet()
            if self._window.is_full:
                self._open_window()
            self._open_probe()

    def before_backward(self, loss: torch.Tensor, value: torch.Tensor) -> None:
        """Takes note of the loss, and of its value where it is several numbers.

        A probe hears the thread in which the optimizer steps, and those in which its model has run: others may train
        something else meanwhile.
        """
        here, probe = threading.get_ident(), self._probe
        self._losses[here] = value
        if probe is None or here not in probe.ran | (
            {self._thread} if self._thread is not None or probe.ran else {here}
        ):
            return
        probe.before_backward(loss, value)
        if probe.gave_up and not self._told:
            self._told = True
            log.warning(
                "Headwater waited in vain for the loss of a step%s: of %d backward passes, none led to the parameters "
                "of the model that had run. Such steps are not itemised; this is said once.",
                f" of {self.name}" if self.name else "",
                TRIES,
            )

    def after_backward(self, completed: bool) -> None:
        """Files what a probe heard."""
        if (probe := self._probe) is not None:
            probe.after_backward(completed)

    def clipped(self, parameters: Iterable[torch.Tensor], norm: Any, limit: float | None) -> None:
        """Takes note of clipping, when it is about this optimizer's parameters."""
        first = next(iter(parameters), None)
        if first is None or id(first) not in self._ids:
            return
        if limit is not None and not hasattr(norm, "to_local"):
            self._clip = Clip(norm, limit)
        elif self._probe is not None or self.rhythm.measures(self.steps):
            self._clip = Clip(self._figures.total(), None)

    def scaled(self, scale: Any) -> None:
        """Takes note of the scale of the loss."""
        self._loss_scale, self._before_scaled = scale, self.steps

    def before_step(self, *, again: bool) -> None:
        """Reads the gradients that the optimizer is about to consume.

        Args:
            again: whether this is the step of a base class, called by that of a subclass: it sees what the subclass
                did to the gradients.
        """
        self._thread = threading.get_ident()
        if not again:
            if self._changed():
                self._drop_probe()
                self._meet()
            if self._probe is not None:
                self._window.updates.keep()
            if not self.closure:
                self._credit()
        if not self.closure:
            self._take()

    def after_step(self) -> list[Event]:
        """Closes the step and returns what is news."""
        if self.closure:  # the gradients of the last evaluation; before the step there were none
            self._credit()
            self._take()
        self.was_probe, self.was_measured, self.was_noted = self._probe is not None, self._taken, not self.idle
        events = self._close_probe(moved=not self._overflow())
        self._steps += 1
        self._taken = False
        self._forget_step()
        return events

    def rest(self) -> None:
        """Closes a step of which nothing was kept."""
        self._steps += 1
        self.was_probe = self.was_measured = self.was_noted = False
        self.itemised, self._loss_scale = None, None

    def lie_down(self, steps: int) -> None:
        """Plans to count at most so many steps and do nothing else, and wakes up one before the next that is kept."""
        if self.rests:
            self.sleep.begin(min(steps, self.rhythm.rests(self.steps)))

    def wake(self) -> int:
        """Attends to steps again; returns how many were only counted."""
        slept = self.sleep.end()
        self._steps += slept
        return slept

    def skip(self) -> list[Event]:
        """Closes a step that a gradient scaler left out without calling the optimizer."""
        self.skipped += 1
        self.was_probe = self.was_measured = self.was_noted = False
        events = self._close_probe(moved=False)
        self._forget_step()
        return events

    def collect(self, *, everything: bool = False) -> list[StepFigures]:
        """Returns figures that have arrived since."""
        found = self._waiting + self._figures.collect(everything=everything)
        self._waiting = []
        self.skipped += sum(step.skipped for step in found)
        return found

    def space(self, *, anew: bool = False) -> None:
        """Spaces the next figures as the account allows, once it holds this step."""
        if anew or self.was_measured or self.was_probe:
            stride = self.governor.stride()
            shared = common_stride(stride) if self._is_sharded() else stride
            self.rhythm = spaced(self.steps, shared, self.governor.beat())

    def close(self) -> None:
        """Removes every hook."""
        self._drop_probe()
        self._window.updates.forget()

    def retire(self) -> None:
        """Lets go of everything but the last verdict and the figures on their way: the optimizer is gone."""
        self._drop_probe()
        self._parameters, self._sequences = {}, []
        self._window.retire()
        self._figures.retire()
        self._forget_step()

    # Helpers.

    @property
    def _model(self) -> nn.Module:
        return together(self._models.alive())

    @property
    def _probe(self) -> LiveProbe | ReplayedProbe | None:
        return self._armed()

    @property
    def _heard(self) -> bool:
        return (probe := self._probe) is not None and probe.heard

    def _open_probe(self) -> None:
        roots = tuple(self._models.alive().values())
        if len(roots) == 1 and is_compiled(roots[0]):
            probe = ReplayedProbe(roots[0], self._window.passes, self._guard)
        else:
            probe = LiveProbe(self._model, roots, self._window.passes, self._guard)
        if (holder := self._belongings()) is not None:
            holder.probe, self._armed = probe, weakref.ref(probe)
            probe.open()

    def _take(self) -> None:
        if self._parameters and self.rhythm.keeps(self.steps):
            self._taken = self.rhythm.measures(self.steps)
            self._figures.take(self.steps, self._notes(), whole=self._taken)

    def _credit(self) -> None:
        """Reads the gradients for the probe of this step, and for what the one before did."""
        if (self._credit_due or self._heard) and not self._overflow():
            scale = getattr(self.optimizer, "grad_scale", None)
            self._window.updates.credit(1.0 if scale is None else float(scale))
        if self._credit_due and self._probe is None:
            self._window.updates.forget()
        self._credit_due = False

    def _is_sharded(self) -> bool:
        return any(hasattr(parameter, "to_local") for parameter in self._parameters.values())

    def _overflow(self) -> bool:
        """Whether a gradient scaler tells the optimizer to leave the weights alone. Asked in probed steps only."""
        found = getattr(self.optimizer, "found_inf", None) if self._credit_due or self._heard else None
        return found is not None and float(found) > 0

    def _forget_step(self) -> None:
        self._clip, self._loss_scale = None, None
        self._losses.clear()

    def _drop_probe(self) -> None:
        if (probe := self._armed()) is not None:
            probe.close()
        if (holder := self._belongings()) is not None:
            holder.probe = None
        self._armed = lambda: None

    def _meet(self) -> None:
        """Learns which parameters the optimizer holds and what the model calls them."""
        model = self._model
        known = {id(p): name for name, p in model.named_parameters()}
        held: list[nn.Parameter] = [p for group in self.optimizer.param_groups for p in group["params"]]
        self._ids, self._held, self._known = {id(p) for p in held}, len(held), identities(model)
        self._parameters = {known.get(id(p), f"{list(p.shape)} #{i}"): p for i, p in enumerate(held)}
        self._waiting += self._figures.collect(everything=True)
        self._figures = Figures(self._parameters, self.governor.age)
        self._open_window()

    def _open_window(self) -> None:
        self._window = Window(self._model, self.optimizer, self._parameters.values(), self._sequences)

    def _changed(self) -> bool:
        """Whether the parameters are others; in steps of which nothing is kept it is enough to count them."""
        groups = self.optimizer.param_groups
        if self.idle:
            return sum(len(group["params"]) for group in groups) != self._held
        if self._probe is not None and self._known != identities(self._model):
            return True
        return {id(p) for group in groups for p in group["params"]} != self._ids

    def _notes(self) -> Notes:
        rates = [rate for group in self.optimizer.param_groups if (rate := rate_of(group)) is not None]
        fused = getattr(self.optimizer, "grad_scale", None)
        return Notes(
            loss=self._losses.get(threading.get_ident(), next(reversed(self._losses.values()), None)),
            loss_scale=self._loss_scale,
            gradient_scale=fused,
            clip=factor(self._clip, self._figures),
            skipped=getattr(self.optimizer, "found_inf", None),
            learning_rate=max(rates) if rates else None,
        )

    def _close_probe(self, *, moved: bool) -> list[Event]:
        self.itemised, probe = None, self._probe
        if probe is None:
            return []
        model = self._model
        self._drop_probe()
        if not probe.heard:
            return []
        if more := self.others(probe.behind - frozenset(self._known.values())):
            self._models.add(more)  # its loss leads through what another optimizer trains (a GAN): from now on with it
            self._meet()
            return []
        scale = 1.0 if self._loss_scale is None else float(self._loss_scale)
        probe.rescale(scale)
        if not moved and scale > 1.0 and math.isfinite(self._window.passes.steps[-1].loss):
            self._open_window()  # the scale was too large and is lowered: what overflowed is nobody's fault
            return []
        self._batch = probe.batch or self._batch
        if probe.sequences is not None:
            self._sequences.append(probe.sequences)
            del self._sequences[:-SEQUENCES]
        self.itemised = self.steps
        self._window.numbers.append(self.steps)
        if self._clip is not None:
            norm = float(self._clip.norm)
            consumed = min(norm, self._clip.limit) if self._clip.limit is not None else float(self._figures.total())
            self._window.clips.append(ClipRecord(len(self._window.numbers) - 1, norm, consumed))
        if moved:
            self._window.updates.after_step()
            self._credit_due = True
        if self.measured is not None and not self._window.is_enough:
            return []  # the window before this one says more
        self.measured = self._measure(model)
        self.findings = judge(self.measured)
        return self._alarms.judge(self.findings, self.steps)

    def _measure(self, model: nn.Module) -> Measurement:
        found = self._window.measured(model, self.held(model), self._batch)
        kind, size = trained(model, self._ids)
        return replace(found, track=self.name, model=kind, parameters_total=size)
