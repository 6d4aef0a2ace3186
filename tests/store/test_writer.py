from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pytest

from headwater.errors import StoreError
from headwater.records import FLAGS, KEYS, STATISTICS, Finding, RunInfo, Where
from headwater.store import RunWriter, free_name, list_runs, open_run, prune
from headwater.store.files import Files

INFO = RunInfo(name="", schema_version=0)
FINDING = Finding("HW101", "vanishing-gradient", "error", Where("net.0"), "It vanishes.", "Because.", {"share": 1e-9})


def rows(first: int, count: int, layer: str = "") -> dict[str, list[Any]]:
    steps = list(range(first, first + count))
    return {"step": steps, "layer": [layer] * count, "loss": [1.0 / (1 + step) for step in steps]}


def writer(folder: Path | str, **options: Any) -> RunWriter:
    return RunWriter(folder, INFO, **options)


def test_a_name_of_a_file_that_is_no_unicode_is_told_as_far_as_it_is_one(tmp_path: Path) -> None:
    name = "caf\udce9.py"
    one = RunWriter(tmp_path / "x", replace(INFO, command=(name, "--fast")))
    one.finding("raised", 2, "2026-01-01T00:00:00+00:00", replace(FINDING, where=Where("net.0", file=name, line=3)))
    one.trial("t-1", {"file": name})
    one.sources({name: "import torch\n"})
    one.close()
    run = open_run(tmp_path / "x")
    assert run.info.command == ("caf?.py", "--fast") and run.trials() == {"t-1": {"file": "caf?.py"}}
    assert run.events()[0].finding.where.file == "caf?.py"


@pytest.mark.parametrize("times", [1, 3])
def test_columns_may_be_arrays(tmp_path: Path, times: int) -> None:
    one = writer(tmp_path / "x")
    for first in range(times):
        one.append({"step": np.arange(2) + 2 * first, "layer": ["", ""], "loss": np.array([0.0, 0.5])})
    one.append({"step": [9], "layer": ["net.0"], "gain": [0.25]})
    one.close()
    found = open_run(tmp_path / "x").table(["loss", "gain"])
    assert found["loss"].to_pylist() == [0.0, 0.5] * times + [None]
    assert found["gain"].to_pylist() == [None, None] * times + [0.25]


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    one = writer(tmp_path / "x")
    one.append(rows(0, 3))
    one.append(rows(0, 3, "net.0") | {"gain": [0.5, None, 0.25], "probe": [True, False, True]})
    one.finding("raised", 2, "2026-01-01T00:00:00+00:00", FINDING)
    one.report('{"a": 1}')
    one.trial("t-1", {"loss": 0.5})
    one.close(steps=3)
    run = open_run(tmp_path / "x")
    assert (run.info.status, run.info.steps, run.info.name) == ("finished", 3, "x")
    assert run.notes == [] and run.last_step() == 2
    assert run.table(["gain"], layer="net.0")["gain"].to_pylist() == [0.5, None, 0.25]
    assert run.table(["step"], layer="", first_step=1, last_step=1)["step"].to_pylist() == [1]
    assert [(each.event, each.step, each.finding) for each in run.events()] == [("raised", 2, FINDING)]
    assert run.report_text() == '{"a": 1}' and run.trials() == {"t-1": {"loss": 0.5}}


def test_every_column_has_a_definition_and_plain_types(tmp_path: Path) -> None:
    one = writer(tmp_path / "x")
    one.append(rows(0, 1))
    one.close()
    table = open_run(tmp_path / "x").table()
    assert table.column_names == [*KEYS, *STATISTICS, *FLAGS]
    assert {str(kind) for kind in table.schema.types} == {"int64", "string", "double", "bool"}


def test_others_read_it_without_headwater(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    for rank in (0, 1):
        one = writer(tmp_path / "x", rank=rank, flush_rows=1)
        one.append(rows(10 * rank, 5))
        one.append(rows(10 * rank + 5, 5))
    folder = tmp_path / "x" / "segments"
    assert len(list(folder.iterdir())) == 4
    assert sorted(pandas.read_parquet(folder)["step"]) == list(range(20))
    assert polars.read_parquet(folder / "*.parquet")["step"].sum() == 190
    found = duckdb.sql(f"select count(*), max(rank) from '{folder}/*.parquet' where loss < 0.5").fetchall()
    assert found == [(18, 1)]


def test_a_closed_run_has_one_segment(tmp_path: Path) -> None:
    one = writer(tmp_path / "x", flush_rows=1)
    for step in range(5):
        one.append(rows(step, 1))
    one.close()
    assert [each.name for each in (tmp_path / "x" / "segments").iterdir()] == ["rank0-00000001-00000005.parquet"]
    assert open_run(tmp_path / "x").table(["step"])["step"].to_pylist() == list(range(5))


def test_a_death_between_joining_and_deleting_leaves_nothing_twice(tmp_path: Path, monkeypatch: Any) -> None:
    one = writer(tmp_path / "x", flush_rows=1)
    for step in range(4):
        one.append(rows(step, 1))
    monkeypatch.setattr(Files, "delete", lambda self, name: None)
    one.close()
    assert len(list((tmp_path / "x" / "segments").iterdir())) == 5
    assert open_run(tmp_path / "x").table(["step"])["step"].to_pylist() == list(range(4))


def test_too_large_a_run_is_thinned_from_its_beginning_and_keeps_probes(tmp_path: Path) -> None:
    one = writer(tmp_path / "x", flush_rows=1, max_bytes=20_000)
    for block in range(40):
        columns = rows(100 * block, 100) | {"probe": [step % 50 == 7 for step in range(100)]}
        one.append(columns)
    one.close()
    run = open_run(tmp_path / "x")
    steps = run.table(["step", "probe"])
    kept = set(steps["step"].to_pylist())
    assert run.info.thinned > 1 and any("grew too large" in note for note in run.notes)
    assert {100 * block + 57 for block in range(40)} <= kept
    assert len([step for step in kept if step < 1000]) < len([step for step in kept if step >= 3000])
    size = sum(path.stat().st_size for path in (tmp_path / "x" / "segments").iterdir())
    assert size <= 20_000


@pytest.mark.parametrize("scheme", ["file://{}/x", "memory://headwater-test/x"])
def test_urls_work_as_paths_do(tmp_path: Path, scheme: str) -> None:
    url = scheme.format(tmp_path)
    one = writer(url, flush_rows=1)
    one.append(rows(0, 2))
    one.finding("raised", 0, "now", FINDING)
    one.finding("healed", 1, "now", FINDING)
    one.close()
    run = open_run(url)
    assert run.last_step() == 1 and len(run.events()) == 2
    assert list_runs(url.rpartition("/")[0]) == ["x"]
    prune(url.rpartition("/")[0], keep=0)
    assert list_runs(url.rpartition("/")[0]) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    writer(tmp_path / "x").close()
    with pytest.raises(StoreError, match="already"):
        writer(tmp_path / "x")
    assert free_name(tmp_path, "x") == "x-2"
    assert free_name(tmp_path, "y") == "y"
    with pytest.raises(StoreError, match="name"):
        writer(tmp_path / "z").trial("../../evil", {})


OPERATIONS = ["open", "os.fsync", "os.replace"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failing_disk_is_told_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, code: int
) -> None:
    one = writer(tmp_path / "x", flush_rows=1)
    one.append(rows(0, 1))

    def fail(*_args: Any, **_options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        target = "builtins.open" if operation == "open" else operation
        patch.setattr(target, fail)
        with pytest.raises(StoreError, match=os.strerror(code)):
            one.append(rows(1, 1))
        with pytest.raises(StoreError):
            one.finding("raised", 1, "now", FINDING) if operation != "os.replace" else one.report("{}")
    one.append(rows(2, 1))
    one.close()
    run = open_run(tmp_path / "x")
    assert run.table(["step"])["step"].to_pylist() == [0, 1, 2]
    assert not list((tmp_path / "x").rglob("*.tmp"))


def test_a_read_only_folder_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Files, folder: str = "") -> None:
        with self._saying("make the folder", folder):
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Files, "make", refuse)
    with pytest.raises(StoreError, match=r"could not make the folder .*segments: Permission denied"):
        writer(tmp_path / "x")


def test_pruning_takes_the_oldest_that_ended_and_never_a_running_one(tmp_path: Path) -> None:
    for i, status in enumerate(["finished", "running", "crashed", "finished"]):
        one = RunWriter(
            tmp_path / f"r{i}", RunInfo("", 0, started=f"2026-01-0{i + 1}T00:00:00+00:00", process=os.getpid())
        )
        if status != "running":
            one.close(status)  # type: ignore[arg-type]
    assert prune(tmp_path, keep=1) == ["r2", "r0"]
    assert list_runs(tmp_path) == ["r1", "r3"]
    assert json.loads((tmp_path / "r1" / "run.json").read_text())["status"] == "running"
