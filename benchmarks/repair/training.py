"""The trainings of a case: short trials to search with, and whole ones that judge what was found.

A trial takes the honest budget of the detection benchmark's case, in which its twin learns; the whole training takes
four times as long. A search sees one epoch of the training data, a fifth of which it may hold out. The test data judge
only, at the end of whole trainings with seeds that no search has seen.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from benchmarks.detection.problem import Batch, Problem
from benchmarks.repair.chosen import BY_NAME
from headwater import diagnose
from headwater.records import TrialResult
from headwater.trials import ObjectsWorkload, Trial

WHOLE = 4
"""Times the honest budget."""
JUDGES = (101, 102, 103)
"""Seeds that judge."""
ALL_JUDGES = (*JUDGES, *range(104, 111))
"""Seeds that judge where three leave it open: seeds differ by two points in many a case."""
FRESH = (201, 202, 203, 204, 205)
"""Seeds with which what is claimed for a healthy training is tested again."""
_HELD_OUT = 5
"""One in so many batches of the training data is held out of the search."""


@dataclass(frozen=True)
class Material:
    """What a search is given: batches to train on, and batches to compare by."""

    train: list[Batch]
    validation: list[Batch]


def make_model(name: str) -> Any:
    """Makes the model with weights from the random numbers of the moment, and its optimizer where it has its own."""
    seed = int(torch.randint(2**31 - 1, ()))
    made = copy.deepcopy(_built(name, seed))
    torch.manual_seed(seed + 1)  # what a change draws next does not depend on whether the case was built or kept
    return made


class Stopwatch:
    """Counts seconds, but not those in which a case is built: it draws data, and may train its network beforehand.

    A user's `make_model` does neither; it would read a file.
    """

    built = 0.0
    """Seconds in which cases were built, so far in this process."""

    def __init__(self) -> None:
        self._begin, self._built = time.perf_counter(), Stopwatch.built

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._begin - (Stopwatch.built - self._built)


@lru_cache(maxsize=32)
def _built(name: str, seed: int) -> Any:
    """Is kept for each seed."""
    begin = time.perf_counter()
    problem = BY_NAME[name].build(seed)
    Stopwatch.built += time.perf_counter() - begin
    own = problem.optimizer
    return (problem.model, own) if isinstance(own, Optimizer) else problem.model


def factory(problem: Problem) -> Callable[[Any], Optimizer] | None:
    """What makes the optimizer, unless `make_model` returns it."""
    return None if isinstance(problem.optimizer, Optimizer) else problem.optimizer


def material(problem: Problem) -> Material:
    """Divides the first epoch: both epochs of a case hold the same examples."""
    epoch = list(problem.batches[: len(problem.batches) // 2])
    held_out = max(1, len(epoch) // _HELD_OUT) if len(epoch) > 1 else 0
    return Material(epoch[: len(epoch) - held_out], epoch[len(epoch) - held_out :])


def workloads(name: str) -> tuple[ObjectsWorkload, ObjectsWorkload]:
    """The trials of a search, and the whole training, judged on its test data; both with the original's diagnosis."""
    problem = BY_NAME[name].build(0)
    report = diagnose(
        problem.model, problem.batches, problem.loss_fn, step=problem.step, optimizer=problem.optimizer, seed=0
    )
    given = material(problem)
    search = ObjectsWorkload(
        partial(make_model, name),
        given.train,
        problem.loss_fn,
        problem.step,
        factory(problem),
        given.validation or given.train,
        problem.score,
        report.measurement,
        report.findings,
    )
    return search, replace(search, batches=list(problem.batches), validation=[problem.test])


def of_twin(workload: ObjectsWorkload, name: str) -> ObjectsWorkload:
    """The same with another case, to which no remedy is applied."""
    problem = BY_NAME[name].build(0)
    return replace(
        workload,
        make_model=partial(make_model, name),
        batches=list(problem.batches),
        loss_fn=problem.loss_fn,
        step=problem.step,
        optimizer=factory(problem),
        validation=[problem.test],
        score=problem.score,
    )


def with_adam(workload: ObjectsWorkload, rate: float) -> ObjectsWorkload:
    """The same training with Adam, whatever its optimizer was."""
    make = workload.make_model
    return replace(workload, make_model=lambda: _model(make()), optimizer=partial(torch.optim.Adam, lr=rate))


def _model(made: Any) -> nn.Module:
    return made[0] if isinstance(made, tuple) else made


def judged(
    workload: ObjectsWorkload, remedies: tuple[str, ...], steps: int, seeds: tuple[int, ...]
) -> tuple[float, ...]:
    """The score on the test data after the whole training with each seed; 0 where it was lost."""
    return tuple(score_of(workload.run(Trial(remedies, seed, steps))) for seed in seeds)


def score_of(result: TrialResult) -> float:
    """Mean score on the batches that a training was judged by; 0, that of the best constant answer, if it was lost."""
    return 0.0 if result.score is None else result.score
