from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.errors import HeadwaterError, StoreError
from headwater.records import RunInfo
from headwater.store import RunWriter, migrations, open_run, prune
from headwater.store.segments import Segment, valid
from tests.store.test_writer import rows, writer


def run_at(folder: Path) -> Path:
    one = writer(folder, flush_rows=1)
    one.append(rows(0, 3))
    one.append(rows(3, 3))
    return folder


def test_a_torn_segment_is_left_out_and_said(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "x")
    torn = folder / "segments" / "rank0-00000001.parquet"
    torn.write_bytes(torn.read_bytes()[:-40])
    run = open_run(folder)
    assert run.table(["step"])["step"].to_pylist() == [3, 4, 5]
    assert any("rank0-00000001.parquet cannot be read" in note for note in run.notes)


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "x")
    (folder / "findings.jsonl").write_bytes(b'{"event": "raised", "st')
    run = open_run(folder)
    assert run.events() == () and any("line 1" in note for note in run.notes)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b'"x"', b"{", b'{"name": 3, "schema_version": 1}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_run_json_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = run_at(tmp_path / "x")
    (folder / "run.json").write_bytes(content)
    with pytest.raises(StoreError):
        open_run(folder)


def test_no_run_says_where_runs_are(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"no run\.json"):
        open_run(tmp_path)


def test_a_newer_run_asks_for_an_update(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "x")
    _set(folder, schema_version=migrations.VERSION + 1)
    with pytest.raises(StoreError, match="Update Headwater"):
        open_run(folder)


def test_an_older_run_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_at(tmp_path / "x")
    tree = json.loads((folder / "run.json").read_text())
    tree["title"] = tree.pop("name")
    tree["schema_version"] = 0
    (folder / "run.json").write_text(json.dumps(tree))
    with pytest.raises(StoreError, match="not known"):
        open_run(folder)
    monkeypatch.setitem(migrations.STEPS, 0, lambda old: {**old, "name": old["title"]})
    assert open_run(folder).info.name == "x"


def test_a_dead_process_is_told(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "x")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    assert not open_run(folder).orphaned
    _set(folder, host=socket.gethostname(), process=dead.pid)
    run = open_run(folder)
    assert run.orphaned and any("without closing" in note for note in run.notes)
    assert prune(tmp_path, keep=0) == ["x"]


def test_ranges_inside_others_do_not_count() -> None:
    names = ["rank0-00000001.parquet", "rank0-00000002.parquet", "rank0-00000001-00000002.parquet"]
    names += ["rank1-00000001.parquet", "rank0-00000003.parquet", ".rank0-00000004.parquet.9.tmp", "x.parquet"]
    assert valid(names) == [Segment(0, 1, 2), Segment(0, 3, 3), Segment(1, 1, 1)]


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_bytes_are_inert(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "x"
    if not folder.exists():
        run_at(folder)
    genuine = (folder / "segments" / "rank0-00000001.parquet").read_bytes()
    for content in (data, b"PAR1" + data + b"PAR1", genuine[: len(genuine) // 2] + data + genuine[-60:]):
        (folder / "segments" / "rank0-00000002.parquet").write_bytes(content)
        (folder / "findings.jsonl").write_bytes(data)
        (folder / "report.json").write_bytes(data)
        run = open_run(folder)
        assert run.table(["step"])["step"].to_pylist()[:3] == [0, 1, 2]
        assert isinstance(run.events(), tuple) and isinstance(run.report_text(), str)


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    run = open_run(run_at(tmp_path / "x"))
    for name in ("../x/run.json", "/etc/passwd", "segments/../../y", "a\0b"):
        with pytest.raises(HeadwaterError, match="inside the run"):
            run.files.read(name)


CHILD = """
import sys, time
from headwater.records import RunInfo
from headwater.store import RunWriter
import os, socket
writer = RunWriter(sys.argv[1], RunInfo("", 0, host=socket.gethostname(), process=os.getpid()), flush_rows=1)
for step in range(100_000):
    writer.append({"step": [step], "layer": [""], "loss": [1.0]})
    print(step, flush=True)
    if step % 7 == 6:
        writer._compact()
"""


def killed(folder: Path, delay: float) -> tuple[int, Any]:
    """Kills a writer after a while; returns the last step that it said was on disk, and the run."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.readline()
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    said += child.communicate()[0]
    lines = said.splitlines()
    complete = lines if said.endswith("\n") else lines[:-1]
    return int(complete[-1]), open_run(folder)


def test_after_a_kill_everything_that_was_flushed_is_there_once(tmp_path: Path) -> None:
    choice = random.Random(0)
    for number in range(6):
        last, run = killed(tmp_path / str(number), choice.uniform(0.0, 0.3))
        steps = run.table(["step"])["step"].to_pylist()
        assert sorted(steps) == list(range(len(steps))) and len(steps) > last
        assert any("without closing" in note for note in run.notes)


def _set(folder: Path, **changes: Any) -> None:
    tree = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(tree | changes))


@pytest.mark.parametrize("deep", [False, True])
def test_source_texts_are_files_of_the_run_and_no_links(tmp_path: Path, deep: bool) -> None:
    one = RunWriter(tmp_path / "x", RunInfo("", 0))
    one.sources({"train.py": "import torch\n"})
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "x" / "sources" / ("deep" if deep else "")
    folder.mkdir(exist_ok=True)
    (folder / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "x" / "sources" / "index.json").write_text(json.dumps({"train.py": "deep/link" if deep else "link"}))
    run = open_run(tmp_path / "x")
    assert run.sources() == {} and "none of their files" in run.notes[-1]
