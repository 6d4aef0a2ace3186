"""The page holds every figure and statement, asks for nothing, and a hostile name stays a name."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from headwater.study.conduct import conduct, publish
from headwater.study.experiment import Column, Figure, Statement, Table
from headwater.study.report import charts, page
from headwater.study.report.charts import svg
from headwater.study.results import Results
from headwater.study.runner import Failure
from headwater.trials.engines import Inline
from tests.pages import EVIL, Page
from tests.study.small import FIGURES, X, Y, small

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    experiment = small(folder / "log")
    return experiment, conduct(experiment, Inline(), folder, quick=True, seeds=2)


def test_every_figure_statement_and_version_is_there(found):
    text = page([found])
    words = " ".join(Page(text).words)
    for part in (
        "Which ends higher?",
        "The bent one ends higher.",
        "holds",
        "nobody, ever",
        "2 seeds (0 to 1)",
        "torch",
    ):
        assert part in words
    for figure in FIGURES:
        assert f'id="small-{figure.name}"' in text
    assert text.count("<svg") == 4 and text.count("<table") == 1
    assert "Nothing was measured for this figure." in words


def test_it_runs_nothing_and_asks_for_nothing(found):
    text = page([found])
    parsed = Page(text)
    assert not parsed.tags() & {"script", "img", "image", "iframe", "object", "link", "form"}
    assert "default-src 'none'" in text
    targets = [value for _, attributes in parsed.elements for key, value in attributes.items() if key.endswith("href")]
    assert targets and all(str(target).startswith("#") for target in targets)
    assert not re.search(r"url\((?!#)|@import", text)


def test_ids_are_unique_and_each_reference_has_its_own(found):
    text = page([found, (replace(found[0], name="twin"), found[1])])
    ids = [value for _, attributes in Page(text).elements for key, value in attributes.items() if key == "id"]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)


def test_a_hostile_name_stays_text_wherever_it_stands(found):
    experiment, results = found
    rows = tuple({**row, "kind": EVIL} if row.get("kind") == "bent" else row for row in results.table)
    label = Column("kind", EVIL)
    figures = [
        Figure(f.name, f.kind, EVIL, EVIL, EVIL, f.x, f.y, f.value, f.columns, label, f.panels and label)
        for f in FIGURES
    ]
    evil = replace(
        experiment,
        title=EVIL,
        question=EVIL,
        setting=EVIL,
        figures=tuple(figures[:5]),
        says=lambda table: [Statement(EVIL, EVIL, "does not hold", EVIL)],
    )
    made = results.made
    failed = type(made)(made.experiment, True, 2, 9, (Failure({EVIL: EVIL}, EVIL),), made.date, {EVIL: EVIL})
    text = page([(evil, Results(failed, Table(rows)))])
    parsed = Page(text)
    assert not parsed.tags() & {"script", "img"}
    assert not any(key.startswith("on") for _, attributes in parsed.elements for key in attributes)
    assert "alert(1)" in " ".join(parsed.words)


def test_failures_are_told_before_what_is_without_them(found):
    experiment, results = found
    made = results.made
    failures = tuple(Failure({"x": i}, "ValueError: cold") for i in range(25))
    text = page(
        [(experiment, Results(type(made)(made.experiment, True, 2, 41, failures, made.date, {}), results.table))]
    )
    words = " ".join(Page(text).words)
    assert "25 points could not be measured" in words and "and 5 others" in words
    assert words.index("could not be measured") < words.index("The bent one ends higher.")


def test_a_picture_draws_medians_in_the_order_that_is_declared(found):
    _, results = found
    drawing = charts._drawing(FIGURES[0], list(results.table.where(part="value")))
    (axes,) = drawing.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["straight", "bent"]
    assert list(lines["bent"].get_xdata()) == [1, 2, 3, 4]
    assert list(lines["bent"].get_ydata()) == pytest.approx([1.05, 4.05, 9.05, 16.05])
    assert axes.get_xscale() == "log" and axes.get_ylabel() == "height (m)"


def test_a_cell_holds_the_median_and_what_theory_says():
    figure = Figure("m", "heatmap", "", "", "", X, Column("k", "k"), replace(Y, digits=3), expected="t", neutral=1.0)
    rows = (
        {"x": 1, "k": "a", "y": 1.0, "t": 2.0},
        {"x": 1, "k": "a", "y": 2.0, "t": 2.0},
        {"x": 2, "k": "a", "y": math.nan},
    )
    text = svg(figure, Table(rows), themed=False)
    assert "1.5" in text and "(2)" in text and "nan" in text


def test_values_without_a_place_are_counted(found):
    figure = Figure("l", "lines", "", "", "", X, replace(Y, log=True))
    rows = ({"x": 1, "y": 1.0}, {"x": 2, "y": 0.0}, {"x": 3, "y": math.nan}, {"x": 4})
    assert charts.left_out(figure, Table(rows)) == 2


def test_a_picture_is_the_same_each_time_and_takes_the_colours_of_its_page(found):
    table = found[1].table
    assert svg(FIGURES[0], table, themed=True) == svg(FIGURES[0], table, themed=True)
    assert "currentColor" in svg(FIGURES[0], table, themed=True)
    assert "currentColor" not in svg(FIGURES[0], table, themed=False)


def test_the_page_is_made_of_all_results_in_the_folder(found, tmp_path):
    experiment = small(tmp_path / "log")
    conduct(experiment, Inline(), tmp_path, quick=True, seeds=1)
    path = publish([replace(experiment, name="other"), experiment], tmp_path)
    assert path.name == "index.html" and path.read_text().count("<section") == 1
