from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

from headwater.records import Finding, SourceLine, Where
from headwater.report import Report, github, sarif
from headwater.rules import RULES
from tests.rules.build import chain

FOUND = Finding(
    "HW101", "vanishing-gradient", "error", Where("net.0", file="src/train.py", line=7), "50 %: gone,\nall", "why",
    {"share": 1e-9, "gain": math.inf, "kind": "relu"},
)  # fmt: skip


def report(*findings: Finding) -> Report:
    return Report(chain(), findings)


def test_a_result_names_rule_level_and_line(tmp_path: Path) -> None:
    document = json.loads(sarif.render(report(FOUND), root=tmp_path))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["HW101"]
    (result,) = run["results"]
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("HW101", 0, "error")
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "src/train.py", "uriBaseId": "%SRCROOT%"}
    assert physical["region"] == {"startLine": 7}
    assert result["properties"]["evidence"] == {"share": 1e-9, "kind": "relu"}


def test_every_rule_can_be_shown_with_its_page() -> None:
    findings = [replace(FOUND, code=rule.code, name=rule.name, severity="info") for rule in RULES]
    rules = json.loads(sarif.render(report(*findings)))["runs"][0]["tool"]["driver"]["rules"]
    assert len(rules) == len(RULES) and all(rule["help"]["markdown"] for rule in rules)


def test_paths_outside_of_the_root_stay_whole_and_no_place_is_no_location(tmp_path: Path) -> None:
    elsewhere = replace(FOUND, where=Where("net", built=SourceLine("/opt/lib/model.py", 3)))
    nowhere = replace(FOUND, where=Where())
    first, second = json.loads(sarif.render(report(elsewhere, nowhere), root=tmp_path))["runs"][0]["results"]
    assert first["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "/opt/lib/model.py"}
    assert "locations" not in second


def test_annotations_are_escaped_as_github_reads_them(tmp_path: Path) -> None:
    line = github.render(report(FOUND, replace(FOUND, severity="info", where=Where())), root=tmp_path).splitlines()
    assert line[0] == "::error file=src/train.py,line=7,title=HW101 vanishing-gradient::50 %25: gone,%0Aall"
    assert line[1].startswith("::notice title=HW101")
