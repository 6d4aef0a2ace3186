"""Trainings without any training: levels that are made up, for tests of what is concluded from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np

from headwater.records import TrialResult
from headwater.trials.workload import Trial

BATCHES = 12
_LATE = 100


def result(*held_out: float, seed: int = 0, steps: int = 100, spent: int = 0, lost: bool = False) -> TrialResult:
    losses = (1.0 + seed,) * (steps // 2 if lost else steps)
    return TrialResult((), seed, steps, losses=losses, held_out=() if lost else held_out, spent=spent)


@dataclass
class Track:
    """Runs trials whose loss falls from 1 toward a level of each candidate, with a pace of its own.

    Attributes:
        levels: final loss by remedies; what has none ends with an error.
        paces: steps in which the way to it shrinks by ``e``; 20 where it is not said.
        lost: remedies that have no level: the step at which their training is lost.
        falls: the same, of those that have one before.
        relapses: levels to which a training falls back from half of the steps on, by remedies and seed.
        alike: whether every seed gives the same training.
        noise: standard deviation over seeds (shared by all who run with it) and over batches.
        unsteady: standard deviation of what a training reaches, over seeds and candidates.
        draw: of all random numbers.
        trials: those that were run.
        spent: their optimizer steps.
    """

    levels: dict[tuple[str, ...], float]
    paces: dict[tuple[str, ...], float] = field(default_factory=dict[tuple[str, ...], float])
    lost: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    falls: dict[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    relapses: dict[tuple[str, ...], dict[int, float]] = field(default_factory=dict[tuple[str, ...], dict[int, float]])
    alike: bool = False
    noise: float = 0.01
    unsteady: float = 0.0
    draw: int = 0
    trials: list[Trial] = field(default_factory=list[Trial])
    spent: int = 0

    def __call__(self, trials: Sequence[Trial]) -> list[TrialResult]:
        found: list[TrialResult] = []
        for trial in trials:
            who = (trial.remedies, trial.seed, trial.control)
            same = [e.steps for e in self.trials if (e.remedies, e.seed, e.control) == who and e.steps < trial.steps]
            result = self._run(trial)
            found.append(replace(result, spent=result.spent - max(same, default=0)))  # as objects do, it goes on
            self.spent += found[-1].spent
            self.trials.append(trial)
        return found

    def _run(self, trial: Trial) -> TrialResult:
        if trial.remedies not in self.levels | self.lost:
            return TrialResult(trial.remedies, trial.seed, trial.steps, trial.control, error="no level of it is known")
        lost = (self.lost | self.falls).get(trial.remedies, trial.steps + 1)
        if lost <= trial.steps:
            losses = (1.0 + trial.seed,) * (lost - 1) + (float("nan"),)
            return TrialResult(trial.remedies, trial.seed, trial.steps, trial.control, losses=losses, spent=lost)
        last, pace = self.levels[trial.remedies], self.paces.get(trial.remedies, 20.0)
        level = last + (1.0 - last) * np.exp(-trial.steps / pace)
        if trial.steps >= _LATE:
            level = self.relapses.get(trial.remedies, {}).get(trial.seed, level)
        shared = np.random.default_rng([trial.seed, self.draw]).normal(0, self.noise, BATCHES)
        who = crc32(repr((trial.remedies, trial.control, trial.seed, self.draw)).encode())
        chance = np.random.default_rng(who)
        own = chance.normal(0, self.unsteady) + chance.normal(0, self.noise / 5, BATCHES)
        return TrialResult(
            trial.remedies,
            trial.seed,
            trial.steps,
            trial.control,
            losses=(1.0 if self.alike else 1.0 + trial.seed,) * trial.steps,
            held_out=tuple(level + shared + own),
            spent=trial.steps,
        )
