from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from headwater.records import SourceLine, Where
from headwater.report import Report
from tests.builders import chain, explanation, finding, findings, layer, measurement, residual, vanishing
from tests.pages import read_aloud

GOLDEN = Path(__file__).parent / "golden"
ODD = (0.0, 0.0, float("nan"), 1e-3, float("inf"))

REPORTS = {
    "vanishing": Report(vanishing(), findings()),
    "healthy": Report(residual(), ()),
    "residual": Report(residual(), (finding("HW402", "learning-rate-too-large", "warning", remedies=("lower-rate",)),)),
    "odd-numbers": Report(measurement(chain(ODD)), (finding("HW701", "non-finite"),)),
    "one-layer": Report(measurement((layer(signal=0.3),)), (finding(severity="info", evidence={}, remedies=()),)),
    "long": Report(vanishing(2000, 0.93), findings()[:1]),
    "no-layers": Report(measurement(), (finding("HW602", "zero-gradient", where=Where()),)),
}


def printed(report: Report, width: int = 80, encoding: str = "utf-8", color: str | None = None) -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    report.print(Console(file=out, width=width, color_system=color, force_terminal=color is not None))  # type: ignore[arg-type]
    out.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("name", REPORTS)
def test_text_at_80_columns(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.txt", printed(REPORTS[name]))


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_lines_fit_and_end_without_spaces(name: str, width: int) -> None:
    for line in printed(REPORTS[name], width).splitlines():
        assert len(line) <= max(width, 56)
        assert line == line.rstrip()


def test_ascii_where_the_encoding_has_no_more(golden: Callable[[Path, str], None]) -> None:
    report = Report(vanishing(), (finding(message="A share of 3 × 10 … arrives at naïve.", where=Where("层")),))
    golden(GOLDEN / "ascii.txt", printed(report, encoding="ascii"))


def test_colour_changes_no_word() -> None:
    coloured = printed(REPORTS["vanishing"], color="truecolor")
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == printed(REPORTS["vanishing"])


def test_markup_and_control_characters_of_the_user_are_shown_not_obeyed() -> None:
    name = "[bold]enc[/nope]\x1b[31m\n"
    text = printed(Report(measurement((layer(name, signal=0.3),)), (finding(message=name, where=Where(name)),)))
    assert "[bold]enc[/nope]�[31m" in text
    assert "\x1b" not in text


def test_a_long_path_stays_on_one_line() -> None:
    where = Where("model.layers.31.self_attention.query_projection", file="/somewhere/" + "deep/" * 20 + "m.py", line=7)
    text = printed(Report(vanishing(), (finding(where=where),)))
    assert f"at {where.file}:7, in {where.module}" in text


def test_a_file_in_the_working_directory_is_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    where = Where("0", file=str(tmp_path / "nets" / "deep.py"), line=3)
    assert "at nets/deep.py:3, in 0" in printed(Report(vanishing(), (finding(where=where),)))


def test_a_long_network_keeps_its_ends_and_its_worst_layer() -> None:
    layers = list(vanishing(200, 0.9).layers)
    layers[120] = replace(layers[120], gain=1e-4)
    text = printed(Report(measurement(layers), findings()), encoding="ascii")
    shown = [line.split()[0] for line in text.splitlines() if "#" in line]
    assert {"0", "1", "2", "120", "197", "198", "199"} <= set(shown)
    assert len(shown) <= 26


def test_findings_that_name_a_root_which_is_not_there_are_shown() -> None:
    text = printed(Report(vanishing(), (finding("HW302", "saturated-units", under="HW999"),)))
    assert "error HW302 saturated-units" in text


ACCOUNT = """\
  account                 measured  theory  share
            activation        0.24    0.24   73 %  sigmoid, train.py:8
            weights           0.59    0.58   27 %  most in 7, train.py:19
            mean layer        0.14    0.14
            Half of it is gone after 0.35 layers, 95 % after 1.5; twice as deep,
            4.4e-84 would arrive.
"""


def test_the_account_says_what_theory_predicts_and_what_depth_makes_of_it() -> None:
    text = printed(REPORTS["vanishing"])
    assert ACCOUNT in text
    assert "activation gain" not in text  # the account says it already
    alone = explanation(predicted=None, parts=explanation().parts[:1], half_depth=None)
    text = printed(Report(vanishing(), (finding(explanation=alone),)))
    assert "measured  share\n" in text and "theory" not in text and "mean layer" not in text and "Half" not in text


def test_an_exploding_gradient_grows_with_depth() -> None:
    grown = explanation(measured=4.0, half_depth=0.5, reach=2.2, attenuation_at_twice_the_depth=1e9)
    text = printed(Report(vanishing(), (finding(explanation=grown),)))
    said = "It doubles every 0.5 layers and grows twentyfold in 2.2; twice as deep, it would grow 1e9 times."
    assert said in " ".join(text.split())


LIBRARY = SourceLine("/venv/lib/python3.11/site-packages/timm/layers/mlp.py", 40)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (Where("0", file="a.py", line=3, built=SourceLine("b.py", 2)), "  built at b.py:2, called at a.py:3, in 0\n"),
        (Where("0", built=SourceLine("b.py", 2)), "  built at b.py:2, in 0\n"),
        (Where("0", file="a.py", line=3), "  at a.py:3, in 0\n"),
        (
            Where("0", (), "a.py", 3, (), LIBRARY, SourceLine("b.py", 2), LIBRARY),
            "  in 0\n  built at b.py:2 (timm/layers/mlp.py:40)\n  called at a.py:3 (timm/layers/mlp.py:40)\n",
        ),
        (Where("0", called_inside=LIBRARY), "  in 0\n  at timm/layers/mlp.py:40\n"),
        (Where(file="<ipython-input-4-ab12>", line=3), "  at In [4]:3\n"),
        (Where(file="/tmp/ipykernel_12/345.py", line=3), "  at notebook cell:3\n"),
    ],
)
def test_places_in_the_source(where: Where, said: str) -> None:
    assert said in printed(Report(vanishing(), (finding(where=where),)))


@pytest.mark.parametrize(
    ("steps", "said"),
    [((1343,), "step 1,343"), ((3, 4, 1350), "3 steps from 3 to 1,350"), ((), None)],
)
def test_a_watched_training_says_at_which_steps_it_was_measured(steps: tuple[int, ...], said: str | None) -> None:
    watched = Report(replace(vanishing(), judged_steps=steps, track=""), findings())
    for text in (printed(watched), read_aloud(watched.to_html())):
        assert (said in text) if said else "measured at" not in text
    probation = Report(replace(watched.measurement, track=None), findings())
    assert "measured at" not in printed(probation) + read_aloud(probation.to_html())
