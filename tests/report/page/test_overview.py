from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import STATISTICS, GainParts
from headwater.report import Report
from headwater.report.page import overview
from headwater.report.page.flow import predicted
from headwater.report.page.statistics import statistics
from headwater.store import StoredRun
from tests.builders import chain, finding, layer, measurement
from tests.report.fix.records import FIXED, STEPS, after
from tests.report.page.examples import RANGE, REPORTS


def test_flow_holds_every_place_from_input_to_output() -> None:
    flow = overview([REPORTS["healthy"]])["reports"][0]["flow"]
    assert flow["name"][:4] == ["stem", "blocks.0.conv1", "blocks.0.conv2", "blocks.0"]
    assert flow["kind"][:4] == ["layer", "branch", "branch", "meeting"]
    assert flow["depth"] == sorted(flow["depth"]) and len(flow["signal"]) == len(flow["name"])


def test_the_prediction_compounds_from_the_last_layer_and_begins_anew_where_theory_is_silent() -> None:
    layers = chain([0.001, 0.01, 0.1, 1.0, 10.0])
    known = [replace(each, predicted_gain=0.2) if i != 2 else each for i, each in enumerate(layers)]
    assert predicted(measurement(known)) == [
        [(5, 10.0), (4, pytest.approx(2.0)), (3, pytest.approx(0.4))],
        [(2, 0.01), (1, pytest.approx(0.002))],
    ]


def test_a_finding_keeps_its_consequences_its_account_and_its_line() -> None:
    found = overview([REPORTS["vanishing"]])["reports"][0]["findings"]
    assert [(each["code"], [under["code"] for under in each["under"]]) for each in found] == [
        ("HW101", ["HW103", "HW302"])
    ]
    rows = found[0]["account"]["rows"]
    assert [(row["name"], row["measured"], row["predicted"], row["share"]) for row in rows] == [
        ("activation", 0.24, 0.245, 0.73),
        ("weights", 0.5875, 0.577, 0.27),
        ("mean layer", 0.141, 0.1414, None),
    ]
    assert [row["place"] for row in rows] == ["train.py:8", "train.py:19", ""]
    assert found[0]["at"] == ["train.py", 12]
    assert (
        overview([Report(measurement(), (finding(where=replace(finding().where, file=None)),))])["reports"][0][
            "findings"
        ][0]["at"]
        is None
    )


def test_parts_that_are_no_numbers_stay_what_they_are() -> None:
    made = measurement(
        (layer("a", 1, 0.1), layer("b", 2, math.inf, math.nan, gain_parts=GainParts(0.0, 1, 1, math.inf)))
    )
    layers = overview([Report(made, ())])["reports"][0]["layers"]
    assert layers["signal"] == [0.1, "inf"] and layers["gain"] == [None, "nan"]
    assert layers["parts"] == [None, [0, 1, 1, "inf"]]


def test_every_statistic_has_a_name_a_unit_and_its_definition() -> None:
    told = statistics()
    assert list(told) == list(STATISTICS)
    assert all(each["name"] and each["unit"] and each["scale"] in ("log", "linear") for each in told.values())
    assert {key: each["definition"] for key, each in told.items()} == STATISTICS


def test_a_search_shows_curves_with_their_spread_and_the_gradient_before_and_after() -> None:
    fix = overview([], fix=FIXED)["fix"]
    assert [curve["kind"] for curve in fix["curves"]] == [*["other"] * 3, "control", "original", "recommended"]
    recommended = fix["curves"][-1]
    # The line is the one training of 120 steps; those of 30, of which each seed lies 0.01 higher, widen the band there.
    assert recommended["low"][10] == recommended["mean"][10] < recommended["high"][10]
    assert recommended["mean"][-1] == pytest.approx(0.12 + 2.18 * math.exp(-4 * 118.5 / STEPS), rel=0.02)
    ends = {kind: each["points"][0][1] for kind, each in fix["profiles"].items()}
    points = after().points
    assert ends["recommended"] == pytest.approx(points[0].signal / points[-1].signal, rel=1e-4)
    assert ends["original"] < 1e-40
    assert [kind for kind, _ in fix["diff"]][:3] == ["file", "file", "place"]


def test_a_run_tells_what_it_was_and_its_events(recorded: StoredRun) -> None:
    report = Report.from_json(recorded.report_texts()[0])
    drawn = overview([report], recorded, range_test=RANGE)
    assert drawn["run"]["status"] == "finished" and drawn["run"]["steps"] == recorded.info.steps
    assert ("raised", "HW101") in [(each["event"], each["code"]) for each in drawn["events"]]
    assert drawn["range_test"]["says"] == "suggested rate 0.02, yours is 0.001"
    assert drawn["range_test"]["trials"][-1] == [0.5, "inf"]


def test_names_that_occur_twice_are_numbered() -> None:
    titles = [each["title"] for each in overview([REPORTS["one"], REPORTS["none"], REPORTS["healthy"]])["reports"]]
    assert titles == ["Sequential", "Sequential (2)", "ResNet"]
    titles = [each["title"] for each in overview([REPORTS["one"], REPORTS["none"]], titles=["a", "b"])["reports"]]
    assert titles == ["a", "b"]
