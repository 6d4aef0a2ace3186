"""The disk fills, or becomes read-only, under a live training: it goes on, and what was flushed can be read."""

from __future__ import annotations

import builtins
import errno
import json
import logging
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import headwater
from headwater.errors import StoreError
from headwater.records import KEYS
from headwater.store import RunWriter, StoredRun, open_run
from headwater.store.files import Files
from tests.monitor.training import assert_as_found, assert_equal, batch, mlp, seeded, state

STEPS, BROKEN = 60, 40
"""Steps of a training, and the one before which its disk breaks."""
ROOT = Path(__file__).parents[2]


def train(folder: Path | None, before_step: Callable[[int], None] = lambda _: None) -> tuple[Any, Any]:
    """Trains, under watch and recorded if there is a folder; returns what is left behind, and what watched."""
    with seeded():
        model = mlp()
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        watched = headwater.watch(model, optimizer, run_dir=folder, budget=math.inf) if folder is not None else None
        for step in range(STEPS):
            before_step(step)
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        if watched is not None:
            watched.close()
        return state(model, optimizer), watched


def flush_each(patch: pytest.MonkeyPatch) -> None:
    """Has each probe's rows written at once."""
    patch.setitem(RunWriter.__init__.__kwdefaults__, "flush_rows", 1)  # type: ignore[arg-type]


def fail_below(folder: Path, patch: pytest.MonkeyPatch, code: int) -> None:
    """Has the system refuse to write below a folder, as a full or read-only disk does: reading goes on."""
    really = builtins.open

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if isinstance(file, str | Path) and Path(file).is_relative_to(folder) and set(mode) & set("wax+"):
            raise OSError(code, os.strerror(code), str(file))
        return really(file, mode, *args, **options)

    patch.setattr(builtins, "open", opened)


def rows(run: StoredRun) -> list[Any]:
    """All rows of a run, in an order that does not depend on when figures were handed over: they are, by the clock."""
    keys = (*KEYS, "probe")
    return sorted(run.table().to_pylist(), key=lambda row: [(row[key] is not None, row[key]) for key in keys])


def warnings_of(records: list[logging.LogRecord]) -> list[str]:
    """Warnings of Headwater's, findings left out."""
    ours = (r for r in records if r.name == "headwater" and r.levelno >= logging.WARNING)
    return [r.getMessage() for r in ours if "HW" not in r.getMessage()]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=errno.errorcode.get)
def test_a_disk_that_fails_ends_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    plain, _ = train(None)
    flush_each(monkeypatch)
    flushed: list[Any] = []

    def before_step(step: int) -> None:
        if step == BROKEN:
            flushed.extend(open_run(tmp_path / "run").table().to_pylist())
            fail_below(tmp_path, monkeypatch, code)

    left, watched = train(tmp_path / "run", before_step)
    monkeypatch.undo()
    assert_equal(plain, left)
    assert_as_found()
    (warning,) = warnings_of(caplog.records)
    assert "waits in memory" in warning and os.strerror(code) in warning
    assert watched.monitor.fault is None and watched.monitor.tracks[0].steps == STEPS
    assert watched.report().measurement.judged_steps[-1] == STEPS - 1  # it watched on
    run = open_run(tmp_path / "run")
    assert run.table().to_pylist() == flushed and run.last_step() == BROKEN - 1
    assert run.report_text() is None or json.loads(run.report_text() or "")
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_disk_that_fails_for_a_while_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "whole")
    monkeypatch.setattr("headwater.monitor.recorder.RETRY_SECONDS", 0.0)
    monkeypatch.setitem(RunWriter.__init__.__kwdefaults__, "flush_seconds", 0.0)  # type: ignore[arg-type]
    failed: list[int] = []
    with monkeypatch.context() as broken:

        def before_step(step: int) -> None:
            if step == 10:
                fail_below(tmp_path / "run", broken, errno.ENOSPC)
            if step == BROKEN:
                failed.append(open_run(tmp_path / "run").last_step() or 0)
                broken.undo()
            if step == BROKEN + 5:
                failed.append(open_run(tmp_path / "run").last_step() or 0)

        train(tmp_path / "run", before_step)
    whole, run = open_run(tmp_path / "whole"), open_run(tmp_path / "run")
    assert failed[0] < 10 and failed[1] > BROKEN  # it is written again while the training goes on
    assert len(warnings_of(caplog.records)) == 1
    assert rows(run) == rows(whole)
    assert (run.info.status, run.info.steps) == ("finished", STEPS)
    found = [[(each.event, each.step, each.finding.code) for each in each_run.events()] for each_run in (whole, run)]
    assert found[0] == found[1] and run.report_text() == whole.report_text()


@pytest.mark.parametrize("fails", [1, 100], ids=["once", "always"])
def test_a_run_is_closed_also_when_its_rows_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    left = [0]
    really = Files.write

    def write(self: Files, name: str, data: bytes) -> None:
        if name.startswith("segments") and left[0]:
            left[0] -= 1
            raise StoreError("The disk is full for a moment.")
        really(self, name, data)

    monkeypatch.setattr(Files, "write", write)

    def before_step(step: int) -> None:
        if step == STEPS - 1:
            left[0] = fails

    train(tmp_path / "run", before_step)
    run = open_run(tmp_path / "run")
    assert left[0] < fails and run.info.status == "finished" and run.info.steps == STEPS
    assert (run.last_step() == STEPS - 1) is (fails == 1)


CHILD = """
import json, logging, subprocess, sys
from pathlib import Path
import pytest
from headwater.store import open_run
from tests.monitor import test_failing_disk as t

folder, what = Path(sys.argv[1]), sys.argv[2]
size = "96k" if what == "full" else "16m"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "none", folder], check=True)
records = []
handler = logging.Handler()
handler.emit = records.append
logging.getLogger("headwater").addHandler(handler)

def before_step(step):
    if what == "read-only" and step == t.BROKEN:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)

plain, _ = t.train(None)
with pytest.MonkeyPatch.context() as patch:
    t.flush_each(patch)
    left, watched = t.train(folder / "run", before_step)
t.assert_equal(plain, left)
run = open_run(folder / "run")
steps = sorted(set(run.table(["step"], layer="0")["step"].to_pylist()))
told = {"steps": steps, "notes": run.notes, "warnings": t.warnings_of(records), "seen": watched.monitor.tracks[0].steps}
print(json.dumps(told))
"""


@pytest.mark.parametrize(("what", "said"), [("full", errno.ENOSPC), ("read-only", errno.EROFS)])
def test_a_real_disk_that_fails(tmp_path: Path, what: str, said: int) -> None:
    inside = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = [*inside, "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*inside, sys.executable, "-c", CHILD, str(tmp_path), what]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    (warning,) = told["warnings"]
    assert "waits in memory" in warning and os.strerror(said) in warning
    assert told["seen"] == STEPS and told["notes"] == []
    last = told["steps"][-1]
    assert told["steps"] == list(range(last + 1))  # all that came before, and no more
    assert last == BROKEN - 1 if what == "read-only" else 4 <= last < STEPS - 1
