"""What holds for every experiment, and a small part of each, measured and drawn."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from headwater.errors import InputError
from headwater.study.conduct import conduct, publish
from headwater.study.experiments import EXPERIMENTS, experiment
from headwater.study.runner import plan
from headwater.trials.engines import Inline

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
EACH = pytest.mark.parametrize("each", EXPERIMENTS, ids=[each.name for each in EXPERIMENTS])


@EACH
def test_it_is_declared_in_full(each):
    assert each.title and each.question.endswith("?") and each.setting
    names = [figure.name for figure in each.figures]
    assert names and len(names) == len(set(names))
    for figure in each.figures:
        assert figure.title and figure.definition and figure.caption
        shown = figure.columns if figure.kind == "table" else (figure.x, figure.y)
        assert shown and all(column is not None and column.label for column in shown)
        assert (figure.value is not None) == (figure.kind == "heatmap")


@EACH
def test_its_points_are_plain_different_and_fewer_when_quick(each):
    quick, full = each.points(True, 1), each.points(False, 2)
    assert len(set(full)) == len(full) > len(quick) == len(set(quick))
    assert pickle.loads(pickle.dumps(list(quick))) == list(quick)
    assert pickle.loads(pickle.dumps(each.measure)) is each.measure
    assert {point.seed for point in full if hasattr(point, "seed")} == {0, 1}
    if each.cost is not None:
        assert all(each.cost(point) > 0 for point in full)


@EACH
def test_every_point_is_in_one_task(each):
    points = dict(enumerate(each.points(True, 2)))
    places = [place for task in plan(each, points) for place in task.places]
    assert sorted(places) == list(points)


@EACH
def test_nothing_measured_says_nothing(each):
    from headwater.study.experiment import Table

    said = each.says(Table(()))
    assert said and {statement.verdict for statement in said} == {"cannot be said"}


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"'dept'\. Did you mean depth\? Known: depth, "):
        experiment("dept")
    assert experiment("depth").name == "depth"


def test_depth_end_to_end(tmp_path):
    """Two networks on the digits: the shallow one learns, the deep one does not, and the diagnosis says why."""
    depth = experiment("depth")
    wanted = [p for p in depth.points(True, 1) if p.activation == "sigmoid" and p.depth in (2, 20)]
    few = replace(depth, points=lambda quick, seeds: [p for p in wanted if getattr(p, "rate", 1.0) == 1.0])
    found = conduct(few, Inline(), tmp_path, quick=True, seeds=1)
    assert found.made.failures == ()
    best = {row["depth"]: row for row in found.table.where(part="best")}
    assert best[2]["accuracy"] > 0.9 and best[20]["accuracy"] < 0.2
    assert best[2]["learning"] == 1.0 and best[20]["path_first"] < 1e-6
    # sigmoid with PyTorch's default leaves 0.1413 of the gradient (theory) in each of 20 layers
    assert best[20]["attenuation"] == pytest.approx(0.1413**20, rel=0.9)
    assert publish([few], tmp_path).read_text().count("<figure") == 5
