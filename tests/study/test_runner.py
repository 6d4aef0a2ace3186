"""What is finished is kept, whatever happens to the rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.study.runner import SoFar, plan, run
from headwater.trials.engines import Inline
from tests.study.small import TOGETHER, Point, small, times


class Interrupted(Executor):
    """Ctrl-C comes after some tasks."""

    def __init__(self, after: int) -> None:
        self.left = after

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return Inline().submit(fn, *args, **kwargs)


class Mortal(Executor):
    """Some points kill their worker; tests/trials/test_engines.py kills real ones."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if any(point.x == -2 for point in args[1].points):
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor())
            return future
        return Inline().submit(fn, *args, **kwargs)


def failing(folder: Path, x: int) -> Callable[[bool, int], list[Point]]:
    return lambda quick, seeds: [Point("bent", each, 0, str(folder)) for each in (1, x, 2, 3)]


def test_the_rows_carry_the_fields_of_their_point_in_the_order_of_the_points(tmp_path):
    ran = run(small(tmp_path / "log"), Inline(), tmp_path / "kept", quick=True, seeds=2)
    assert (ran.points, ran.found, ran.failures) == (16, 0, ())
    values = [row for row in ran.rows if row["part"] == "value"]
    assert [(row["kind"], row["x"], row["seed"], row["y"]) for row in values[-3:]] == [
        ("bent", 3, 1, pytest.approx(9.1)),
        ("bent", 4, 0, 16.0),
        ("bent", 4, 1, pytest.approx(16.1)),
    ]


def test_a_value_that_is_none_is_missing_whether_it_was_measured_now_or_before(tmp_path):
    experiment = small(tmp_path / "log", measure=nothing)
    for _ in range(2):
        ran = run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1)
        assert all(set(row) == {"kind", "x", "seed", "folder", "part"} for row in ran.rows)


def nothing(point: Point) -> list[dict[str, Any]]:
    return [{"part": "value", "y": None}]


def test_what_was_measured_is_not_measured_again_and_a_larger_grid_goes_on(tmp_path):
    experiment = small(tmp_path / "log")
    first = run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1)
    again = run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1)
    assert times(tmp_path / "log") == 8
    assert (again.found, again.rows) == (8, first.rows)
    more = run(experiment, Inline(), tmp_path / "kept", quick=False, seeds=1)
    assert (more.points, more.found, times(tmp_path / "log")) == (16, 8, 16)


def test_after_ctrl_c_it_goes_on_where_it_was(tmp_path):
    experiment = small(tmp_path / "log")
    with pytest.raises(KeyboardInterrupt):
        run(experiment, Interrupted(5), tmp_path / "kept", quick=True, seeds=1, ahead=1)
    assert times(tmp_path / "log") == 5
    ran = run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1)
    assert (ran.found, ran.points, times(tmp_path / "log")) == (5, 8, 8)


def test_a_file_that_is_damaged_is_measured_again(tmp_path):
    experiment = small(tmp_path / "log")
    run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1)
    next((tmp_path / "kept" / "small").iterdir()).write_bytes(b"\xc1 no rows")
    assert run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1).found == 7


def test_a_point_that_raises_is_told_and_the_others_are_measured(tmp_path):
    experiment = small(tmp_path / "log", points=failing(tmp_path / "log", -1))
    ran = run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1)
    assert [failure.point["x"] for failure in ran.failures] == [-1]
    assert ran.failures[0].error.startswith("ValueError: the kiln is cold (small.py, line ")
    assert {row["x"] for row in ran.rows} == {1, 2, 3}
    assert run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1).found == 3  # it is tried again


def test_a_point_that_kills_its_worker_each_time_is_told_and_the_others_are_measured(tmp_path):
    experiment = small(tmp_path / "log", points=failing(tmp_path / "log", -2))
    ran = run(experiment, Mortal(), tmp_path / "kept", quick=True, seeds=1, ahead=2)
    assert [failure.point["x"] for failure in ran.failures] == [-2]
    assert "died each time" in ran.failures[0].error
    assert {row["x"] for row in ran.rows} == {1, 2, 3}


def test_points_that_are_alike_are_measured_together_and_one_at_fault_takes_none_along(tmp_path):
    together = small(tmp_path / "log", together=TOGETHER)
    ran = run(together, Inline(), tmp_path / "kept", quick=True, seeds=1)
    values = [row for row in ran.rows if row["part"] == "value"]
    assert [row.get("with") for row in values] == [2] * 8
    bad = replace(together, points=failing(tmp_path / "log", -1))
    ran = run(bad, Inline(), tmp_path / "other", quick=True, seeds=1)
    assert [failure.point["x"] for failure in ran.failures] == [-1]
    assert {row["x"] for row in ran.rows} == {1, 2, 3}


def test_the_longest_tasks_come_first(tmp_path):
    experiment = small(tmp_path / "log", cost=lambda point: float(point.x))
    tasks = plan(experiment, dict(enumerate(experiment.points(True, 1))))
    assert [task.points[0].x for task in tasks] == [4, 4, 3, 3, 2, 2, 1, 1]
    grouped = plan(replace(experiment, together=TOGETHER), dict(enumerate(experiment.points(True, 1))))
    assert [[point.x for point in task.points] for task in grouped] == [[3, 4], [3, 4], [1, 2], [1, 2]]


def test_progress_counts_points_and_tells_the_time_that_is_left_by_the_cost(tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("headwater.study.runner.time.monotonic", lambda: float(next(clock)))
    told: list[SoFar] = []
    experiment = small(tmp_path / "log", cost=lambda point: float(point.x))
    run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=1, ahead=1, progress=told.append)
    assert [far.done for far in told] == list(range(9))
    assert told[0].left is None and told[-1].left == 0.0
    assert told[1].left == pytest.approx(1.0 * (20 - 4) / 4)  # a second for a cost of four; sixteen are left
