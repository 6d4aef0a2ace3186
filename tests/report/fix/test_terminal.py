from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from headwater.records import FixRecord
from headwater.report.fix import terminal
from tests.report.fix.records import FIXED, RECORDS, candidate

GOLDEN = Path(__file__).parent / "golden"


def printed(record: FixRecord, width: int = 80, encoding: str = "utf-8", color: str | None = None) -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    terminal.render(record, Console(file=out, width=width, color_system=color, force_terminal=color is not None))  # type: ignore[arg-type]
    out.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [40, 80])
def test_text(name: str, width: int, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}-{width}.txt", printed(RECORDS[name], width))


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_lines_fit_but_for_source_and_end_without_spaces(name: str, width: int) -> None:
    record = replace(RECORDS[name], diff="", snippet="")
    for line in printed(record, width).splitlines():
        assert len(line) <= min(width, 100)
        assert line == line.rstrip()


def test_the_source_is_never_broken() -> None:
    line = "+" + "x" * 300
    diff = f"--- a\n+++ b\n@@ -0,0 +1 @@\n{line}\n"
    assert line in printed(replace(FIXED, diff=diff, snippet=line), 40).splitlines()
    assert f"    {line}" in printed(replace(FIXED, diff=diff, snippet=line), 40).splitlines()


def test_colour_changes_no_word() -> None:
    coloured = printed(FIXED, color="truecolor")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == printed(FIXED)
    assert re.search(r"\x1b\[32m\+ +layers \+= \[nn\.Linear\(64, 64\), nn\.ReLU", coloured)
    assert re.search(r"\x1b\[31m- +layers \+= \[nn\.Linear\(64, 64\), nn\.Sigmoid", coloured)


def test_ascii_where_the_encoding_has_no_more() -> None:
    text = printed(replace(FIXED, not_written=("naïve × 2",)), encoding="ascii")
    assert text.startswith("ok Recommended") and "na?ve x 2" in text


def test_markup_and_control_characters_of_the_user_are_shown_not_obeyed() -> None:
    evil = "[bold]x[/nope]\x1b[31m"
    record = replace(FIXED, snippet=evil, diff=evil, not_written=(evil,), measure=evil, reason=evil)
    each = candidate(evil, standing="recommended", says=evil, why=evil)
    text = printed(replace(record, candidates=(each, candidate(evil, standing="refused", why=evil))))
    assert "\x1b" not in text and text.count("[bold]x[/nope]�[31m") > 6


def test_a_long_ranking_says_how_much_is_left_out() -> None:
    many = tuple(candidate(f"remedy-{i}") for i in range(40))
    refused = tuple(candidate(f"other-{i}", standing="refused", why=f"reason {i}") for i in range(9))
    text = printed(replace(FIXED, candidates=many + refused))
    assert "and 28 candidates more" in text and "and 3 candidates more" in text  # 14 rows hold both references
    assert "remedy-11\n" in text and "remedy-12\n" not in text
