"""Runs the points of an experiment over an engine, and keeps each as it is finished."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.study.experiment import Experiment, Row, Together, values
from headwater.study.kept import kept
from headwater.trials import gather

Work = tuple[Callable[[Any], Sequence[Row]], Together[Any] | None]
"""What measures a point, and what measures several."""
Progress = Callable[["SoFar"], None]


@dataclass(frozen=True)
class Failure:
    """A point that could not be measured, and why."""

    point: Row
    error: str


@dataclass(frozen=True)
class Ran:
    """What came of the points of an experiment, in the order of its points.

    Attributes:
        rows: of the points that were measured.
        failures: the others.
        points: how many there are.
        found: how many were measured before and not again.
    """

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    points: int
    found: int


@dataclass(frozen=True)
class SoFar:
    """How far a run is.

    Attributes:
        done, points: of this experiment, with those that were found.
        spent: seconds since the first point of this run began.
        left: seconds that the others take if they cost as declared; ``None`` before the first is done.
    """

    done: int
    points: int
    spent: float
    left: float | None


@dataclass(frozen=True)
class Task:
    """Points that are measured in one go, most often one, and their places among all."""

    places: tuple[int, ...]
    points: tuple[Any, ...]


def run(
    experiment: Experiment[Any],
    engine: Executor,
    folder: Path,
    *,
    quick: bool,
    seeds: int,
    ahead: int | None = None,
    progress: Progress | None = None,
) -> Ran:
    """Measures what is not measured yet.

    Interrupted at any moment, it loses the points that were on their way and no other.

    Args:
        experiment: what is measured.
        engine: where.
        folder: where the rows of finished points are kept.
        quick: whether a smaller grid is wanted.
        seeds: from which each kind of point is measured.
        ahead: tasks that are with the engine at a time; ``None``: all.
        progress: called when points are done.
    """
    points = tuple(experiment.points(quick, seeds))
    store = kept(experiment, folder)
    rows = {place: found for place, point in enumerate(points) if (found := store.get(point)) is not None}
    found, errors = len(rows), dict[int, str]()
    tasks = plan(experiment, {place: point for place, point in enumerate(points) if place not in rows})
    tell = _teller(experiment, tasks, len(points), found, progress)
    work = (experiment.measure, experiment.together)
    for task, outcomes in gather(engine, _measured, work, tasks, _lost, ahead):
        for place, point, outcome in zip(task.places, task.points, outcomes, strict=True):
            if isinstance(outcome, str):
                errors[place] = outcome
            else:
                rows[place] = [{**values(point), **row} for row in outcome]
                store.put(point, rows[place])
        tell(task)
    failures = tuple(Failure(values(points[place]), errors[place]) for place in sorted(errors))
    measured = tuple(_there(row) for place in sorted(rows) for row in rows[place])
    return Ran(measured, failures, len(points), found)


def _there(row: Row) -> Row:
    """A row without what is ``None``: that is missing, as it is once a table was written and read."""
    return {name: value for name, value in row.items() if value is not None}


def plan(experiment: Experiment[Any], points: Mapping[int, Any]) -> list[Task]:
    """Shares the points out into tasks, the longest first: a short one at the end leaves no worker idle for long."""
    groups = [[place] for place in points] if experiment.together is None else _grouped(experiment.together, points)
    tasks = [Task(tuple(group), tuple(points[place] for place in group)) for group in groups]
    return sorted(tasks, key=lambda task: _cost(experiment, task), reverse=True)


def _grouped(together: Together[Any], points: Mapping[int, Any]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for place, point in points.items():
        alike = tuple(item for item in values(point).items() if item[0] not in together.differ)
        groups.setdefault(alike, []).append(place)
    return [part for group in groups.values() for part in _parts(group, together.most)]


def _parts(group: list[int], most: int) -> list[list[int]]:
    """As few parts as hold no more than `most`, as equal as can be."""
    count = math.ceil(len(group) / most)
    return [group[i * len(group) // count : (i + 1) * len(group) // count] for i in range(count)]


def _cost(experiment: Experiment[Any], task: Task) -> float:
    cost = experiment.cost
    return sum(1.0 if cost is None else cost(point) for point in task.points)


def _measured(work: Work, task: Task) -> list[list[Row] | str]:
    """What runs in a worker: the rows of each point, or what went wrong with it."""
    measure, together = work
    if together is None or len(task.points) == 1:
        return [_one(measure, point) for point in task.points]
    try:
        return [list(rows) for rows in together.measure(task.points)]
    except Exception:  # one of them may be at fault: it is found one by one
        return [_one(measure, point) for point in task.points]


def _one(measure: Callable[[Any], Sequence[Row]], point: Any) -> list[Row] | str:
    try:
        return [dict(row) for row in measure(point)]
    except Exception as error:  # whatever an experiment's code raises is this point's result, and the others go on
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})"


def _lost(task: Task, why: str) -> list[list[Row] | str]:
    return [why for _ in task.points]


def _teller(
    experiment: Experiment[Any], tasks: Sequence[Task], points: int, found: int, progress: Progress | None
) -> Callable[[Task], None]:
    """Counts what is done, and estimates what is left from the cost that is left and the time that a cost took.

    That time is counted from the first task that was done, since workers start before it.
    """
    total, done, cost_done, began = sum(_cost(experiment, task) for task in tasks), found, 0.0, time.monotonic()
    first: list[float] = []

    def tell(task: Task) -> None:
        nonlocal done, cost_done
        done, cost_done, now = done + len(task.points), cost_done + _cost(experiment, task), time.monotonic()
        first.extend(() if first else (now, cost_done))
        since, cost = (now - first[0], cost_done - first[1]) if cost_done > first[1] else (now - began, cost_done)
        if progress is not None:
            progress(SoFar(done, points, now - began, since / cost * (total - cost_done) if cost else None))

    if progress is not None:
        progress(SoFar(found, points, 0.0, None if tasks else 0.0))
    return tell
