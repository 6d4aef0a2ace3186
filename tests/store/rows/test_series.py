"""One layer over the steps, beside the slow obvious computation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.store.rows import buckets, parts, series
from tests.store.rows.made import figures, probes, written


@pytest.fixture(params=["direct", "kept"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to an answer: from the files, and from buckets that are kept."""
    if request.param == "kept":
        monkeypatch.setattr(buckets, "DIRECT", 0)
        monkeypatch.setattr(parts, "LARGE", 1)
    return str(request.param)


@pytest.mark.parametrize(("points", "stride"), [(100, 1), (30, 4), (3, 64)])
def test_the_network_s_loss_is_mean_least_and_largest(tmp_path: Path, way: str, points: int, stride: int) -> None:
    rows = figures(range(100))
    found = series(written(tmp_path / "x", rows[:450], rows[450:], close=False), "", ["loss", "clip"], points=points)
    losses = [row["loss"] for row in rows if row["parameter"] is None]
    parts = [losses[i : i + stride] for i in range(0, 100, stride)]
    assert found["steps"] == list(range(0, 100, stride))
    drawn = found["series"]["loss"]
    assert drawn["mean"] == pytest.approx([sum(part) / len(part) for part in parts], rel=1e-4)
    assert drawn["min"] == pytest.approx([min(part) for part in parts], rel=1e-4)
    assert drawn["max"] == pytest.approx([max(part) for part in parts], rel=1e-4)
    assert found["series"]["clip"]["mean"] == [None] * len(parts)
    assert found["flags"]["skipped"] == list(range(3, 100, 7))


def test_a_layer_s_norm_is_that_of_its_parameters_together(tmp_path: Path, way: str) -> None:
    rows = figures(range(40)) + probes(range(5, 40, 10))
    found = series(written(tmp_path / "x", rows), "conv.2", ["grad_norm", "signal"], first=4, last=9)
    own = [row for row in rows if row["layer"] == "conv.2"]
    truth = [
        sum(row["grad_norm"] ** 2 for row in own if row["step"] == s and row["parameter"]) ** 0.5 for s in range(4, 10)
    ]
    assert found["steps"] == [4, 5, 6, 7, 8, 9]
    assert found["series"]["grad_norm"]["mean"] == pytest.approx(truth, rel=1e-4)
    assert [i for i, each in enumerate(found["series"]["signal"]["mean"]) if each is not None] == [1]
    assert found["flags"]["probe"] == [5]


def test_what_is_not_finite_shows_and_leaves_the_least(tmp_path: Path, way: str) -> None:
    rows = figures(range(8))
    rows[9]["loss"], rows[27]["loss"], rows[45]["loss"] = math.nan, math.inf, -math.inf
    found = series(written(tmp_path / "x", rows), "", ["loss"], points=4)["series"]["loss"]
    assert found["mean"][0] == "nan" and isinstance(found["min"][0], float) and found["max"][0] == "nan"
    assert (found["mean"][1], found["max"][1], found["min"][2]) == ("inf", "inf", "-inf")


def test_nothing_is_known_of_a_layer_that_is_none(tmp_path: Path, way: str) -> None:
    found = series(written(tmp_path / "x", figures(range(8))), "'; --", ["grad_norm"])
    assert found["steps"] == [] and found["series"] == {"grad_norm": {"mean": [], "min": [], "max": []}}
    with pytest.raises(InputError, match="statistic"):
        series(written(tmp_path / "y", figures(range(8))), "", ["losses"])
