"""What each line of the user's source costs, and how it is shown in a terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from headwater.records import GainParts, Layer, SourceLine, UnitsRecord
from headwater.report import Report
from headwater.report.lines import files_of, texts_now
from headwater.report.terminal import render_lines
from headwater.rules.explanation import line_costs
from tests.builders import layer, measurement

FILE = "net.py"
TEXT = "\n".join(f"line_{i} = {i}" for i in range(1, 41))


def network() -> tuple[Layer, ...]:
    """Ten layers that are built on line 5 and called on 9; sigmoids on line 9 follow them; a branch is built on 20."""
    parts = GainParts(0.25, 0.5, 1.0, 1.0)
    found: list[Layer] = []
    for i in range(10):
        toward, gain = (f"{i - 1}", 0.125) if i else (None, None)
        made = layer(f"{i}", i + 1, 0.125 ** (9 - i), gain, gain_parts=parts if i else None, toward=toward)
        found.append(replace(made, file=FILE, line=9, built=SourceLine(FILE, 5)))
    branch = layer("side", 5, 1.0, 2.0, branch=True, gain_parts=GainParts(1.0, 2.0, 1.0, 1.0))
    dead = layer("dead", 5, 1.0, 0.0, gain_parts=GainParts(0.0, 1.0, 1.0, 1.0))
    return (*found, replace(branch, built=SourceLine(FILE, 20)), replace(dead, file=FILE, line=30))


MADE = measurement(
    network(),
    units=tuple(
        UnitsRecord(f"a{i}", "sigmoid", "hidden", 8, 8, 0, 0, 0.5, f"{i}", file=FILE, line=9) for i in range(10)
    ),
)


def test_a_line_costs_what_its_operations_take_in_all_layers() -> None:
    (file,) = files_of(MADE, {})
    assert list(file.lines) == [5, 9, 20, 30]
    (weights,) = file.lines[5].costs
    assert (weights.what, weights.part, weights.amount) == ("Linear", "weights", 9)
    assert weights.factor == pytest.approx(0.5) and weights.decades == pytest.approx(9 * math.log10(0.5))
    assert weights.share == pytest.approx(math.log(0.5) / math.log(0.125))
    (sigmoid,) = file.lines[9].costs
    assert (sigmoid.what, sigmoid.amount) == ("sigmoid", 9) and sigmoid.factor == pytest.approx(0.25)
    assert sigmoid.share == pytest.approx(1 - weights.share) and file.lines[9].runs == 10
    (side,) = file.lines[20].costs
    assert side.branch and side.factor == pytest.approx(2.0) and side.decades > 0
    (dead,) = file.lines[30].costs
    assert dead.factor == 0 and dead.decades == -math.inf


def test_shares_of_all_lines_sum_to_one() -> None:
    trunk = [each for each in MADE.layers if not each.branch]
    lines = line_costs(MADE, trunk)
    assert sum(line.share for line in lines) == pytest.approx(1.0)
    assert [line.share for line in lines] == sorted((line.share for line in lines), reverse=True)
    assert line_costs(MADE, ()) == ()


def test_only_python_s_own_source_is_read(tmp_path: Path) -> None:
    secret, code = tmp_path / "secret.txt", tmp_path / "code.py"
    secret.write_text("password")
    code.write_text("x = 1\ny = 2\n")
    layers = [replace(layer(f"{i}", i + 1, 1.0), file=str(path), line=1) for i, path in enumerate((secret, code))]
    assert texts_now([measurement(layers)]) == {str(code): "x = 1\ny = 2\n"}


def printed(texts: dict[str, str], width: int = 80, encoding: str = "utf-8") -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    render_lines([Report(MADE, ())], texts, Console(file=out, width=width))
    out.seek(0)
    return out.read()


def test_the_terminal_shows_a_bar_beside_each_line() -> None:
    said = printed({FILE: TEXT})
    rows = {row[24:].split(" ")[0]: row for row in said.splitlines() if "line_" in row}
    lines = [row for row in said.splitlines() if "line_5 " in row or "line_9 " in row or "line_7 " in row]
    assert len(rows) >= 1 and len(lines) == 3
    five, seven, nine = lines
    assert five.count("█") < nine.count("█") == 12 and "█" not in seven
    assert "33 %" in five and "67 %" in nine and "sigmoid leaves 0.25 in each of 9" in nine
    assert "line_12" not in said and "…" in said  # far from all that has something to say
    assert "branch" in next(row for row in said.splitlines() if "line_20 " in row)
    assert all(len(row) <= 80 for row in said.splitlines()[2:])


def test_without_the_text_lines_are_numbered_only() -> None:
    said = printed({})
    assert "its text is not at hand" in said and "line_" not in said and "67 %" in said


def test_an_ascii_terminal_gets_ascii() -> None:
    assert printed({FILE: TEXT.replace("line_9", "größe")}, encoding="ascii").isascii()


def test_a_source_without_known_lines_says_so() -> None:
    out = io.StringIO()
    render_lines([Report(measurement((layer("0", 1, 1.0),)), ())], {}, Console(file=out, width=80))
    assert "No line of source is known." in out.getvalue()
