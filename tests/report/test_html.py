from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.records import CostlyLine, GainParts, PartExplained, SourceLine, Where
from headwater.report import Report
from tests.builders import chain, explanation, finding, findings, layer, measurement, residual, vanishing
from tests.pages import EVIL, Page, drawn_within, pictures, self_contained

ODD = measurement(
    (
        *chain([0.0, 0.0, math.nan, 1e-3, math.inf]),
        layer("lone", 3, None),
        layer("zero", 4, 0.0, 0.0, branch=True, gain_parts=GainParts(0.0, 2.0, math.inf, math.nan)),
    )
)
REPORTS = {
    "vanishing": Report(vanishing(), findings()),
    "healthy": Report(residual(), ()),
    "odd": Report(ODD, (finding(),)),
    "one": Report(measurement(chain([0.3])), ()),
    "none": Report(measurement(), ()),
    "long": Report(vanishing(2000, 0.93), findings()),
    "evil": Report(
        measurement(chain([0.1, 0.2, 0.4], prefix=EVIL), model=EVIL, versions={EVIL: EVIL}, device=EVIL),
        (
            finding(
                EVIL,
                EVIL,
                where=Where(EVIL, (EVIL,), EVIL, 1, (), SourceLine(EVIL, 2), SourceLine(EVIL, 3), SourceLine(EVIL, 4)),
                message=EVIL,
                cause=EVIL,
                evidence={EVIL: EVIL},
                explanation=explanation(
                    parts=(PartExplained(EVIL, 0.0, math.nan, math.inf), PartExplained("weights", math.inf, 0.0, -1.0)),
                    lines=(CostlyLine(EVIL, EVIL, (EVIL,), 0.5, 0.1, SourceLine(EVIL, 5)),),
                ),
            ),
            finding(message=EVIL, under=EVIL, remedies=(EVIL,)),
            finding(message=EVIL, remedies=(EVIL,)),
        ),
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_well_formed_and_asks_for_nothing(name: str) -> None:
    self_contained(REPORTS[name].to_html())


def test_names_of_the_user_are_inert_and_whole() -> None:
    page = Page(REPORTS["evil"].to_html())
    assert "img" not in page.tags()
    assert sum(EVIL in words for words in page.words) > 10


@pytest.mark.parametrize("name", REPORTS)
def test_everything_drawn_lies_in_the_picture(name: str) -> None:
    drawn_within(REPORTS[name].to_html())


def test_marks_stand_where_the_logarithm_puts_them() -> None:
    signals = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    wide = pictures(Report(measurement(chain(signals)), ()).to_html())[0]
    heights = [float(mark.attrib["cy"]) for mark in wide.iter("circle")]
    steps = [low - high for low, high in itertools.pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 4, abs=0.05) and steps[0] > 0


def test_factors_stack_to_the_gain() -> None:
    parts = GainParts(0.5, 0.2, 1.0, 1.0)
    made = measurement((layer("a", 1, 0.1), layer("b", 2, 1.0, 0.1, gain_parts=parts)))
    gains = pictures(Report(made, ()).to_html())[2]
    rects = [element.attrib for element in gains.iter("rect")]
    total = next(line for line in gains.iter("line") if line.attrib["class"] == "total")
    assert [rect["class"] for rect in rects] == ["activation", "weights"]
    assert float(rects[1]["y"]) == pytest.approx(float(rects[0]["y"]) + float(rects[0]["height"]), abs=0.02)
    bottom = float(rects[1]["y"]) + float(rects[1]["height"])
    assert bottom == pytest.approx(float(total.attrib["y1"]), abs=0.02)
    assert float(rects[1]["height"]) / float(rects[0]["height"]) == pytest.approx(math.log(5) / math.log(2), rel=0.01)


def test_zero_and_what_is_no_number_are_marked() -> None:
    said = {element.text for picture in pictures(REPORTS["odd"].to_html()) for element in picture.iter("text")}
    assert {"0", "NaN", "∞"} <= said


def test_long_networks_are_thinned_but_their_table_is_whole() -> None:
    text = REPORTS["long"].to_html()
    assert text.count("<circle") < 20
    assert text.count("<rect") < 1300
    assert text[text.index("<details") :].count("<tr>") == 2001
    assert len(text) < 1_500_000


def test_findings_and_consequences() -> None:
    page = Page(REPORTS["vanishing"].to_html())
    words = " ".join(page.words)
    for said in ("HW101", "HW103", "HW302", "train.py:12", "update contrast", "headwater explain HW101"):
        assert said in words
    assert [tag for tag, _ in page.elements].count("article") == 1


def test_prediction_stands_beside_measurement() -> None:
    text = REPORTS["vanishing"].to_html()
    rows = re.findall(r"<tr.*?</tr>", text[text.index('<table class="account">') :].partition("</table>")[0])
    said = [re.sub(r"(<[^>]*>)+", "|", re.sub("<svg.*?</svg>", "", row)).strip("|") for row in rows]
    assert said == [
        "measured|theory|share",
        "activation|sigmoid, |train.py:8|0.24|0.24|73 %",
        "weights|most in 7, |train.py:19|0.59|0.58|27 %",
        "mean layer|0.14|0.14",
    ]
    assert "Half of it is gone after 0.35 layers, 95 % after 1.5; twice as deep, 4.4e-84 would arrive." in text


def test_bars_of_the_parts_add_up_to_that_of_the_layer() -> None:
    drawn = [p for p in pictures(REPORTS["vanishing"].to_html()) if "share" in p.attrib["class"]]
    lengths = [float(next(p.iter("rect")).attrib["width"]) for p in drawn]
    assert len(lengths) == 3 and lengths[0] + lengths[1] == pytest.approx(lengths[2], rel=0.01)


def test_a_notebook_shows_the_page_in_a_frame_of_its_own() -> None:
    report = REPORTS["evil"]
    frame = Page(report._repr_html_())
    assert [tag for tag, _ in frame.elements] == ["iframe"]
    assert frame.elements[0][1]["srcdoc"] == report.to_html()


def test_a_console_shows_one_line() -> None:
    assert repr(REPORTS["healthy"]).endswith(": nothing found>")
    leading = REPORTS["vanishing"].leading
    assert leading is not None and f"{leading.code} {leading.name}, error>" in repr(REPORTS["vanishing"])


def test_save(tmp_path: Path) -> None:
    path = REPORTS["healthy"].save_html(str(tmp_path / "report.html"))
    assert path.read_text(encoding="utf-8") == REPORTS["healthy"].to_html()


def test_the_verdict_leads() -> None:
    warning = replace(REPORTS["vanishing"], findings=(finding(severity="warning"),))
    heads = [re.search("<h1>(.*?)</h1>", report.to_html()) for report in (*list(REPORTS.values())[:2], warning)]
    assert [head and head[1] for head in heads] == [
        "Kept from learning: vanishing gradient (HW101)",
        "Healthy",
        "At risk: vanishing gradient (HW101)",
    ]
