"""The real server's page in a real browser: a training is drawn as it goes, and strings stay strings."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.store import RunWriter
from tests.dashboard.served import FINDING, made, report
from tests.dashboard.test_serve import served
from tests.dashboard.test_stream import alive
from tests.pages import EVIL
from tests.report.page.test_browser import SHOWN, Opened
from tests.store.rows.made import figures


@pytest.mark.parametrize("view", ["history", "layer&a=conv.2"])
def test_a_training_is_drawn_as_it_goes_and_nothing_is_left_behind(tmp_path: Path, browser: Any, view: str) -> None:
    one, ended = alive(tmp_path / "x"), threading.Event()
    training = threading.Thread(target=_train, args=(one, ended))
    with served(tmp_path) as (host, port, _):
        site = f"http://{host}:{port}/"
        opened = Opened(browser, "light", 1280, site)
        asked: list[str] = []
        opened.page.on("request", lambda request: asked.append(request.url.partition("?")[0]))
        opened.page.goto(f"{site}#r=x&v={view}")
        opened.page.wait_for_selector(SHOWN.format(view.partition("&")[0]))
        training.start()
        try:
            counts = [_settled(opened, asked, times) for times in (3, 6)]
        finally:
            ended.set()
            training.join()
        (charts, memory), (charts_later, memory_later) = counts
        assert charts == charts_later > 0
        assert memory_later < memory + 2e6
        assert opened.complaints == []
        opened.page.close()


def _train(one: RunWriter, ended: threading.Event) -> None:
    """Adds rows ten times a second: news come faster than the page would draw each of them."""
    for first in range(20, 4000, 5):
        if ended.is_set():
            return
        rows = figures(range(first, first + 5), seed=first)
        one.append({key: [row.get(key) for row in rows] for key in rows[0] | rows[1]})
        one.flush()
        time.sleep(0.1)


def _settled(opened: Opened, asked: list[str], times: int) -> tuple[int, int]:
    """Charts in the page, and bytes that it holds, after it has asked so many times for the rows."""
    deadline = time.monotonic() + 60
    while sum(url.endswith("/series") for url in asked) <= times:
        assert time.monotonic() < deadline, asked
        opened.page.wait_for_timeout(100)
    opened.page.wait_for_timeout(500)
    return tuple(
        opened.page.evaluate("(gc(), [document.querySelectorAll('canvas').length, performance.memory.usedJSHeapSize])")
    )


def test_who_uses_a_control_is_not_disturbed_by_what_comes(tmp_path: Path, browser: Any) -> None:
    one, ended = alive(tmp_path / "x"), threading.Event()
    training = threading.Thread(target=_train, args=(one, ended))
    with served(tmp_path) as (host, port, _):
        opened = Opened(browser, "light", 1000, f"http://{host}:{port}/")
        page = opened.page
        page.goto(f"http://{host}:{port}/#r=x&v=history&s=grad_norm")
        page.wait_for_selector(SHOWN.format("history"))
        training.start()
        try:
            page.focus("select[aria-label=Statistic]")
            page.evaluate("globalThis.held = document.activeElement; scrollTo(0, 300)")
            before = page.get_attribute("#history-loss .canvas", "aria-label")
            page.wait_for_function(
                "said => document.querySelector('#history-loss .canvas').ariaLabel !== said", arg=before
            )
            assert page.evaluate("document.activeElement === held && scrollY === 300")
            page.goto(f"http://{host}:{port}/#r=x&v=layer&a=conv.2")
            page.wait_for_selector(SHOWN.format("layer"))
            page.fill("input[type=search]", "con")
            one.report(report().to_json())
            page.wait_for_timeout(1500)
            assert page.evaluate("[document.activeElement.tagName, document.activeElement.value]") == ["INPUT", "con"]
        finally:
            ended.set()
            training.join()
        assert opened.complaints == []
        page.close()


def test_runs_come_and_go_while_somebody_looks(tmp_path: Path, browser: Any) -> None:
    with served(tmp_path) as (host, port, _):
        site = f"http://{host}:{port}/"
        opened = Opened(browser, "light", 1000, site)
        page = opened.page
        page.goto(site)
        page.wait_for_selector(".runs :text('No run yet')")
        made(tmp_path / "x")
        page.click(".runs a")
        page.wait_for_selector(SHOWN.format("verdict"))
        page.click(".views a:text-is('Flow')")
        page.wait_for_selector(SHOWN.format("flow"))
        shutil.rmtree(tmp_path / "x")
        page.wait_for_selector(".top .chip:text-is('deleted')")
        assert page.locator("figure").count() == 2  # what is known of it stays
        assert opened.complaints == []
        page.click(".views a:text-is('History')")
        page.wait_for_selector("[role=alert] :text('no longer')")
        page.close()


def test_a_run_that_cannot_be_read_does_not_keep_others_from_being_compared(tmp_path: Path, browser: Any) -> None:
    for name in ("x", "y", "torn"):
        made(tmp_path / name)
    (tmp_path / "torn" / "run.json").write_text("{")
    with served(tmp_path) as (host, port, _):
        opened = Opened(browser, "light", 1000, f"http://{host}:{port}/")
        opened.page.goto(f"http://{host}:{port}/#r=x&v=compare&c=torn%0Ay%0Agone")
        opened.page.wait_for_selector(SHOWN.format("compare"))
        said = opened.page.locator("tbody tr").all_inner_texts()
        assert [row.split()[0] for row in said] == ["x", "torn", "y", "gone"]
        assert "run.json" in said[1] and "no longer" in said[3]
        assert opened.page.locator("#compare-loss .legend li").all_inner_texts() == ["x", "y"]
        opened.page.uncheck("label:has-text('torn') input")
        opened.page.wait_for_selector("tbody:not(:has(tr:nth-child(4)))")
        opened.page.close()


def test_every_string_of_a_run_stays_a_string(tmp_path: Path, browser: Any) -> None:
    where = replace(FINDING.where, module=EVIL, names=(EVIL,), file=EVIL, line=1)
    finding = replace(FINDING, message=EVIL, cause=EVIL, name=EVIL, where=where, evidence={EVIL: EVIL})
    folder = EVIL.replace("/", "_")
    one = made(tmp_path / folder, name=EVIL, finding=finding)
    models = (replace(one.info.models[0], name=EVIL, kind=EVIL),)
    one.update(host=EVIL, command=(EVIL,), git_commit=EVIL, models=models, optimizers={"": EVIL}, versions={EVIL: EVIL})
    with served(tmp_path) as (host, port, _):
        site = f"http://{host}:{port}/"
        opened = Opened(browser, "light", 1280, site)
        opened.page.goto(site)
        opened.page.click(".runs a")
        opened.page.wait_for_selector(SHOWN.format("verdict"))
        for view in ("flow", "source", "history", "layer", "remedies", "compare"):
            opened.page.goto(opened.page.url.partition("&v=")[0] + f"&v={view}")
            opened.page.wait_for_timeout(300)
        assert opened.page.query_selector_all("img, script:not([src])") == []
        assert opened.complaints == []
        opened.page.close()


def test_scripts_of_others_do_not_run_even_if_they_got_into_the_page(tmp_path: Path, browser: Any) -> None:
    made(tmp_path / "x")
    with served(tmp_path) as (host, port, _):
        site = f"http://{host}:{port}/"
        opened = Opened(browser, "light", 800, site)
        opened.page.goto(site)
        opened.page.wait_for_selector(".runs a")
        opened.page.evaluate(
            "() => { const e = document.createElement('script'); e.textContent = 'globalThis.hit = 1';"
            " document.body.append(e); document.body.insertAdjacentHTML('beforeend',"
            ' \'<img src=x onerror="globalThis.hit = 1"><iframe src="http://127.0.0.1:9"></iframe>\'); }'
        )
        opened.page.wait_for_timeout(500)
        assert opened.page.evaluate("globalThis.hit") is None
        assert any("Content Security Policy" in each for each in opened.complaints)
        opened.page.close()
