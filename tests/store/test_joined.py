"""Hand-built rows of two ranks: what is joined, what stays, and what is said to be missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from headwater.records import RunInfo
from headwater.store import RunWriter, StoredRun, open_run

SHARDED = {"net.0.weight": 1, "scale": 2}
RANKS = 2

Row = tuple[int, str, str | None, float | None]
"""Step, layer, parameter, norm of the gradient."""


def recorded(folder: Path, *ranks: list[Row], track: str = "", **info: Any) -> StoredRun:
    """A run of which each rank has written these rows, with twice the norm as that of the weights."""
    about = RunInfo("", 0, world_size=RANKS, **({"sharded": SHARDED} | info))
    for rank, rows in enumerate(ranks):
        one = RunWriter(folder, about, rank=rank)
        steps, layers, parameters, norms = (list(column) for column in zip(*rows, strict=True))
        weights = [None if norm is None else 2.0 * norm for norm in norms]
        columns = {"step": steps, "layer": layers, "parameter": parameters, "grad_norm": norms, "weight_norm": weights}
        one.append(columns | {"track": [track] * len(rows)})
        one.close()
    return open_run(folder)


def test_parts_are_joined_and_all_else_stays(tmp_path: Path) -> None:
    plain: list[Row] = [(0, "net.1", "weight", 12.0), (0, "net.0", None, None)]
    run = recorded(
        tmp_path / "x",
        [(0, "", None, 5.0), (0, "net.0", "weight", 3.0), (0, "", "scale", 5.0), *plain],
        [(0, "", None, 6.0), (0, "net.0", "weight", 4.0), (0, "", "scale", 5.0), *plain],
    )
    rows = run.table(["rank", "layer", "parameter", "grad_norm", "weight_norm"], joined=True).to_pylist()
    found = {(row["rank"], row["layer"], row["parameter"]): (row["grad_norm"], row["weight_norm"]) for row in rows}
    total = pytest.approx((3.0**2 + 4.0**2 + 5.0**2 + 12.0**2) ** 0.5)
    assert len(rows) == len(found) == 8
    assert found[None, "net.0", "weight"] == pytest.approx((5.0, 10.0))
    assert found[None, "", "scale"] == pytest.approx((5.0, 10.0))  # 25 on each of two ranks, that are copies
    for rank, local in enumerate((5.0, 6.0)):
        assert found[rank, "", None] == (total, 2.0 * local)
        assert found[rank, "net.1", "weight"] == (12.0, 24.0)
        assert found[rank, "net.0", None] == (None, None)
    assert run.notes == []


def test_a_step_that_a_rank_lacks_has_no_norm_and_is_told(tmp_path: Path) -> None:
    first: list[Row] = [(step, "net.0", "weight", 3.0) for step in range(4)]
    network: list[Row] = [(step, "", None, 3.0) for step in range(4)]
    run = recorded(tmp_path / "x", first + network, [row for row in first if row[0] % 2 == 0])
    rows = run.table(["step", "parameter", "grad_norm"], joined=True).to_pylist()
    whole = pytest.approx(18.0**0.5)
    assert [(row["step"], row["grad_norm"]) for row in rows if row["parameter"]] == [(0, whole), (2, whole)]
    totals = [row["grad_norm"] for row in rows if not row["parameter"]]
    assert totals == [whole, None, whole, None]
    (note,) = run.notes
    assert "2 steps lack the norms of some rank" in note


@pytest.mark.parametrize(("value", "whole"), [(math.nan, "nan"), (None, "None"), (math.inf, "inf")])
def test_what_one_rank_lacks_or_has_not_finite_is_so_for_all(tmp_path: Path, value: float | None, whole: str) -> None:
    rows: list[Row] = [(0, "", "scale", 2.0), (0, "", None, 2.0)]
    run = recorded(tmp_path / "x", [*rows, (0, "net.0", "weight", 3.0)], [*rows, (0, "net.0", "weight", value)])
    found = run.table(["parameter", "grad_norm"], joined=True).to_pylist()
    told = [(row["parameter"], f"{row['grad_norm']:g}" if row["grad_norm"] is not None else "None") for row in found]
    assert told == [(None, whole), (None, whole), ("scale", "2"), ("weight", whole)]
    assert run.notes == []


def test_an_optimizer_without_parts_keeps_its_norms(tmp_path: Path) -> None:
    rows: list[Row] = [(0, "plain", "weight", 3.0), (0, "", None, 3.0)]
    run = recorded(tmp_path / "x", rows, rows)
    assert run.table(["grad_norm"], joined=True)["grad_norm"].to_pylist() == [3.0] * 4
    assert run.notes == []


def test_what_is_asked_for_is_chosen_after_the_ranks_are_joined(tmp_path: Path) -> None:
    rows: list[Row] = [(step, "net.0", "weight", float(step)) for step in range(5)]
    rows += [(step, "", None, 1.0) for step in range(5)]
    run = recorded(tmp_path / "x", rows, rows, track="D")
    found = run.table(["grad_norm"], layer="", track="D", first_step=1, last_step=2, joined=True)
    assert found.column_names == ["grad_norm"]
    assert found["grad_norm"].to_pylist() == pytest.approx([step * 2**0.5 for step in (1, 1, 2, 2)])
    assert len(run.table(track="G", joined=True)) == 0


def test_without_shards_there_is_nothing_to_join(tmp_path: Path) -> None:
    rows: list[Row] = [(0, "net.0", "weight", 3.0), (0, "", None, 3.0)]
    run = recorded(tmp_path / "x", rows, rows, sharded={})
    assert run.table(joined=True).equals(run.table())
