import json

import pytest

from headwater.records import REMEDIES
from headwater.remedies import answering
from headwater.rules import RULES
from tests.cli.test_app import run


def test_without_a_code_it_lists_every_rule_and_every_remedy(capsys):
    code, out, _ = run(capsys, "explain")
    assert code == 0
    assert "HW101" in out
    assert "vanishing-gradient" in out
    assert "HW701" in out
    assert all(code in out for code in REMEDIES)


def test_the_list_as_json(capsys):
    _, out, _ = run(capsys, "explain", "--json")
    listed = json.loads(out)
    assert len(listed) == len(RULES) + len(REMEDIES)
    assert ("HW101", "vanishing-gradient") in [(rule["code"], rule["name"]) for rule in listed]
    assert all(rule["summary"].endswith(".") for rule in listed[: len(RULES)])
    assert listed[-1] == {"code": "find-non-finite", "name": "find-non-finite", "summary": REMEDIES["find-non-finite"]}


@pytest.mark.parametrize("asked", ["HW101", "hw101", "vanishing-gradient"])
def test_a_page(capsys, asked):
    code, out, _ = run(capsys, "explain", asked)
    assert code == 0
    assert "vanishing-gradient" in out


def test_a_page_as_json(capsys):
    _, out, _ = run(capsys, "explain", "HW101", "--json")
    page = json.loads(out)
    assert (page["code"], page["name"]) == ("HW101", "vanishing-gradient")
    assert "gradient" in page["page"]


def test_an_unknown_code_exits_with_2(capsys):
    code, out, err = run(capsys, "explain", "HW999")
    assert (code, out) == (2, "")
    assert "HW999" in err


@pytest.mark.parametrize("asked", ["standardise-inputs", "Standardise-Inputs"])
def test_a_remedys_page(capsys, asked):
    code, out, _ = run(capsys, "explain", asked)
    assert code == 0
    assert "standardise-inputs (safe)" in out
    assert "When not" in out


def test_remedies_of_one_code_share_a_heading_where_they_share_a_page(capsys):
    _, out, _ = run(capsys, "explain", "match-loss", "--json")
    page = json.loads(out)["page"]
    assert page.startswith("# match-loss:sigmoid, match-loss:log-softmax (unsafe)\n\nMake the output")
    assert page.count("## Safety") == len({each.page for each in answering("match-loss")}) == 1


def test_one_variants_page(capsys):
    _, out, _ = run(capsys, "explain", "init-matched:attention", "--json")
    assert json.loads(out)["page"].startswith("# init-matched:attention (safe)\n\nDraw anew")


def test_an_unknown_variant_exits_with_2(capsys):
    code, _, err = run(capsys, "explain", "match-loss:softmax")
    assert code == 2
    assert "match-loss:softmax" in err
