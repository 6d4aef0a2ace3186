"""Results are one Parquet file that other tools read, and come back as they were."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas
import polars
import pytest

from headwater.errors import StoreError
from headwater.study.experiment import Table, number_in, verdict
from headwater.study.results import load, results, save, statements
from headwater.study.runner import Failure, run
from headwater.trials.engines import Inline
from tests.study.small import small


@pytest.fixture
def found(tmp_path):
    experiment = small(tmp_path / "log")
    ran = run(experiment, Inline(), tmp_path / "kept", quick=True, seeds=2)
    return experiment, results(experiment, ran, quick=True, seeds=2)


def test_they_come_back_as_they_were(found, tmp_path):
    _, before = found
    before = replace(
        before, made=before.made.__class__(**{**_fields(before.made), "failures": (Failure({"x": 1}, "no"),)})
    )
    after = load(save(before, tmp_path / "new"))
    assert after.made == before.made
    assert [dict(row) for row in after.table] == [dict(row) for row in before.table]
    assert after.command == "headwater study small --quick --seeds 2"
    assert after.made.points == 16 and after.made.versions["torch"]


def _fields(made):
    return {name: getattr(made, name) for name in made.__struct_fields__}


def test_pandas_and_polars_read_them(found, tmp_path):
    _, results = found
    path = save(results, tmp_path)
    frame = pandas.read_parquet(path)
    bent = frame[(frame.part == "value") & (frame.kind == "bent") & (frame.seed == 0)]
    assert bent.y.tolist() == [1.0, 4.0, 9.0, 16.0]
    assert polars.read_parquet(path).filter(polars.col("part") == "most")["y"].to_list() == pytest.approx([4.1, 16.1])


def test_what_is_derived_and_said_comes_from_the_rows(found):
    experiment, results = found
    (said,) = statements(experiment, results)
    assert said.verdict == "holds" and "16.1" in said.found
    half = replace(results, table=results.table.where(kind="bent"))
    assert statements(experiment, half)[0].verdict == "cannot be said"
    assert statements(experiment, replace(results, table=Table(()))) == ()


def test_another_file_is_refused_by_name(tmp_path):
    (tmp_path / "small.parquet").write_bytes(b"no")
    with pytest.raises(StoreError, match=r"small\.parquet does not hold the results of a study"):
        load(tmp_path / "small.parquet")


def test_a_column_of_words_and_numbers_becomes_words(found, tmp_path):
    _, results = found
    mixed = replace(results, table=Table(({"a": 1, "b": 1}, {"a": "x", "b": 2.5}, {"c": True})))
    assert [dict(row) for row in load(save(mixed, tmp_path)).table] == [
        {"a": "1", "b": 1.0},
        {"a": "x", "b": 2.5},
        {"c": True},
    ]


def test_a_table_answers_with_what_is_there():
    table = Table(({"k": "a", "y": 1.0}, {"k": "a", "y": 3}, {"k": "b", "y": math.nan}, {"k": "c"}))
    assert table.where(k="a").median("y") == 2.0
    assert math.isnan(table.where(k="b").median("y")) and math.isnan(table.where(k="c").median("y"))
    assert table.where(k=("b", "c")).distinct("k") == ["b", "c"]
    assert math.isnan(number_in({"y": "word"}, "y"))
    assert [verdict(None), verdict(True), verdict(False)] == ["cannot be said", "holds", "does not hold"]
