"""Pictures of depth against time, beside the slow obvious computation."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from headwater.errors import InputError, StoreError
from headwater.store import open_run
from headwater.store.rows import buckets, history, outline, parts
from tests.store.rows.made import INFO, LAYERS, figures, norms_by_bucket, probes, written


@pytest.fixture(params=["direct", "kept"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to an answer: from the files, and from buckets that are kept."""
    if request.param == "kept":
        monkeypatch.setattr(buckets, "DIRECT", 0)
        monkeypatch.setattr(parts, "LARGE", 1)
    return str(request.param)


@pytest.mark.parametrize(("width", "stride"), [(100, 1), (40, 4), (25, 4), (7, 16), (1, 128)])
def test_norms_are_root_mean_squares(tmp_path: Path, way: str, width: int, stride: int) -> None:
    rows = figures(range(100))
    run = written(tmp_path / "x", rows[:270], rows[270:450], rows[450:], close=False)
    drawn = history(run, "grad_norm", width=width)
    truth = norms_by_bucket(rows, stride)
    assert drawn["layers"] == list(LAYERS) and (drawn["first"], drawn["last"]) == (0, 99)
    assert drawn["steps"] == list(range(0, 100, stride)) and len(drawn["steps"]) <= width
    for i, line in enumerate(drawn["values"]):
        assert line == pytest.approx([truth[i, b] for b in range(len(line))], rel=1e-4)


def test_layers_are_grouped_when_there_are_more_than_asked(tmp_path: Path, way: str) -> None:
    rows = figures(range(10))
    drawn = history(written(tmp_path / "x", rows), "grad_norm", height=2)
    assert drawn["layers"] == ["conv.1 … conv.2", "conv.10 … head"]
    truth = norms_by_bucket(rows, 1, group=2)
    assert drawn["values"][1] == pytest.approx([truth[1, b] for b in range(10)], rel=1e-4)


def test_zoom_shows_the_steps_that_were_asked_for(tmp_path: Path, way: str) -> None:
    rows = figures(range(200))
    run = written(tmp_path / "x", rows)
    drawn = history(run, "grad_norm", first=50, last=60)
    assert drawn["steps"] == list(range(50, 61))
    truth = norms_by_bucket(rows, 1)
    assert drawn["values"][2] == pytest.approx([truth[2, b] for b in range(50, 61)], rel=1e-4)
    assert history(run, "grad_norm", first=-5, last=1 << 60)["last"] == 199
    assert history(run, "grad_norm", first=500)["steps"] == [199]


def test_statistics_of_probes_are_means_and_show_where_there_were_some(tmp_path: Path, way: str) -> None:
    seen = probes(range(0, 100, 10))
    drawn = history(written(tmp_path / "x", figures(range(100)) + seen), "signal", width=50)
    assert drawn["steps"] == list(range(0, 100, 10))
    assert drawn["values"][3] == pytest.approx([row["signal"] for row in seen if row["layer"] == "head"], rel=1e-4)


@pytest.mark.parametrize(("value", "word"), [(math.nan, "nan"), (math.inf, "inf")])
def test_what_is_not_finite_shows_in_its_bucket_only(tmp_path: Path, way: str, value: float, word: str) -> None:
    rows = figures(range(64))
    rows[9 * 17 + 3]["grad_norm"] = value
    drawn = history(written(tmp_path / "x", rows), "grad_norm", width=16)
    odd = [(i, b) for i, line in enumerate(drawn["values"]) for b, each in enumerate(line) if isinstance(each, str)]
    assert odd == [(LAYERS.index(rows[9 * 17 + 3]["layer"]), 17 // 4)] and drawn["values"][odd[0][0]][odd[0][1]] == word


def test_a_layer_that_joins_late_has_nothing_before(tmp_path: Path, way: str) -> None:
    early, late = figures(range(4), LAYERS[:2]), figures(range(4, 8), LAYERS)
    drawn = history(written(tmp_path / "x", early, late), "grad_norm")
    assert drawn["layers"][:2] == list(LAYERS[:2]) and set(drawn["layers"]) == set(LAYERS)
    assert drawn["values"][3][:4] == [None] * 4 and all(each is not None for each in drawn["values"][3][4:])


def test_layers_stand_as_the_network_runs_them(tmp_path: Path) -> None:
    built = ("head", "conv.1", "norm", "conv.10")
    run = written(tmp_path / "x", figures(range(4), built) + probes(range(3, 4), ("conv.1", "conv.10", "head")))
    assert outline(run).layers == ("conv.1", "norm", "conv.10", "head")


def test_several_optimizers_are_told_apart(tmp_path: Path, way: str) -> None:
    rows = figures(range(4), LAYERS[:2], track="G") + figures(range(4), LAYERS[2:], track="D")
    run = written(tmp_path / "x", rows, optimizers={"G": "Adam", "D": "Adam"})
    assert outline(run).tracks == ("D", "G")
    assert history(run, "grad_norm", "G")["layers"] == list(LAYERS[:2])
    assert history(run, "grad_norm")["track"] == "D"
    with pytest.raises(InputError, match="'G'"):
        history(run, "grad_norm", "E")


def test_the_first_process_speaks_for_those_that_train_the_same(tmp_path: Path, way: str) -> None:
    rows = figures(range(4))
    written(tmp_path / "x", rows, world_size=2)
    written(tmp_path / "x", figures(range(4), seed=5), rank=1, world_size=2)
    drawn = history(open_run(tmp_path / "x"), "grad_norm")
    truth = norms_by_bucket(rows, 1)
    assert drawn["values"][0] == pytest.approx([truth[0, b] for b in range(4)], rel=1e-4)


def test_a_run_without_rows_is_empty(tmp_path: Path) -> None:
    run = written(tmp_path / "x", [{"step": 0, "layer": "", "parameter": None}])
    (tmp_path / "x" / "segments" / "rank0-00000001.parquet").unlink()
    assert outline(run).tracks == tuple(INFO.optimizers)
    assert history(run, "grad_norm") == {
        "statistic": "grad_norm", "track": "", "first": 0, "last": 0, "steps": [], "layers": [], "values": [],
    }  # fmt: skip


def test_a_statistic_that_is_none_is_refused(tmp_path: Path) -> None:
    run = written(tmp_path / "x", figures(range(2)))
    with pytest.raises(InputError, match="grad_norm"):
        history(run, "1); DROP TABLE x; --")


def test_a_segment_that_appears_or_goes_is_seen_at_once(tmp_path: Path, way: str) -> None:
    rows = figures(range(60))
    run = written(tmp_path / "x", rows[:180], close=False)
    assert history(run, "grad_norm")["last"] == 19
    folder = tmp_path / "x" / "segments"
    more = written(tmp_path / "y", rows[180:])
    source = tmp_path / "y" / "segments" / "rank0-00000001.parquet"
    source.rename(folder / "rank0-00000002.parquet")
    assert more.notes == [] and history(run, "grad_norm")["last"] == 59
    (folder / "rank0-00000001.parquet").unlink()
    assert history(run, "grad_norm")["steps"][0] == 20


def test_a_name_with_the_marks_of_patterns_is_a_name(tmp_path: Path) -> None:
    rows = figures(range(3))
    for name in ("a*", "[ab]", "a?b", "key=value", "ab", "it's"):
        drawn = history(written(tmp_path / name, rows), "grad_norm")
        assert drawn["steps"] == [0, 1, 2], name


def test_runs_elsewhere_are_refused_with_a_reason() -> None:
    with pytest.raises(StoreError, match="local folder"):
        history(written("memory://runs/x", figures(range(2))), "grad_norm")  # type: ignore[arg-type]


def test_the_limit_of_layers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[outline.__module__], "MOST_LAYERS", 3)
    run = written(tmp_path / "x", figures(range(2)) + probes(range(1), ("n" * 501,)))
    assert len(outline(run).layers) == 3 and any("left out" in note for note in run.notes)
