import math
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from headwater.study.data import load_dataset
from headwater.study.demo import (
    PLANS,
    Chapter,
    Demo,
    print_chapter,
    print_demo,
    print_fix,
    run_chapter,
    save_demo,
)
from headwater.study.demo.text import gradient, moral, result, retries, setting
from headwater.study.training import Training
from tests.report.fix.records import FIXED

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def demo() -> Demo:
    data = load_dataset("digits")
    return Demo(data, 20, tuple(run_chapter(plan, data, steps=20) for plan in PLANS), FIXED)


def ended_at(chapter: Chapter, loss: float, accuracy: float = 0.5) -> Chapter:
    return replace(chapter, training=Training(0.1, (2.3,) * 50 + (loss,) * 50, accuracy, math.log(10)))


def test_each_outcome_has_its_sentence(demo):
    chapter = demo.chapters[0]
    assert result(ended_at(chapter, 0.05, 0.981)) == "It learns: loss 0.05, 98 % of the test images right."
    assert result(ended_at(chapter, 1.5)) == "It learns a little: loss 1.50, 50 % of the test images right."
    assert result(ended_at(chapter, 2.31, 0.1)).startswith("It learns nothing: the loss stays at 2.31")
    assert result(ended_at(chapter, math.nan)) == "It diverges: the loss ends at nan."


def test_the_rate_is_cleared_only_if_every_other_rate_failed(demo):
    chapter = ended_at(demo.chapters[0], 2.30)
    flat, good = chapter.training, ended_at(chapter, 0.05).training
    assert retries(replace(chapter, retries=())) is None
    assert "not to blame" in str(retries(replace(chapter, retries=(flat, flat))))
    assert "Another learning rate changes it" in str(retries(replace(chapter, retries=(flat, good))))


def test_the_gradient_is_told_in_the_measured_numbers(demo):
    deep = demo.chapters[1]
    assert deep.report.profile.gain is not None
    assert f"{100 * deep.report.profile.gain:.2g} % of the gradient" in str(gradient(deep))


def test_the_moral_is_drawn_only_if_the_numbers_do(demo):
    shallow, deep, *_ = demo.chapters
    good, bad = ended_at(shallow, 0.05), ended_at(deep, 2.30)
    assert "at least 0.076" in str(moral(replace(demo, chapters=(good, bad))))
    assert moral(replace(demo, chapters=(ended_at(shallow, 2.30), ended_at(deep, 0.05)))) is None
    assert moral(replace(demo, chapters=(good,))) is None


def test_the_terminal_fits_80_columns_without_colour(demo):
    out = StringIO()
    console = Console(file=out, width=80)
    console.print(setting(demo.data, demo.steps))
    for number, chapter in enumerate(demo.chapters, 1):
        print_chapter(console, number, chapter)
    print_demo(console, demo)
    print_fix(console, demo.fix)
    assert "\x1b" not in out.getvalue()
    assert max(len(line) for line in out.getvalue().splitlines()) <= 80
    assert "headwater.fix tries remedies" in out.getvalue() and "✓ Recommended" in out.getvalue()
    assert all(chapter.plan.title in out.getvalue() for chapter in demo.chapters)


def test_the_page_is_whole_and_loads_nothing(demo, tmp_path):
    save_demo(demo, tmp_path / "demo.html")
    page = (tmp_path / "demo.html").read_text()
    assert page.count('<section class="chapter') == len(PLANS)
    assert page.count("<iframe") == 1  # all reports in full, and the search for a fix
    assert all(chapter.plan.title in page.split("srcdoc=")[1] for chapter in demo.chapters)
    assert "Recommended: ReLU in place of sigmoid in 50 hidden layers" in page.split("<iframe")[0]
    outside_the_reports = page.split("<iframe")[0]
    assert "http://" not in outside_the_reports
    assert "https://" not in outside_the_reports
    assert "<script" not in outside_the_reports


def test_a_loss_that_is_no_number_is_drawn_too(demo, tmp_path):
    broken = replace(demo, chapters=(ended_at(demo.chapters[0], math.nan),))
    save_demo(broken, tmp_path / "demo.html")
    assert "nan" not in (tmp_path / "demo.html").read_text().split("polyline")[1].split("/>")[0]
    print_chapter(Console(file=StringIO(), width=80), 1, broken.chapters[0])
