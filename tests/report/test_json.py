from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import headwater.report.json as report_json
from headwater.errors import InputError
from headwater.records import Measurement, StepRecord
from headwater.report import Report
from tests.builders import chain, finding, findings, layer, measurement, residual, vanishing

SCHEMA_FILE = Path(report_json.__file__).with_name("schema.json")
NON_FINITE = replace(
    measurement(chain([0.0, math.nan, math.inf]), steps=(StepRecord(0, math.inf, "0"), StepRecord(1, math.nan))),
)
REPORTS = [
    Report(vanishing(), findings()),
    Report(residual(), ()),
    Report(measurement(), ()),
    Report(measurement((layer("层\n\"'\u2028", signal=None),)), (finding(evidence={"a": 1, "b": 1.0, "c": "é"}),)),
]


@pytest.mark.parametrize("report", REPORTS)
def test_round_trip_is_exact(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


def test_evidence_keeps_its_types() -> None:
    read = Report.from_json(REPORTS[-1].to_json()).findings[0].evidence
    assert [type(value) for value in read.values()] == [int, float, str]


def test_numbers_that_are_not_finite_become_null_and_come_back_as_nan() -> None:
    report = Report(NON_FINITE, (finding(evidence={"loss": math.inf}),))
    tree = json.loads(report.to_json(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert tree["measurement"]["steps"][0]["loss"] is None
    assert tree["findings"][0]["evidence"] == {"loss": None}
    read = Report.from_json(report.to_json())
    assert math.isnan(read.measurement.steps[0].loss)
    assert math.isnan(read.measurement.profile.points[-1].signal)
    assert math.isnan(read.findings[0].evidence["loss"])  # type: ignore[arg-type]
    assert read.layers[2].signal is None  # this one may be None, and then says nothing
    assert read.to_json() == report.to_json()


def test_top_level() -> None:
    tree = json.loads(REPORTS[0].to_json())
    assert list(tree) == ["schema", "healthy", "findings", "measurement"]
    assert tree["schema"] == "headwater-report/1"
    assert tree["healthy"] is False
    assert [each["code"] for each in tree["findings"]] == ["HW101", "HW103", "HW302"]


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "headwater-report/2"}', REPORTS[0].to_json()[:-100]])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="headwater-report/1"):
        Report.from_json(text)


def test_fields_of_a_later_minor_version_are_skipped() -> None:
    tree = json.loads(REPORTS[0].to_json())
    tree["measurement"]["weather"] = "fine"
    assert Report.from_json(json.dumps(tree)) == REPORTS[0]


def test_the_published_schema_is_current(golden: Callable[[Path, str], None]) -> None:
    golden(SCHEMA_FILE, json.dumps(report_json.json_schema(), indent=2) + "\n")


@pytest.mark.parametrize("report", [*REPORTS, Report(NON_FINITE, findings())])
def test_reports_follow_the_schema(report: Report) -> None:
    validator = _validator()
    validator.validate(json.loads(report.to_json()))


def test_the_schema_refuses_what_is_no_report() -> None:
    tree = json.loads(REPORTS[0].to_json())
    tree["findings"][0]["severity"] = "catastrophe"
    assert not _validator().is_valid(tree)
    assert not _validator().is_valid({"schema": "headwater-report/1"})


def test_subclasses_of_plain_types_are_written_as_plain() -> None:
    import numpy as np
    from torch.torch_version import TorchVersion

    made: Measurement = measurement((layer(signal=np.float64(0.5)),), versions={"torch": TorchVersion("2.6.0")})  # type: ignore[arg-type]
    assert Report.from_json(Report(made, ()).to_json()).measurement.versions == {"torch": "2.6.0"}


def _validator() -> Any:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_name_of_a_file_that_is_no_text_does_not_keep_it_from_being_written() -> None:
    report = Report(measurement(chain([0.1, 0.2]), model="tr\udce9"), ())
    assert Report.from_json(report.to_json()) == replace(report, measurement=replace(report.measurement, model="tr?"))
