"""The demo as one HTML page that opens offline: the chapters side by side, the full reports and the fix below."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from headwater.report import page
from headwater.report.fix.words import cost, outcome
from headwater.study.demo.charts import loss_curve, profiles
from headwater.study.demo.fix import DEEP
from headwater.study.demo.story import Chapter, Demo
from headwater.study.demo.text import changed, diagnosis, fix_setting, moral, sentences, setting


def save_demo(demo: Demo, path: Path) -> None:
    """Writes the page of `demo` to `path`."""
    template = Template(files("headwater.study.demo").joinpath("demo.html").read_text(encoding="utf-8"))
    text = template.substitute(
        setting=escape(setting(demo.data, demo.steps)),
        chapters="\n".join(_card(number, chapter) for number, chapter in enumerate(demo.chapters, 1)),
        profiles=profiles(demo),
        moral=escape(moral(demo) or ""),
        fix=_fix(demo),
        reports=_full(demo),
    )
    path.write_text(text, encoding="utf-8")


def _card(number: int, chapter: Chapter) -> str:
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences(chapter))
    return (
        f'<section class="chapter {chapter.training.outcome}">'
        f"<h2>{number}. {escape(chapter.plan.title)}</h2>"
        f'<p class="change">{escape(changed(chapter))}</p>'
        f'<div class="accuracy">{100 * chapter.training.accuracy:.0f} % <small>of the test images right</small></div>'
        f"{loss_curve(chapter.training)}"
        f'<div class="said">{said}<p class="verdict">{escape(diagnosis(chapter))}</p></div></section>'
    )


def _fix(demo: Demo) -> str:
    said = outcome(demo.fix)
    return (
        f"<p>{escape(fix_setting(demo.fix))}</p>"
        f'<div class="outcome {said.tone}"><p class="verdict">{escape(said.headline)}</p>'
        f"<p>{escape(said.message)}</p><p>{escape(cost(demo.fix))}</p></div>"
    )


def _full(demo: Demo) -> str:
    """All reports in one page of their own, in a frame; the deep network's comes first, as the fix is about it."""
    chapters = sorted(demo.chapters, key=lambda chapter: chapter.plan.key != DEEP.key)
    reports = [chapter.report for chapter in chapters]
    return page.framed(
        page.render(*reports, fix=demo.fix, titles=[chapter.plan.title for chapter in chapters]),
        "The diagnoses in full, and the search for a fix",
    )
