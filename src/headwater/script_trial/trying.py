"""A script with remedies put into it at the moment when its optimizer is built."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from headwater.errors import RemedyError
from headwater.measure import RandomState, has_numbers, set_rate
from headwater.measure.optimizers import rate_of
from headwater.monitor import Monitor, Settings, models_of, patches
from headwater.monitor.names import module_of, together
from headwater.monitor.stepping import under_way
from headwater.records import Change, Measurement, SourceLine
from headwater.remedies import Training, remedy
from headwater.remedies.reading import MENDING, as_meant
from headwater.script import enough
from headwater.script_trial.construction import on_built
from headwater.script_trial.job import Answer, Job, Original, Rehearsal
from headwater.script_trial.losses import Losses
from headwater.script_trial.redraw import redraw_weights

_ANOTHER = -1
"""Stands for the number of any optimizer that is not tried."""
_UNWATCHED = 1e-9
"""A budget that grants no probe but those that are asked for."""


class Trying:
    """Changes the training that was diagnosed, notes its losses, and ends the script after its steps."""

    def __init__(self, job: Job) -> None:
        assert job.original is not None  # it was observed before
        self._job, self._original = job, job.original
        self._count = 0
        self._training: Training | None = None
        self._monitor: Monitor | None = None
        mended = any(remedy(key).code == MENDING for key in job.remedies)
        self._losses = Losses(None if mended else as_meant(self._original.measurement, self._original.findings))
        self._changes: list[Change] = []
        self._refused = self._error = ""
        self._wanted: Rehearsal | None = None
        self._own_rates: list[float] = []
        self._now_rates: list[float] = []

    def begin(self) -> None:
        """Waits for the optimizer."""
        if self._job.control:
            redraw_weights(self._job.seed)
        if self._job.task == "train":
            torch.set_flush_denormal(True)  # as in `headwater.measure.tiny_numbers_as_zero`
        on_built(self._built)
        patches.listen(self._losses)
        if self._job.rates or self._job.factors:
            register_optimizer_step_pre_hook(self._set_rates)
        register_optimizer_step_post_hook(self._stepped)

    def answer(self) -> Answer:
        """Returns what came of it."""
        track = self._monitor.tracks[0] if self._monitor is not None and self._monitor.tracks else None
        measured = track.measured if track is not None else None
        return Answer(
            steps=len(self._own),
            losses=(*self._own, *self._astray()),
            changes=tuple(self._changes),
            findings=track.findings if track is not None else (),
            profile=measured.profile if measured is not None else None,
            refused=self._refused,
            error=self._error,
            wanted=self._wanted,
        )

    def _astray(self) -> tuple[float, ...]:
        """No number more, where the script ended before its steps and its weights are none any more."""
        if self._training is None or self._error or self._refused or len(self._own) >= self._job.steps:
            return ()
        finite = all(map(math.isfinite, self._own[-1:]))
        return (math.nan,) if finite and not has_numbers(self._training.model) else ()

    def _built(self, optimizer: Optimizer, line: SourceLine | None, _: FrameType) -> None:
        number, self._count = self._count, self._count + 1
        if number != self._original.optimizer:
            return
        models = models_of(p for group in optimizer.param_groups for p in group["params"])
        model = measured_model(models, self._original.measurement)
        if model is None:
            self._error = _elsewhere(self._original)
            enough()
        before = RandomState.now(model)
        self._apply(
            Training(
                model,
                optimizer,
                self._original.measurement,
                self._original.findings,
                self._whole,
                built=line if self._original.built is not None else None,
                scheduled=self._original.scheduled,
            )
        )
        self._own_rates = [rate_of(group) or 0.0 for group in optimizer.param_groups]
        before.again()  # the script draws on as it does without remedies
        if probed := self._probed():
            settings = Settings(_UNWATCHED, first=probed, at_least_every=math.inf)
            self._monitor = Monitor(model, optimizer, settings)
            self._monitor.attach()

    def _apply(self, training: Training) -> None:
        self._training = training
        for place, key in enumerate(self._job.remedies):
            training.rehearse = partial(self._rehearsed, self._job.remedies[:place])
            chosen = remedy(key)
            if reason := chosen.refusal(training):
                self._refused = f"{key}: {reason}"
                enough()
            try:
                self._changes.append(chosen.apply(training))
                training.applied.append(key)
            except RemedyError as error:
                self._error = f"{key}: {error}"
                enough()

    def _rehearsed(self, remedies: tuple[str, ...], rates: Sequence[float]) -> Sequence[float]:
        """What came of a rehearsal; where there was none yet, the script ends, to run again when there was."""
        wanted = Rehearsal(remedies, tuple(rates))
        for each in self._job.rehearsals:
            if (each.remedies, each.rates) == (wanted.remedies, wanted.rates):
                return each.losses
        self._wanted = wanted
        enough()

    def _set_rates(self, optimizer: Optimizer, *_: Any) -> None:
        """Sets the rates of a step that are asked for; after it the script, and a schedule of it, finds its own."""
        training, step = self._training, len(self._own)
        if training is None or optimizer is not training.optimizer or under_way(optimizer) > 1:
            return
        self._now_rates = [rate_of(group) or 0.0 for group in optimizer.param_groups]
        highest = max(self._own_rates)
        for group, own, now in zip(optimizer.param_groups, self._own_rates, self._now_rates, strict=False):
            if step < len(self._job.rates):
                set_rate(group, self._job.rates[step] * (own / highest if highest else 1.0))
            elif step < len(self._job.factors):
                set_rate(group, self._job.factors[step] * now)

    @property
    def _own(self) -> list[float]:
        """Losses of the optimizer that is tried."""
        return self._losses.of[self._original.optimizer]

    @property
    def _whole(self) -> int:
        return self._job.horizon or self._job.steps

    def _probed(self) -> tuple[int, ...]:
        if self._job.task == "screen":
            return tuple(range(self._job.steps))
        return (self._job.steps - 1,) if self._job.profile else ()

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if under_way(optimizer) > 1:  # the step of a base class, inside that of its subclass
            return
        training = self._training
        if training is None or optimizer is not training.optimizer:
            self._losses.stepped(_ANOTHER)
            return
        self._losses.stepped(self._original.optimizer)
        for group, rate in zip(optimizer.param_groups, self._now_rates, strict=False):
            set_rate(group, rate)
        losses = self._own
        if isinstance(training.scheduler, ReduceLROnPlateau):
            training.scheduler.step(losses[-1] if losses else math.inf)
        elif training.scheduler is not None:
            training.scheduler.step()
        if not losses:
            self._error = "its loss is not heard: the script does not call backward() on one tensor"
        if self._error or self._refused or len(losses) >= self._job.steps or not math.isfinite(losses[-1]):
            enough()


def measured_model(models: list[nn.Module], measurement: Measurement) -> nn.Module | None:
    """Returns the model in which the measurement's names are found: one, or several under the names of their classes.

    Args:
        models: those of the optimizer, outermost, as they are or wrapped.
        measurement: of the script as it is.
    """
    counts: Counter[str] = Counter()
    named: dict[str, nn.Module] = {}
    for each in models:
        kind = type(module_of(each)).__name__
        counts[kind] += 1
        named[kind if counts[kind] == 1 else f"{kind}{counts[kind]}"] = each
    wanted = {parameter.name for parameter in measurement.parameters}
    found = together(named) if named else None
    if found is not None and wanted <= {name for name, _ in found.named_parameters(remove_duplicate=False)}:
        return found
    return None


def _elsewhere(original: Original) -> str:
    return (
        f"{original.measurement.model} was diagnosed, and is not there as it was then when its optimizer is built: "
        "remedies cannot be put into it"
    )
