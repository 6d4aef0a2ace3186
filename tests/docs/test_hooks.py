"""The pages that are made from the code, made of small examples."""

from __future__ import annotations

import pytest

pytest.importorskip("mkdocs")

from docs.hooks import codes, command_line, formulas, navigation
from headwater.cli.app import app
from headwater.records import REMEDIES
from headwater.rules import RULES, rule


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("HW101", ("error", "warning", "info")),
        ("HW403", ("warning",)),
        ("HW505", ("warning", "info")),
        ("HW701", ("error",)),
    ],
)
def test_the_severities_are_those_that_the_rule_can_give(code: str, expected: tuple[str, ...]) -> None:
    assert codes.severities(rule(code)) == expected


def test_every_rule_has_a_severity_a_family_and_a_remedy() -> None:
    for known in RULES:
        assert codes.severities(known)
        assert known.code[:3] in codes.FAMILIES
        assert codes.remedies_of(known), known.code


def test_the_remedies_are_those_that_the_rule_names() -> None:
    assert codes.remedies_of(rule("HW604")) == ("match-shapes",)
    assert "[HW604 broadcast-loss](../codes/HW604.md)" in codes.remedy_page("match-shapes")


def test_prose_is_linked_and_code_is_not() -> None:
    text = "# HW101 here\nSee HW602, HW999 and `residual:zero`, not `HW602` or HW101.\n\n    HW602 = residual\n"
    linked = codes.linked(text, "HW101")
    assert linked == (
        "# HW101 here\nSee [HW602](../codes/HW602.md), HW999 and [`residual:zero`](../remedies/residual.md), "
        "not `HW602` or HW101.\n\n    HW602 = residual"
    )


def test_a_page_says_all_that_explain_says() -> None:
    for known in RULES:
        page = codes.finding_page(known)
        assert page.startswith(f"---\ntitle: {known.code} {known.name}\n---")
        for line in known.page.splitlines():
            assert not line.startswith("## ") or line in page
    assert set(codes.pages()) == (
        {"codes/index.md", "remedies/index.md"}
        | {f"codes/{known.code}.md" for known in RULES}
        | {f"remedies/{code}.md" for code in REMEDIES}
    )


def test_the_command_line_is_there_with_its_examples_as_code() -> None:
    text = command_line.tidied(command_line.written())
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"## `headwater {command.callback.__name__}`" in text
    assert "```console\n$ headwater run train.py --epochs 3\n" in text
    assert "* `--fail-on <error|warning|never>`" in text
    assert "Start with `headwater demo`" in text
    assert "--help" not in text.replace("--help-", "")


def test_formulas_become_mathml() -> None:
    html = formulas.with_mathml(
        '<p>So <span class="arithmatex">\\(a &lt; b_1\\)</span>.</p><div class="arithmatex">\\[c\\]</div>'
    )
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">' in html
    assert "<mo>&#x0003C;</mo>" in html and "<msub><mi>b</mi><mn>1</mn></msub>" in html
    assert '<div class="formula"><math' in html and 'display="block"' in html
    assert "arithmatex" not in html


TEXTS = {
    "index.md": "# Home",
    "guides/index.md": "# Guides\n[b](b.md), [a](a.md#there), [home](../index.md)",
    "guides/a.md": "# A",
    "guides/b.md": "# B",
    "guides/c.md": "# C",
    "guides/deep/d.md": "# D",
}


def test_a_folder_stands_for_its_pages_in_the_order_of_its_index() -> None:
    nav = [{"Home": "index.md"}, {"Guides": "guides/"}]
    pages = ["guides/index.md", "guides/b.md", "guides/a.md", "guides/c.md"]
    assert navigation.expanded(nav, TEXTS) == [{"Home": "index.md"}, {"Guides": pages}]


def test_a_readme_is_an_index_too() -> None:
    assert navigation.indices("studies/", TEXTS | {"studies/README.md": ""}) == ["studies/README.md"]
