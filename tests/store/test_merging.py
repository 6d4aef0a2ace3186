"""Many small segments become few while a run goes on, and a reader never sees a row twice or misses one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from headwater.errors import StoreError
from headwater.store import merging, open_run
from headwater.store import writer as writing
from headwater.store.segments import valid
from tests.store.test_writer import rows, writer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "segments").iterdir())


def steps(folder: Path) -> list[int]:
    run = open_run(folder)
    found = run.table(["step"])["step"].to_pylist()
    assert run.notes == []
    return found


def test_segments_are_joined_in_tiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN", 3)
    one = writer(tmp_path / "x", flush_rows=1)
    for step in range(29):
        one.append(rows(step, 1))
        one.merge()
        one.merge()
        assert steps(tmp_path / "x") == list(range(step + 1))
        assert len(names(tmp_path / "x")) <= 2 * 3 + 1  # two of each tier, and one more of the third
    sizes = [each.last - each.first + 1 for each in valid(names(tmp_path / "x"))]
    assert sizes == [27, 1, 1]
    one.close()
    assert steps(tmp_path / "x") == list(range(29)) and len(names(tmp_path / "x")) == 1


def test_what_grew_large_is_joined_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN", 2)
    monkeypatch.setattr(merging, "JOINED", 10)
    one = writer(tmp_path / "x", flush_rows=1)
    for step in range(4):
        one.append(rows(step, 1))
        one.merge()
    assert len(names(tmp_path / "x")) == 4


def test_ranks_are_joined_each_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN", 2)
    for rank in (0, 1):
        one = writer(tmp_path / "x", flush_rows=1, rank=rank)
        for step in range(2):
            one.append(rows(step, 1))
        one.merge()
    assert names(tmp_path / "x") == ["rank0-00000001-00000002.parquet", "rank1-00000001-00000002.parquet"]


def test_a_torn_segment_stops_the_joining_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN", 2)
    monkeypatch.setattr(writing, "RECENT_ROWS", 0)
    one = writer(tmp_path / "x", flush_rows=1)
    one.append(rows(0, 1))
    one.append(rows(1, 1))
    torn = tmp_path / "x" / "segments" / "rank0-00000002.parquet"
    torn.write_bytes(torn.read_bytes()[:-9])
    with pytest.raises(StoreError, match="cannot be read"):
        one.merge()
    assert len(names(tmp_path / "x")) == 2


def test_rows_are_added_and_read_while_segments_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN", 2)
    one, ended = writer(tmp_path / "x", flush_rows=1), threading.Event()

    def join() -> None:
        while not ended.is_set():
            one.merge()

    joining = threading.Thread(target=join)
    joining.start()
    try:
        for step in range(60):
            one.append(rows(step, 1))
    finally:
        ended.set()
        joining.join()
    one.close()
    assert steps(tmp_path / "x") == list(range(60))
