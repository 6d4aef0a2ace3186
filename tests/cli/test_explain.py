import json

import pytest

from headwater.rules import RULES
from tests.cli.test_app import run


def test_without_a_code_it_lists_every_rule(capsys):
    code, out, _ = run(capsys, "explain")
    assert code == 0
    assert "HW101" in out
    assert "vanishing-gradient" in out
    assert "HW701" in out


def test_the_list_as_json(capsys):
    _, out, _ = run(capsys, "explain", "--json")
    listed = json.loads(out)
    assert len(listed) == len(RULES)
    assert ("HW101", "vanishing-gradient") in [(rule["code"], rule["name"]) for rule in listed]
    assert all(rule["summary"].endswith(".") for rule in listed)


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
