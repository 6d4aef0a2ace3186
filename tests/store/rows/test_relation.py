"""Rows as SQL: joined over the ranks as the reader joins them, and of every version."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.errors import StoreError
from headwater.store.rows import history, outline, series
from headwater.store.rows.duck import query
from headwater.store.rows.outline import folder
from headwater.store.rows.parts import parts
from headwater.store.rows.relation import relation
from tests.store.rows.made import LAYERS, figures, norms_by_bucket, probes, written
from tests.store.test_joined import Row, recorded

PLAIN: list[Row] = [(0, "net.1", "weight", 12.0), (0, "net.0", None, None)]
RANKS: dict[str, tuple[list[Row], list[Row]]] = {
    "whole": (
        [(0, "", None, 5.0), (0, "net.0", "weight", 3.0), (0, "", "scale", 5.0), *PLAIN],
        [(0, "", None, 6.0), (0, "net.0", "weight", 4.0), (0, "", "scale", 5.0), *PLAIN],
    ),
    "a step is missing": (
        [(step, "net.0", "weight", 3.0) for step in range(4)] + [(step, "", None, 3.0) for step in range(4)],
        [(step, "net.0", "weight", 3.0) for step in (0, 2)],
    ),
    "a value is missing": (
        [(0, "net.0", "weight", 3.0), (0, "", None, 3.0)],
        [(0, "net.0", "weight", None), (0, "", None, 3.0)],
    ),
    "a value is none": (
        [(0, "net.0", "weight", 3.0), (0, "", None, 3.0)],
        [(0, "net.0", "weight", math.nan), (0, "", None, 3.0)],
    ),
    "nothing of a track is sharded": ([(0, "net.1", "weight", 3.0), (0, "", None, 9.0)], [(0, "", None, 9.0)]),
}


@pytest.mark.parametrize("name", RANKS)
def test_norms_are_joined_over_the_ranks_as_the_reader_joins_them(tmp_path: Path, name: str) -> None:
    run = recorded(tmp_path / "x", *RANKS[name])
    columns = ["step", "layer", "parameter", "grad_norm"]
    truth = [
        tuple(row.values())
        for row in run.table(["rank", *columns], joined=True).to_pylist()
        if row["rank"] in (0, None)
    ]
    rows = relation(folder(run), parts(run), ["grad_norm"], run.info)
    found = rows.ask(f"SELECT {', '.join(columns)} FROM {{rows}}")
    told = zip(*(found[column].tolist() for column in columns), strict=True)
    assert sorted(map(repr, told)) == sorted(repr(row[1:]) for row in truth)
    assert series(run, "", ["grad_norm"])["first"] == history(run, "grad_norm")["first"] == 0


def test_segments_of_several_versions_are_read_together(tmp_path: Path) -> None:
    rows = figures(range(20)) + probes(range(0, 20, 5))
    run = written(tmp_path / "x", rows[:90], rows[90:], close=False)
    path = tmp_path / "x" / "segments" / "rank0-00000001.parquet"
    old = pq.read_table(path).drop_columns(["clip", "probe", "loss_share", "rank"])
    old = old.set_column(0, "step", old["step"].cast(pa.int32()))
    old = old.set_column(old.column_names.index("grad_norm"), "grad_norm", old["grad_norm"].cast(pa.float32()))
    pq.write_table(old.append_column("another", pa.array([b"x"] * len(old))), path)
    drawn, truth = history(run, "grad_norm"), norms_by_bucket(rows[:180], 1)
    assert drawn["values"][1] == pytest.approx([truth[1, b] for b in range(20)], rel=1e-4)
    assert series(run, "", ["clip", "loss"])["steps"] == list(range(20)) and run.notes == []


ODD = {
    "text for numbers": {"step": pa.array(["1"]), "layer": pa.array(["a"]), "parameter": pa.array(["w"])},
    "no layer": {"step": pa.array([1]), "parameter": pa.array(["w"])},
    "a list": {"step": pa.array([[1]]), "layer": pa.array(["a"]), "parameter": pa.array(["w"])},
    "before time": {"step": pa.array([-1]), "layer": pa.array(["a"]), "parameter": pa.array(["w"])},
    "beyond any time": {"step": pa.array([1 << 60]), "layer": pa.array(["a"]), "parameter": pa.array(["w"])},
    "bytes": {"step": pa.array([1]), "layer": pa.array([b"\xff"]), "parameter": pa.array(["w"])},
}


@pytest.mark.parametrize("name", ODD)
def test_a_segment_of_another_kind_is_left_out_and_said(tmp_path: Path, name: str) -> None:
    run = written(tmp_path / "x", figures(range(3)))
    pq.write_table(pa.table(ODD[name]), tmp_path / "x" / "segments" / "rank0-00000002.parquet")
    assert history(run, "grad_norm")["layers"] == list(LAYERS)
    assert [note for note in run.notes if "rank0-00000002.parquet cannot be read and is left out" in note]


def test_a_link_out_of_the_run_is_left_out_and_said(tmp_path: Path) -> None:
    run, other = written(tmp_path / "x", figures(range(3))), written(tmp_path / "y", figures(range(3, 6)))
    (tmp_path / "x" / "segments" / "rank0-00000002.parquet").symlink_to(
        other.files.path("segments/rank0-00000001.parquet")
    )
    assert outline(run).last_step == 2
    assert any("leads out of the run" in note for note in run.notes)


def test_the_engine_reads_nothing_outside_of_the_runs(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "runs").mkdir()
    for sql in (
        f"SELECT * FROM read_text('{tmp_path}/secret.txt')",
        f"SELECT * FROM read_text('{tmp_path}/runs/../secret.txt')",
        f"COPY (SELECT 1) TO '{tmp_path}/written.csv'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        with pytest.raises(StoreError):
            query(str(tmp_path / "runs"), sql, {})
    assert not (tmp_path / "written.csv").exists()
