from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import StoreError
from headwater.records import TrialResult
from headwater.trials import Cache, Trial, search
from headwater.trials.engines import Inline
from headwater.trials.gather import gather
from headwater.trials.worker import packed, train
from tests.trials.small import workload


def test_a_result_comes_back_as_it_was(tmp_path: Path):
    cache, trial = Cache(tmp_path / "trials", "a"), Trial(("match-shapes",), 0, 5, profile=True)
    result = workload().run(trial)
    assert cache.get(trial) is None
    cache.put(trial, result)
    assert cache.get(trial) == result


def test_one_that_was_lost_does_too(tmp_path: Path):
    cache, trial = Cache(tmp_path, "a"), Trial(("match-shapes",), 0, 5)
    lost = replace(workload().run(trial), losses=(1.0, float("inf")), error="gone")
    cache.put(trial, lost)
    assert cache.get(trial) == lost
    cache.put(Trial((), 0, 5), replace(lost, remedies=()))  # the original may not fail another time
    assert cache.get(Trial((), 0, 5)) is None


class Dead(Executor):
    """Its workers die, whatever they do."""

    def submit(self, fn: Callable[..., Any], /, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_what_its_process_took_along_is_tried_again(tmp_path: Path):
    cache, trial = Cache(tmp_path, "a"), Trial((), 0, 5)
    (pair,) = gather(Dead(), train, packed(workload()), [trial], lambda each, why: TrialResult((), 0, 5, error=why))
    assert pair[1].error is not None and pair[1].error.startswith("its process died each time")
    cache.put(*pair)
    assert cache.get(trial) is None


def test_another_trial_or_another_workload_is_not_found(tmp_path: Path):
    trial = Trial((), 0, 5)
    Cache(tmp_path, "a").put(trial, workload().run(trial))
    assert Cache(tmp_path, "b").get(trial) is None
    for other in (Trial((), 1, 5), Trial((), 0, 6), Trial((), 0, 5, control=True), Trial((), 0, 5, horizon=10)):
        assert Cache(tmp_path, "a").get(other) is None


def test_a_damaged_file_is_no_result(tmp_path: Path):
    cache, trial = Cache(tmp_path, "a"), Trial((), 0, 5)
    cache.put(trial, workload().run(trial))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert cache.get(trial) is None


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path):
    (tmp_path / "trials").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        Cache(tmp_path / "trials", "a").put(Trial((), 0, 5), workload().run(Trial((), 0, 5)))


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path):
    work, cache = workload(), Cache(tmp_path, "a")

    class StoppedError(Exception):
        pass

    def stop(so_far: object) -> None:
        if len(list(tmp_path.glob("*"))) == 12:
            raise StoppedError

    def found(progress: object = None, kept: Cache | None = cache):  # type: ignore[no-untyped-def]
        return search(
            work,
            work.measurement,
            work.findings,
            steps=80,
            seeds=3,
            executor=Inline(),
            progress=progress,  # type: ignore[arg-type]
            cache=kept,
        )

    with pytest.raises(StoppedError):
        found(stop)
    again, straight = found(), found(kept=None)
    assert again.steps_spent < straight.steps_spent
    assert again.best is not None and straight.best is not None
    assert again.best.remedies == straight.best.remedies
    assert [t.losses for t in again.best.trials] == [t.losses for t in straight.best.trials]
    assert found().steps_spent < again.steps_spent  # a look at each candidate
    refused = [each for each in straight.candidates if each.standing == "refused"]
    assert refused and not any(each.why.startswith(each.remedies[0]) for each in refused)  # its key is its name
