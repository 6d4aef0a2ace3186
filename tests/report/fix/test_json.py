from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

import headwater.report.fix.json as fix_json
from headwater.errors import InputError
from headwater.records import Change, Code, FixRecord, ReplaceCall, SourceLine
from tests.report.fix.records import FIXED, RECORDS

SCHEMA_FILE = Path(fix_json.__file__).with_name("schema.json")
CHANGE = Change(
    "activation-swap:relu",
    "ReLU in place of sigmoid",
    ("1", "3"),
    edits=(ReplaceCall(SourceLine("train.py", 9), "Sigmoid", "torch.nn.ReLU", (), {"inplace": "True"}),),
    code=Code(before="{model}.train()"),
)


@pytest.mark.parametrize("name", ["nothing", "healthy"])
def test_round_trip_is_exact(name: str) -> None:
    record = replace(RECORDS[name], candidates=tuple(each for each in RECORDS[name].candidates if not _lost(each)))
    assert fix_json.parse(fix_json.render(record)) == record


def test_changes_come_back() -> None:
    best = replace(FIXED.candidates[0], changes=(CHANGE,))
    record = replace(FIXED, candidates=(best,))
    assert fix_json.parse(fix_json.render(record)) == record


def test_a_loss_without_end_comes_back_as_lost() -> None:
    read = fix_json.parse(fix_json.render(FIXED))
    lost = next(each for each in read.candidates if each.remedies == ("raise-rate:10",))
    assert all(trial.lost and math.isinf(trial.level) for trial in lost.trials)
    assert read.best is not None and read.best.remedies == FIXED.candidates[0].remedies


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "headwater-report/1"}'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="headwater-fix/1"):
        fix_json.parse(text)


def test_the_published_schema_is_current(golden: Callable[[Path, str], None]) -> None:
    golden(SCHEMA_FILE, json.dumps(fix_json.json_schema(), indent=2) + "\n")


@pytest.mark.parametrize("record", RECORDS.values())
def test_searches_follow_the_schema(record: FixRecord) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    tree = json.loads(fix_json.render(record))
    validator.validate(tree)
    assert not validator.is_valid(tree | {"record": tree["record"] | {"verdict": "perhaps"}})


def _lost(candidate: object) -> bool:
    return any(trial.lost for trial in candidate.trials)  # type: ignore[attr-defined]
