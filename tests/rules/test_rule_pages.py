from __future__ import annotations

import re
from pathlib import Path

import pytest

import headwater.rules
from headwater.records import REMEDIES
from headwater.rules import RULES, Rule
from headwater.rules.judge import EXPLAINS

SECTIONS = ["What it means", "How it is measured", "Thresholds", "What to do", "What not to do", "References"]
SOURCES = sorted(Path(headwater.rules.__file__).parent.glob("*.py"))
CODES = {each.code for each in RULES}


@pytest.mark.parametrize("each", RULES, ids=lambda each: each.code)
def test_every_page_has_its_title_and_sections_in_order(each: Rule):
    assert each.page.startswith(f"{each.code} {each.name}: ")
    assert re.findall(r"^## (.+)$", each.page, re.MULTILINE) == SECTIONS
    bodies = re.split(r"^## .+$", each.page, flags=re.MULTILINE)
    assert all(len(body.strip()) > 20 for body in bodies)


def test_rules_are_named_for_the_file_that_they_stand_in():
    files = {path.stem.replace("_", "-") for path in SOURCES}
    assert {each.name for each in RULES} <= files


def test_every_code_that_is_mentioned_exists():
    for path in SOURCES:
        assert set(re.findall(r"HW\d{3}", path.read_text())) <= CODES, path.name
    assert set(EXPLAINS) <= CODES and {code for codes in EXPLAINS.values() for code in codes} <= CODES


def test_every_remedy_that_a_rule_names_exists():
    named = {word for path in SOURCES for word in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', path.read_text())}
    assert named - {each.name for each in RULES} <= set(REMEDIES)
