"""The site builds under --strict, is complete, leads nowhere false, and asks nobody for anything."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import headwater
from headwater.records import REMEDIES
from headwater.rules import RULES
from tests.docs.html import Html

OUTSIDE = re.compile(r"^(https?:)?//")


@cache
def page(path: Path) -> Html:
    return Html(path)


def pages(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if path.name != "404.html")


@pytest.mark.parametrize("known", RULES, ids=lambda known: known.code)
def test_each_code_has_a_page(site: Path, known: Any) -> None:
    words = " ".join(page(site / "codes" / f"{known.code}.html").words)
    assert known.name in words and "What it means" in words and "Thresholds" in words and "References" in words
    index = page(site / "codes" / "index.html")
    assert f"{known.code}.html" in index.links
    assert known.summary in " ".join(index.words)


def test_each_remedy_has_a_page(site: Path) -> None:
    index = page(site / "remedies" / "index.html")
    for code in REMEDIES:
        assert "When not" in " ".join(page(site / "remedies" / f"{code}.html").words), code
        assert f"{code}.html" in index.links


def test_the_public_names_are_in_the_reference(site: Path) -> None:
    anchors = {anchor for path in (site / "reference").glob("*.html") for anchor in page(path).anchors}
    for name in set(headwater.__all__) - {"__version__", "errors", "testing"}:
        assert {f"headwater.{name}.{name}", f"headwater.measure.trace.{name}"} & anchors, name
    assert {
        "headwater.testing.assert_gradient_flow",
        "headwater.errors.InputError",
        "headwater.report.Report",
    } <= anchors


def test_each_link_inside_leads_somewhere(site: Path) -> None:
    checked = 0
    for path in pages(site):
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme or OUTSIDE.match(link):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.relative_to(site)} links to {link}"
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in page(target).anchors, f"{path.relative_to(site)} links to {link}"
            checked += 1
    assert checked > 1000


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    assert len(pages(site)) > 90
    for path in [*pages(site), site / "404.html"]:
        assert page(path).loaded
        assert not [each for each in page(path).loaded if OUTSIDE.match(each)], path
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", text), path


def test_formulas_are_drawn_by_the_browser(site: Path) -> None:
    for path in pages(site):
        text = path.read_text(encoding="utf-8")
        assert 'class="arithmatex"' not in text, path
    assert (site / "concepts" / "mean-field.html").read_text(encoding="utf-8").count("<math") > 20


def test_no_list_or_table_is_left_as_text(site: Path) -> None:
    """Markdown for a terminal and Markdown for this site differ in what they take for a list."""
    for path in pages(site):
        text = path.read_text(encoding="utf-8")
        for paragraph in re.findall(r"<p>(.*?)</p>", text, re.DOTALL):
            assert not re.search(r"^\s*(- |\d\. |\| |```)", paragraph, re.MULTILINE), f"{path}: {paragraph}"


def test_opened_from_disk_it_asks_for_nothing_and_finds_what_is_searched(site: Path, browser: Any) -> None:
    context = browser.new_context(color_scheme="dark")
    tab = context.new_page()
    asked: list[str] = []
    failed: list[Any] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: failed.append(error))
    for name in ("index.html", "concepts/gain.html", "reference/functions.html"):
        tab.goto((site / name).as_uri())
        tab.wait_for_load_state("load")
    tab.locator("input.md-search__input").click()
    tab.locator("input.md-search__input").press_sequentially("epsilon")
    tab.wait_for_selector("a.md-search-result__link[href*='HW503']", state="attached")
    assert not failed
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert tab.evaluate("document.body.dataset.mdColorScheme") == "slate"
    context.close()


def test_no_page_is_wider_than_a_phone(site: Path, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800})
    tab = context.new_page()
    for path in pages(site)[::5]:
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= 400, path
    context.close()
