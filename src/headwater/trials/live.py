"""One training under way: it can stop after some steps, be looked at, and go on as if it had not stopped."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from headwater.measure import RandomState, glance, optimise, seed_all, tiny_numbers_as_zero, went_astray
from headwater.measure.objective import Forward
from headwater.records import Profile, TrialResult
from headwater.trials.building import OTHER, Built
from headwater.trials.stream import Stream
from headwater.trials.workload import Trial

KEPT = 2**30
"""Bytes of paused trainings that a process keeps; the ones used longest ago are let go, and would begin anew."""
LOOK = 4
"""Times `OTHER`: what is drawn in an evaluation is drawn nowhere else."""
_COPIES = 4
"""Numbers kept for each weight: itself, its gradient, and two moments of Adam."""


@dataclass(frozen=True)
class View:
    """What a training is looked at with.

    Attributes:
        held_out: batches that it never trains on.
        score: ``score(model, batch)``, larger is better; ``None`` where there is none.
        batch: on which the gradient along the trunk is measured.
    """

    held_out: list[Any]
    score: Callable[[nn.Module, Any], Any] | None
    batch: Any


class Live:
    """A training, its random numbers and its batches."""

    def __init__(self, built: Built, stream: Stream) -> None:
        self._training, self._objective, self._changes = built.training, built.objective, built.changes
        self._reading = built.reading
        self._stream = stream
        self._losses: list[float] = []
        self._random = RandomState.now(built.training.model)
        self._seconds = 0.0
        self._beforehand = built.rehearsed
        self._error: str | None = None

    @property
    def steps(self) -> int:
        """Optimizer steps that it was asked for so far, or up to the one at which it was lost."""
        return len(self._losses)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        weights = sum(p.numel() * p.element_size() for p in self._training.model.parameters())
        return _COPIES * weights

    def advance(self, steps: int) -> int:
        """Trains up to `steps` in all, or until it is lost; returns how many were taken, those of twins among them."""
        begin, before = time.perf_counter(), self.steps
        with self._own_random(), tiny_numbers_as_zero():
            while self.steps < steps and not self._over():
                self._step()
        self._seconds += time.perf_counter() - begin
        beforehand, self._beforehand = self._beforehand, 0
        return self.steps - before + beforehand

    def result(self, trial: Trial, view: View, *, spent: int) -> TrialResult:
        """Returns how it stands, after an evaluation on the held-out batches in evaluation mode."""
        begin = time.perf_counter()
        losses: tuple[float, ...] = ()
        scores: tuple[float, ...] = ()
        profile = None
        with self._random_of_a_look(trial):
            if not self._over():
                losses, scores = self._evaluated(view)
                profile = self._glance(view.batch, trial.seed) if trial.profile else None
        self._seconds += time.perf_counter() - begin
        return TrialResult(
            remedies=trial.remedies,
            seed=trial.seed,
            steps=trial.steps,
            control=trial.control,
            losses=tuple(self._losses),
            held_out=losses,
            scores=scores,
            profile=profile,
            changes=self._changes,
            seconds=self._seconds,
            spent=spent,
            error=self._error,
        )

    def _over(self) -> bool:
        return self._error is not None or bool(self._losses and not math.isfinite(self._losses[-1]))

    def _step(self) -> None:
        training, objective = self._training, self._objective
        training.optimizer.zero_grad(set_to_none=True)
        try:
            batch = next(self._stream)
            forward = objective(training.model, batch)
            loss = float(forward.loss.detach())
            self._losses.append(self._judged(forward) if math.isfinite(loss) else loss)
            if not math.isfinite(loss):
                return
            forward.loss.backward()
            optimise(training.optimizer, lambda: objective(training.model, batch).loss)
            scheduler = training.scheduler
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(loss)
            elif scheduler is not None:
                scheduler.step()
        except Exception as error:
            if went_astray(self._losses, training.model):  # many a function refuses what is no number
                self._losses.append(math.nan)
            else:
                self._error = said(error)

    def _judged(self, forward: Forward) -> float:
        """The loss, on the outputs as they are meant."""
        if self._reading is None or self._objective.loss_fn is None or not isinstance(forward.outputs, Tensor):
            return float(forward.loss.detach())
        with torch.no_grad():
            return float(self._objective.loss_fn(self._reading.read(forward.outputs.detach()), forward.targets))

    def _evaluated(self, view: View) -> tuple[tuple[float, ...], tuple[float, ...]]:
        model = self._training.model
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with torch.no_grad():
                losses = tuple(self._judged(self._objective(model, batch)) for batch in view.held_out)
                score = view.score
                scores = tuple(float(score(model, batch)) for batch in view.held_out) if score is not None else ()
        except Exception as error:
            self._error = said(error)
            return (), ()
        finally:
            _set_modes(modes)
        return losses, scores

    def _glance(self, batch: Any, seed: int) -> Profile | None:
        try:
            return glance(self._training.model, self._objective, batch, seed)
        except Exception as error:
            self._error = said(error)
            return None

    @contextmanager
    def _own_random(self) -> Generator[None]:
        model = self._training.model
        outside = RandomState.now(model)
        self._random.again()
        try:
            yield
        finally:
            self._random = RandomState.now(model)
            outside.again()

    @contextmanager
    def _random_of_a_look(self, trial: Trial) -> Generator[None]:
        """Random numbers that are the same for all candidates, none of which the training draws."""
        outside = RandomState.now(self._training.model)
        seed_all((LOOK + trial.seed) * OTHER + trial.steps)
        try:
            yield
        finally:
            outside.again()


class Paused:
    """Trainings that may go on. They stay in the process that began them: a copy in another one has none."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, Live] = OrderedDict()

    def __reduce__(self) -> tuple[type[Paused], tuple[()]]:
        return Paused, ()

    def take(self, key: Any, steps: int) -> Live | None:
        """Returns the training of that key, when it has not gone further than `steps`."""
        live = self._kept.pop(key, None)
        return live if live is not None and live.steps <= steps else None

    def put(self, key: Any, live: Live) -> None:
        """Keeps a training, at the cost of older ones."""
        self._kept[key] = live
        while len(self._kept) > 1 and sum(each.size for each in self._kept.values()) > KEPT:
            self._kept.popitem(last=False)


def said(error: Exception) -> str:
    """An exception in one string."""
    return f"{type(error).__name__}: {error}"


def _set_modes(modes: list[tuple[nn.Module, bool]]) -> None:
    for module, training in modes:
        module.training = training
