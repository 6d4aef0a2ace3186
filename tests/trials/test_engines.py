"""Trials on every engine end alike, also where a worker is killed in the middle of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headwater.errors import InputError
from headwater.records import TrialResult
from headwater.script import Target
from headwater.trials import Trial, executor
from headwater.trials.engines import Inline, Processes
from headwater.trials.gather import gather
from headwater.trials.script import ScriptWorkload, observe
from headwater.trials.servers import end_servers
from headwater.trials.worker import packed, train
from tests.trials.small import workload

MORTAL = """
import os, signal
from pathlib import Path
import torch
from torch import nn

def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

def kill_worker():
    pid = os.getpid()
    while "headwater.script_trial" in Path(f"/proc/{pid}/cmdline").read_text():
        pid = parent(pid)
    os.kill(pid, signal.SIGKILL)

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(20):
    inputs = torch.randn(32, 8)
    loss = nn.functional.mse_loss(model(inputs), inputs[:, :1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 5 and Path("SENTENCE").exists():
        Path("SENTENCE").unlink(missing_ok=True)
        kill_worker()
"""
"""A script that kills the worker that runs it, where a file says so."""
TRIALS = tuple(Trial(("match-shapes",), seed, 12) for seed in range(4))


def mortal(folder: Path, deaths: int = 1) -> Callable[[nn.Module, tuple[Tensor, Tensor]], Tensor]:
    """A step that kills its process at its fifth call, as often as is said; the files are what outlives it."""
    parent, calls = os.getpid(), [0]

    def step(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        calls[0] += 1
        grave = folder / f"{len(list(folder.iterdir()))}"
        if calls[0] == 5 and os.getpid() != parent and int(grave.name) < deaths:
            grave.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return ((model(batch[0]) - batch[1]) ** 2).mean()

    return step


def outcomes(engine: Executor, step: Any = None) -> tuple[Sequence[tuple[float, ...]], list[str | None]]:
    work = packed(workload(loss_fn=None, step=step) if step else workload())
    found = dict(gather(engine, train, work, TRIALS, failed))
    return [found[each].losses for each in TRIALS], [found[each].error for each in TRIALS]


def failed(trial: Trial, why: str) -> TrialResult:
    return TrialResult(trial.remedies, trial.seed, trial.steps, error=why)


def expected() -> tuple[Sequence[tuple[float, ...]], list[str | None]]:
    return outcomes(Inline())


def test_an_executor_of_the_users_is_used_and_left_open():
    with ThreadPoolExecutor(2) as own, executor(own) as given:
        assert given is own
        assert outcomes(given) == expected()
        assert own.submit(int, "3").result() == 3


def test_inline_an_exception_comes_with_its_task_and_ctrl_c_at_once():
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert Inline().submit(pow, 2, 3).result() == 8
    assert isinstance(Inline().submit(pow, 0, -1).exception(), ZeroDivisionError)
    with pytest.raises(KeyboardInterrupt):
        Inline().submit(interrupted)


def test_processes():
    with executor("local", workers=2) as engine:
        assert outcomes(engine) == expected()
        assert engine.submit(torch.get_num_threads).result() == 1


def test_processes_of_which_one_is_killed_in_the_middle_of_a_trial(tmp_path: Path):
    with executor("local", workers=2) as engine:
        assert outcomes(engine, mortal(tmp_path)) == expected()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_trial_that_kills_its_process_each_time_is_given_up_and_the_others_are_not(tmp_path: Path):
    with executor("local", workers=1) as engine:
        losses, errors = outcomes(engine, mortal(tmp_path, deaths=3))
    assert losses[1:] == expected()[0][1:]
    assert errors[1:] == [None] * 3 and "died each time" in str(errors[0])


def test_no_process_is_left_behind():
    engine = Processes(1)
    worker = engine.submit(os.getpid).result()
    engine.shutdown()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


@pytest.fixture(scope="module")
def ray():
    pytest.importorskip("ray")
    with executor("ray", workers=2) as engine:
        yield engine


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_ray(ray: Executor):
    assert outcomes(ray) == expected()


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_ray_with_a_worker_that_is_killed_in_the_middle_of_a_trial(ray: Executor, tmp_path: Path):
    assert outcomes(ray, mortal(tmp_path)) == expected()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture(scope="module")
def dask():
    pytest.importorskip("distributed")
    with executor("dask", workers=2) as engine:
        yield engine


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_dask(dask: Executor):
    assert outcomes(dask) == expected()


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_dask_with_a_worker_that_is_killed_in_the_middle_of_a_trial(dask: Executor, tmp_path: Path):
    assert outcomes(dask, mortal(tmp_path)) == expected()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["ray", "dask"])
def test_a_script_on_a_cluster_with_a_worker_that_is_killed_in_the_middle_of_it(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
):
    engine: Executor = request.getfixturevalue(name)
    sentence, project, target = tmp_path / "sentence", tmp_path / "project", Target("train.py")
    project.mkdir()
    (project / "train.py").write_text(MORTAL.replace("SENTENCE", str(sentence)))
    work = packed(ScriptWorkload(target, str(project), observe(target, str(project), 20)))
    trials = [Trial((), seed, 12) for seed in range(2)]
    alone = dict(gather(Inline(), train, work, trials, failed))
    sentence.touch()
    found = dict(gather(engine, train, work, trials, failed))
    assert not sentence.exists()  # it was executed
    assert [found[each].error for each in trials] == [None, None]
    assert [found[each].losses for each in trials] == [alone[each].losses for each in trials]
    end_servers()


def test_a_pool_of_the_standard_library_whose_worker_died_is_told(tmp_path: Path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(InputError) as caught:
        outcomes(pool, mortal(tmp_path))
    assert "A worker of the ProcessPoolExecutor died" in str(caught.value) and "engine='local'" in str(caught.value)


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["WorkerCrashedError", "NodeDiedError", "ObjectLostError", "OutOfMemoryError"])
def test_what_ray_raises_for_a_lost_task_is_a_death(name: str):
    kind = getattr(pytest.importorskip("ray.exceptions"), name)
    asked: list[int] = []

    def task(_: None, argument: int) -> str:
        asked.append(argument)
        raise kind.__new__(kind)

    assert dict(gather(Inline(), task, None, [1], lambda each, why: why))[1].startswith("its process died each time")
    assert asked == [1, 1, 1]


def test_what_a_process_of_the_tasks_own_took_along_is_done_again_alone():
    asked: list[int] = []

    def task(deaths: dict[int, int], argument: int) -> str:
        asked.append(argument)
        deaths[argument] -= 1
        return "died" if deaths[argument] >= 0 else "done"

    found = gather(Inline(), task, {1: 1, 2: 0, 3: 9}, [1, 2, 3], lambda each, why: why, died="died".__eq__)
    assert dict(found) == {1: "done", 2: "done", 3: "died"}
    assert asked == [1, 2, 3, 1, 3, 3]
