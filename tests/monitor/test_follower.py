"""While somebody looks at a run its rows reach the disk at once; else no thread runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import headwater
from headwater.monitor import follower
from headwater.monitor.follower import Follower
from headwater.store import open_run
from headwater.store.following import NAME, follow
from tests.store.test_writer import rows, writer


def until(true: Callable[[], bool]) -> None:
    """Waits for something that happens in a thread."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads() -> int:
    return sum(each.name == "headwater-follower" for each in threading.enumerate())


def call(write: Callable[[], None]) -> bool:
    write()
    return True


def test_the_thread_lives_while_somebody_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "LOOK", 0.0)
    one = writer(tmp_path / "x")
    looks = Follower(one, call)
    one.append(rows(0, 3))
    looks.look()
    assert not looks.active and open_run(tmp_path / "x").last_step() is None
    follow(tmp_path / "x")
    looks.look()
    assert looks.active
    until(lambda: open_run(tmp_path / "x").last_step() == 2)
    one.append(rows(3, 3))
    until(lambda: open_run(tmp_path / "x").last_step() == 5)
    past = time.time() - 60
    os.utime(tmp_path / "x" / NAME, (past, past))
    until(lambda: not looks.active)
    follow(tmp_path / "x")
    looks.look()
    assert looks.active and threads() == 1
    looks.close()
    assert not looks.active and threads() == 0


def test_a_run_elsewhere_has_no_followers() -> None:
    looks = Follower(writer("memory://followed/x"), call)
    looks.look()
    assert not looks.active


def test_a_training_that_is_followed_is_bit_for_bit_the_same_and_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "LOOK", 0.0)

    def train(folder: Path | None) -> torch.nn.Module:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters())
        watched = headwater.watch(model, optimizer, run_dir=folder) if folder is not None else None
        for step in range(120):
            if folder is not None and step == 10:
                follow(folder)
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            if watched is not None:
                time.sleep(0.005)
        if watched is not None:
            assert threads() == 1
            watched.close()
        return model

    followed, alone = train(tmp_path / "x"), train(None)
    assert all(torch.equal(a, b) for a, b in zip(followed.parameters(), alone.parameters(), strict=True))
    run = open_run(tmp_path / "x")
    assert threads() == 0 and run.info.status == "finished" and run.notes == []
    steps = [row["step"] for row in run.table(["step", "parameter"], layer="").to_pylist() if row["parameter"] is None]
    assert steps == sorted(set(steps)) and steps[:5] == [0, 1, 2, 3, 4]
