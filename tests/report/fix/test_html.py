from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.records import ProfilePoint
from headwater.report.fix import html
from headwater.report.fix.curves import curves
from headwater.report.fix.profiles import moments, profiles, shares
from tests.builders import finding
from tests.pages import EVIL, Page, drawn_within, pictures, self_contained
from tests.report.fix.records import FIXED, HEALTHY, NOTHING, RECORDS, STEPS, after, candidate, trials

ODD_POINTS = (ProfilePoint("a", 1, 0.0), ProfilePoint("b", 2, float("nan")), ProfilePoint("c", 3, 1.0))
EVIL_RECORD = replace(
    FIXED,
    candidates=(
        candidate(EVIL, end=0.1, standing="recommended", says=EVIL, why=EVIL),
        candidate(EVIL, standing="refused", says=EVIL, why=EVIL),
    ),
    findings=(finding(EVIL, EVIL, message=EVIL),),
    measure=EVIL,
    diff=f"--- {EVIL}\n+++ b\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n",
    snippet=EVIL,
    not_written=(EVIL,),
    versions={EVIL: EVIL},
)
PAGES = RECORDS | {
    "evil": EVIL_RECORD,
    "negative": replace(FIXED, original=trials(end=-4.0)),
    "one step": replace(FIXED, original=trials(steps=1), control=(), candidates=()),
    "odd profile": replace(FIXED, before=replace(after(), points=ODD_POINTS)),
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_well_formed_and_asks_for_nothing(name: str) -> None:
    self_contained(html.render(PAGES[name]))


@pytest.mark.parametrize("name", PAGES)
def test_everything_drawn_lies_in_the_picture(name: str) -> None:
    drawn_within(html.render(PAGES[name]))


def test_names_of_the_user_are_inert_and_whole() -> None:
    page = Page(html.render(EVIL_RECORD))
    assert "img" not in page.tags()
    assert sum(EVIL in words for words in page.words) > 10


def test_the_diff_can_be_copied_as_it_is() -> None:
    source = re.findall(r'<pre class="source"[^>]*>(.*?)</pre>', html.render(FIXED), re.DOTALL)
    words = ["".join(Page(f"<pre>{each}</pre>").words) for each in source]
    assert words == [FIXED.diff, FIXED.snippet.rstrip("\n")]
    assert '<span class="added">+\t# tab\n</span>' in source[0]


def test_what_is_not_there_takes_no_room() -> None:
    text = html.render(HEALTHY)
    assert not pictures(text) and "<table" not in text and "<pre" not in text and "<section" not in text
    assert "The change" not in html.render(NOTHING)


def test_each_candidate_that_was_trained_has_a_curve_and_the_recommended_lies_on_top() -> None:
    shown = curves(FIXED)
    assert [each.kind for each in shown] == [*["other"] * 3, "control", "original", "recommended"]
    assert len(shown) == 6  # of 7, as what was lost at once has no finite loss
    points = shown[-1].points
    assert len(points) == 80 and 0 < points[0][0] < points[-1][0] < FIXED.steps
    # The line is the one training of 120 steps; those of 30, of which each seed lies 0.01 higher, widen the band there.
    early, late = points[10], points[-1]
    assert early[2] == early[1] < early[3]
    assert late[1] == late[2] == late[3] == pytest.approx(0.12 + 2.18 * math.exp(-4 * 118.5 / 120), rel=0.02)


def test_a_curve_that_falls_falls_on_the_page() -> None:
    wide = pictures(html.render(FIXED))[0]
    line = next(each for each in wide.iter("polyline") if each.attrib["class"] == "curve recommended")
    heights = [float(pair.split(",")[1]) for pair in line.attrib["points"].split()]
    assert heights == sorted(heights) and heights[-1] - heights[0] > 50


def test_what_diverges_does_not_flatten_the_others() -> None:
    diverging = replace(FIXED, original=trials(end=1e12))
    line = next(
        each
        for each in pictures(html.render(diverging))[0].iter("polyline")
        if each.attrib["class"] == "curve recommended"
    )
    heights = [float(pair.split(",")[1]) for pair in line.attrib["points"].split()]
    assert heights[-1] - heights[0] > 50


def test_the_gradient_before_and_after_are_shares_of_the_last() -> None:
    found = profiles(FIXED)
    assert list(found) == ["original", "recommended"]
    assert shares(found["original"].profile)[-1] == (50, 1.0)
    assert shares(found["recommended"].profile)[0] == (1, pytest.approx(0.02 / 0.0249))
    assert list(profiles(NOTHING)) == ["original"]


def test_both_are_taken_at_the_same_moment_where_that_can_be() -> None:
    assert moments(profiles(FIXED)) == (
        f"The original in the first steps, as diagnosed; the recommended one after {STEPS} steps."
    )
    late = replace(after(), slope=-0.1)
    trained = replace(FIXED, original=trials(end=2.3, seeds=1, profile=late))
    found = profiles(trained)
    assert found["original"].profile is late
    assert moments(found) == f"The original after {STEPS} steps; the recommended one after {STEPS} steps."
    assert moments(found) in html.render(trained)


def test_a_gradient_without_a_last_one_to_compare_with_is_not_drawn() -> None:
    lost = replace(after(), points=(ProfilePoint("a", 1, 1.0), ProfilePoint("b", 2, 0.0)))
    assert shares(lost) == () and profiles(replace(NOTHING, before=lost)) == {}


def test_save(tmp_path: Path) -> None:
    path = html.save(FIXED, str(tmp_path / "fix.html"))
    assert path.read_text(encoding="utf-8") == html.render(FIXED)
    with pytest.raises(InputError, match="There is no folder"):
        html.save(FIXED, tmp_path / "nowhere" / "fix.html")
