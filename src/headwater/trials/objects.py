"""A training made of Python objects: a function that builds the model, batches, a loss and an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeAlias

from torch import nn
from torch.optim import Optimizer

from headwater.measure import Objective, untouched
from headwater.measure.objective import LossFunction, Step
from headwater.records import Finding, Measurement, SourceLine, TrialResult
from headwater.trials.building import Recipe, built
from headwater.trials.counting import StepCount
from headwater.trials.live import Live, Paused, View, said
from headwater.trials.rehearsal import SEED, rehearsed
from headwater.trials.screen import screened
from headwater.trials.stream import Stream
from headwater.trials.workload import Screening, Trial

HELD_OUT = 64
"""Batches that are held out at most: as many pairs tell a small difference, and more cost more than the trials do."""
SCREENING = 2
"""Steps of a screening, the second of which is judged: by then branches and heads that start at zero have moved."""

_Rehearsal: TypeAlias = tuple[tuple[str, ...], tuple[float, ...]]
"""Remedies and rates."""


@dataclass(frozen=True)
class ObjectsWorkload:
    """See `headwater.fix` for the arguments; `batches` and `validation` are `materialised`.

    Attributes:
        paused: trainings that may go on in this process.
        rehearsals: losses of what was rehearsed in this process.
    """

    make_model: Callable[[], Any]
    batches: Any
    loss_fn: LossFunction | None
    step: Step | None
    optimizer: Callable[[Any], Optimizer] | None
    validation: Any
    score: Callable[[Any, Any], Any] | None
    measurement: Measurement
    findings: tuple[Finding, ...] = ()
    optimizer_built: SourceLine | None = None
    paused: Paused = field(default_factory=Paused, init=False, compare=False, repr=False)
    rehearsals: dict[_Rehearsal, tuple[float, ...]] = field(
        default_factory=dict[_Rehearsal, tuple[float, ...]], init=False, compare=False, repr=False
    )

    @property
    def recipe(self) -> Recipe:
        """What a training is made of."""
        return Recipe(
            self.make_model,
            self.optimizer,
            Objective(self.loss_fn, self.step),
            self.measurement,
            self.findings,
            self.optimizer_built,
            self._rehearsed,
        )

    def run(self, trial: Trial) -> TrialResult:
        """Trains from the start, or goes on where a shorter trial of the same training ended: the numbers are equal."""
        key = (trial.remedies, trial.seed, trial.control, trial.whole)
        try:
            live = self.paused.take(key, trial.steps) or self._begun(trial)
            taken = live.advance(trial.steps)
            held_out = [] if self.validation is None else Stream(self.validation, trial.seed).first(HELD_OUT)
            batch = Stream(self.batches, trial.seed).first(1)[0] if trial.profile else None
        except Exception as error:  # of the user's functions or of a remedy: it speaks against this candidate only
            return TrialResult(trial.remedies, trial.seed, trial.steps, trial.control, error=said(error))
        if trial.steps < trial.whole:
            self.paused.put(key, live)
        return live.result(trial, View(held_out, self.score, batch), spent=taken)

    def screen(self, remedies: tuple[str, ...]) -> Screening:
        """Applies the remedies to a fresh copy and itemises a few steps."""
        count = StepCount()
        with count.counting():
            found = screened(self.recipe, remedies, lambda: list(islice(self._stream(0), SCREENING)))
        return replace(found, spent=count.steps)

    def _begun(self, trial: Trial) -> Live:
        with untouched(nn.Identity(), trial.seed):
            made = built(self.recipe, trial.remedies, seed=trial.seed, steps=trial.whole, control=trial.control)
            return Live(made, self._stream(trial.seed))

    def _rehearsed(self, remedies: Sequence[str], rates: Sequence[float]) -> tuple[Sequence[float], int]:
        """Losses of a rehearsal, which are the same for all trials, and the steps that it took now."""
        wanted = (tuple(remedies), tuple(rates))
        if wanted in self.rehearsals:
            return self.rehearsals[wanted], 0
        self.rehearsals[wanted] = tuple(rehearsed(self.recipe, remedies, rates, self._stream(SEED)))
        return self.rehearsals[wanted], len(self.rehearsals[wanted])

    def _stream(self, seed: int) -> Stream:
        return Stream(self.batches, seed)
