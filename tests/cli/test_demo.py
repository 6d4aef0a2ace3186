from functools import partial

import pytest

from headwater.study import demo as story
from tests.cli.test_app import run
from tests.report.fix.records import FIXED, NOTHING

pytest.importorskip("sklearn")


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(story, "run_chapter", partial(story.run_chapter, steps=20))
    monkeypatch.setattr(story, "STEPS", 20)
    monkeypatch.setattr(story, "run_fix", lambda data, **_: FIXED)
    monkeypatch.chdir(tmp_path)


@pytest.mark.long  # .ci/run has the real one besides
def test_the_demo_tells_the_story_and_writes_its_page(capsys, tmp_path):
    code, out, err = run(capsys, "demo")
    assert (code, err) == (0, "")
    for number, plan in enumerate(story.PLANS, 1):
        assert f"{number}. {plan.title}" in out
    assert "✓ Recommended: ReLU in place of sigmoid" in out
    assert "headwater check mine.py:network" in out
    assert (tmp_path / "headwater-demo.html").read_text().startswith("<!doctype html>")


def test_without_a_proved_fix_it_fails_and_the_page_goes_where_it_is_asked_to(capsys, monkeypatch, tmp_path):
    """It is this exit code that makes the demo of .ci/run, whose search is the real one, a check."""
    monkeypatch.setattr(story, "run_fix", lambda data, **_: NOTHING)
    code, out, _ = run(capsys, "demo", "--out", "story.html", "--data", "digits")
    assert code == 1 and "Recommended" not in out
    assert (tmp_path / "story.html").exists()
