"""The history in a page, against a slow computation from the rows, one by one."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.records import RunInfo
from headwater.report.page.history import LAYERS, OF_NETWORK, POINTS, STEPS, history_of
from headwater.store import RunWriter, StoredRun, open_run


def slow(run: StoredRun, statistic: str, steps: int) -> dict[str, list[float | None]]:
    """Layer -> means over columns."""
    found: dict[str, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    sums: dict[tuple[str, int], float] = defaultdict(float)
    is_norm = statistic in ("grad_norm", "weight_norm")
    for row in run.table().to_pylist():
        value = row[statistic]
        if value is None or not row["layer"] or (row["parameter"] is None) == is_norm:
            continue
        sums[row["layer"], row["step"]] += value**2 if is_norm else value
    seen = [step for _, step in sums]
    first, last = min(seen), max(seen)
    columns = min(steps, last - first + 1)
    for (layer, step), total in sums.items():
        column = (step - first) * columns // (last - first + 1)
        found[layer][column][step] = total
    means = {
        layer: [fmean(cells[i].values()) if i in cells else None for i in range(columns)]
        for layer, cells in found.items()
    }
    if not is_norm:
        return means
    return {layer: [None if each is None else math.sqrt(each) for each in row] for layer, row in means.items()}


@pytest.mark.parametrize("statistic", ["signal", "update_ratio", "grad_norm", "weight_norm", "loss_share"])
def test_means_over_columns(recorded: StoredRun, statistic: str) -> None:
    histories, _ = history_of(recorded)
    found = next(each for each in histories if each["statistic"] == statistic)
    expected = slow(recorded, statistic, STEPS)
    assert found["layers"] == list(expected)
    for name, row in zip(found["layers"], found["values"], strict=True):
        assert [value is None for value in row] == [value is None for value in expected[name]]
        assert row == [value if value is None else pytest.approx(value, rel=6e-3) for value in expected[name]]


def test_the_network_s_curves(recorded: StoredRun) -> None:
    (series,) = history_of(recorded)[1]
    rows = [row for row in recorded.table(layer="").to_pylist() if row["parameter"] is None and row["loss"] is not None]
    losses = [row["loss"] for row in sorted(rows, key=lambda row: row["step"])]
    assert [value for value in series["series"]["loss"]["mean"] if value is not None] == pytest.approx(losses, rel=1e-4)
    assert set(series["series"]) == set(OF_NETWORK)
    assert series["flags"]["probe"] == sorted({row["step"] for row in recorded.table().to_pylist() if row["probe"]})


def written(folder: Path, layers: int, steps: int, value: Any, ranks: int = 1) -> StoredRun:
    """A run whose update ratios are `value(layer, step)`, alike on all ranks."""
    for rank in range(ranks):
        writer = RunWriter(folder, RunInfo("", 1, optimizers={"": "SGD"}, world_size=ranks), rank=rank)
        for step in range(steps):
            ratios = [value(i, step) for i in range(layers)]
            rows = {"step": [step] * layers, "layer": [f"layer{i}" for i in range(layers)], "track": [""] * layers}
            writer.append(rows | {"update_ratio": ratios, "grad_norm": ratios, "parameter": [None] * layers})
            writer.append(rows | {"grad_norm": [3.0] * layers, "weight_norm": ratios, "parameter": ["weight"] * layers})
        writer.close()
    return open_run(folder)


def test_many_layers_and_steps_become_few_rows_and_columns(tmp_path: Path) -> None:
    run = written(tmp_path / "run", 2 * LAYERS, 2 * STEPS + 3, lambda layer, step: 1.0 + layer + 1000.0 * step)
    found = next(each for each in history_of(run)[0] if each["statistic"] == "update_ratio")
    assert (len(found["values"]), len(found["values"][0]), len(found["steps"])) == (LAYERS, STEPS, STEPS)
    assert found["layers"][:2] == ["layer0 … layer1", "layer2 … layer3"]
    assert found["steps"][:3] == [0, 3, 5] and found["last"] == 2 * STEPS + 2  # 3, 2, 2, ... steps each
    assert found["values"][1][0] == pytest.approx(fmean((3.0, 4.0)) + 1000.0 * fmean((0, 1, 2)), rel=6e-3)
    series = history_of(run)[1][0]
    assert len(series["steps"]) <= POINTS


def test_infinity_stays_and_what_is_missing_is_none(tmp_path: Path) -> None:
    odd = [math.nan, math.inf, -math.inf, None, 0.0]
    run = written(tmp_path / "run", 2, 5, lambda layer, step: odd[step] if layer else 1.0)
    found = next(each for each in history_of(run)[0] if each["statistic"] == "update_ratio")
    assert found["values"][0] == [1.0] * 5
    rows = [row for row in run.table(layer="layer1").to_pylist() if row["parameter"] is None]
    kept = [str(row["update_ratio"]) for row in rows]  # a store that keeps no NaN has nothing in its place
    assert [str(value) for value in found["values"][1]] == kept and kept[1:] == ["inf", "-inf", "None", "0.0"]


def test_ranks_that_hold_the_same_are_not_counted_twice(tmp_path: Path) -> None:
    run = written(tmp_path / "run", 1, 3, lambda layer, step: 1.0, ranks=2)
    found = {each["statistic"]: each["values"] for each in history_of(run)[0]}
    assert found["grad_norm"] == [[3.0] * 3] and found["update_ratio"] == [[1.0] * 3]


def test_a_run_without_rows_has_no_history(tmp_path: Path) -> None:
    assert history_of(written(tmp_path / "run", 1, 0, lambda layer, step: 1.0)) == ([], [])


@pytest.mark.parametrize("steps", [(0, 1 << 62), (0, None), (-5, 7), (-(1 << 63), (1 << 63) - 1)])
def test_steps_that_no_training_has_are_left_out(tmp_path: Path, steps: tuple[int | None, ...]) -> None:
    one = RunWriter(tmp_path / "x", RunInfo("", 1, optimizers={"": "SGD"}))
    row = {"layer": ["a"], "track": [""], "parameter": ["weight"], "grad_norm": [1.0]}
    one.append({"step": [3], **row})
    one.close()
    rows = {name: values * len(steps) for name, values in row.items()} | {"rank": [0] * len(steps)}
    odd = pa.table({"step": pa.array(steps, pa.int64()), **rows})
    pq.write_table(odd, tmp_path / "x" / "segments" / "rank0-00000009.parquet")
    (history,), _ = history_of(open_run(tmp_path / "x"))
    kept = [step for step in (*steps, 3) if step is not None and 0 <= step < 1 << 53]
    assert (history["first"], history["last"]) == (min(kept), max(kept))
