"""The same front end over HTTP: runs, overview, history and series are asked for, a live one followed, errors told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from headwater.report import Report
from headwater.report.page import ASSETS, asset, overview
from headwater.report.page.history import history_of
from headwater.report.page.plain import plain
from headwater.store import StoredRun
from tests.pages import EVIL
from tests.report.page.test_browser import EMPTY, SHOWN, Opened

NAMES = ("digits", EVIL)
KINDS = {"js": "text/javascript", "css": "text/css", "html": "text/html; charset=utf-8"}


class Server:
    """Answers as the dashboard does, from one recorded run under two names."""

    def __init__(self, recorded: StoredRun) -> None:
        reports = [Report.from_json(text) for text in recorded.report_texts()]
        self.drawn = overview(reports, recorded) | {"tracks": [""], "layers": []}
        self.histories, self.series = history_of(recorded)
        self.asked: list[str] = []
        self.changed = threading.Event()
        self.is_broken = False
        self.slow: dict[str, float] = {}
        """Seconds after which something is answered, by a part of its path."""

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        time.sleep(max([seconds for part, seconds in self.slow.items() if part in path], default=0))
        if path == "/api/runs":
            words = query.get("search", [""])[0].split()
            runs = [{"id": each, "name": each, "status": "running", "live": True, "steps": 3} for each in NAMES]
            found = [run for run in runs if all(word in run["name"] for word in words)]
            return {
                "root": "runs",
                "total": len(found),
                "runs": [run | {"models": [], "verdict": self.drawn["reports"][0]["verdict"]} for run in found],
            }
        name, _, what = unquote(path.removeprefix("/api/runs/")).rpartition("/")
        if what in ("history", "series"):
            self.asked.append(f"{what}?{json.dumps(query, sort_keys=True)}")
        if what == "history":
            return next((each for each in self.histories if each["statistic"] == query["statistic"][0]), None)
        if what == "series":
            return self.series[0]
        name = f"{name}/{what}" if name else what
        return (
            {**self.drawn, "id": name, "run": {**self.drawn["run"], "name": name}}
            if name in NAMES and not self.is_broken
            else None
        )


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            name = "index.html" if address.path == "/" else address.path.removeprefix("/assets/")
            if address.path.endswith("/stream"):
                self._stream()
            elif name in ASSETS:
                self._send(200, KINDS[name.rpartition(".")[2]], asset(name))
            else:
                found = server.answer(address.path, parse_qs(address.query))
                said = {"error": f"There is no run {address.path}."} if found is None else plain(found)
                self._send(404 if found is None else 200, "application/json", json.dumps(said).encode())

        def do_HEAD(self) -> None:
            self._send(200, KINDS["html"], b"")

        def _send(self, status: int, kind: str, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(data)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            while server.changed.wait(20):
                server.changed.clear()
                change = {"last_step": 9, "status": "finished", "rows": True, "report": True, "events": True}
                self.wfile.write(f"event: changed\ndata: {json.dumps(change)}\n\n".encode())
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def served(recorded: StoredRun) -> Iterator[tuple[str, Server]]:
    server = Server(recorded)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/", server
    server.changed.set()
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def shown(browser: Any, served: tuple[str, Server]) -> Iterator[Opened]:
    opened = Opened(browser, "light", 1200, served[0])
    yield opened
    opened.page.close()
    assert opened.complaints == []


def test_from_the_list_of_runs_to_a_picture(shown: Opened, served: tuple[str, Server]) -> None:
    page = shown.page
    page.goto(served[0])
    page.wait_for_selector(".runs a")
    assert page.locator(".runs strong").all_inner_texts() == [NAMES[0], EVIL.replace("\u2028", "\u2028")]
    page.fill("input[type=search]", "digits alert")
    page.wait_for_selector(".runs :text('No run has all')")
    page.fill("input[type=search]", "digits")
    page.wait_for_selector("[role=status]:text-is('1 run')")
    page.click(".runs a")
    page.wait_for_selector(SHOWN.format("verdict"))
    page.click(".views a:text-is('History')")
    page.wait_for_selector(SHOWN.format("history"))
    assert page.locator("figure h2").first.inner_text() == "Loss"
    page.click(".brand")
    page.wait_for_selector(".runs a")


def test_zooming_asks_for_the_steps_in_view(shown: Opened, served: tuple[str, Server]) -> None:
    address, server = served
    shown.page.goto(f"{address}#r=digits&v=history&s=signal")
    shown.page.wait_for_selector(SHOWN.format("history"))
    before = len(server.asked)
    box = shown.page.locator("#history-signal .canvas").bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    shown.page.keyboard.down("Control")
    shown.page.mouse.wheel(0, -400)
    shown.page.keyboard.up("Control")
    shown.page.wait_for_timeout(600)
    (asked,) = [each for each in server.asked[before:] if each.startswith("history")][-1:]
    query = json.loads(asked.partition("?")[2])
    assert 0 < int(query["first"][0]) < int(query["last"][0])


def test_a_live_run_is_followed(shown: Opened, served: tuple[str, Server]) -> None:
    address, server = served
    server.drawn["run"]["status"] = "running"
    shown.page.goto(f"{address}#r=digits&v=verdict")
    shown.page.wait_for_selector(SHOWN.format("verdict"))
    assert shown.page.inner_text(".top .chip") == "live"
    server.drawn["run"]["status"] = "finished"
    server.changed.set()
    shown.page.wait_for_selector(".top .chip:text-is('finished')")


def test_names_of_runs_do_nothing_and_errors_are_sentences(browser: Any, served: tuple[str, Server]) -> None:
    opened = Opened(browser, "light", 500, served[0])
    opened.page.goto(served[0])
    opened.page.click(".runs a >> nth=1")
    opened.page.wait_for_selector(SHOWN.format("verdict"))
    assert opened.complaints == []
    opened.page.goto(f"{served[0]}#r=nowhere&v=flow")
    opened.page.wait_for_selector("[role=alert]")
    assert "There is no run /api/runs/nowhere." in opened.page.inner_text("[role=alert]")
    assert opened.page.locator(".views a").count() == 0 and opened.page.inner_text(".subject") == ""
    opened.page.close()
    assert [each for each in opened.complaints if "404" not in each] == []


def test_what_was_asked_for_before_is_not_drawn_over_what_is_asked_for_now(
    shown: Opened, served: tuple[str, Server]
) -> None:
    address, server = served
    server.slow = {"/series": 0.3}
    shown.page.goto(f"{address}#r=digits&v=verdict")
    shown.page.wait_for_selector(SHOWN.format("verdict"))
    shown.page.evaluate(
        "async () => { for (const view of ['history', 'flow', 'history', 'layer', 'history', 'flow']) {"
        " location.hash = `r=digits&v=${view}`; await new Promise((done) => setTimeout(done, 20)); } }"
    )
    shown.page.wait_for_selector(SHOWN.format("flow"))
    shown.page.wait_for_timeout(1500)
    assert shown.page.locator("figure").evaluate_all("all => all.map(each => each.id)") == [
        "flow-gradient",
        "flow-gain",
    ]


def test_a_run_that_answers_late_does_not_take_the_place_of_another(shown: Opened, served: tuple[str, Server]) -> None:
    address, server = served
    server.slow = {"/runs/digits": 0.6}
    shown.page.goto(f"{address}#r=digits")
    shown.page.evaluate("name => (location.hash = new URLSearchParams({ r: name }))", EVIL)
    shown.page.wait_for_selector(SHOWN.format("verdict"))
    shown.page.wait_for_timeout(1000)
    shown.page.keyboard.press("2")
    shown.page.wait_for_selector(SHOWN.format("flow"))
    assert shown.page.inner_text(".subject").startswith(EVIL[:30])


def test_news_that_cannot_be_had_are_not_the_last(browser: Any, served: tuple[str, Server]) -> None:
    address, server = served
    server.drawn["run"]["status"] = "running"
    opened = Opened(browser, "light", 1000, address)
    opened.page.goto(f"{address}#r=digits&v=verdict")
    opened.page.wait_for_selector(SHOWN.format("verdict"))
    opened.page.wait_for_timeout(300)
    server.is_broken = True
    server.changed.set()
    opened.page.wait_for_selector(".top .chip:text-is('not up to date')")
    server.is_broken = False
    server.drawn["run"]["status"] = "finished"
    server.changed.set()
    opened.page.wait_for_selector(".top .chip:text-is('finished')")
    opened.page.close()


def test_a_window_that_nobody_sees_keeps_no_connection(shown: Opened, served: tuple[str, Server]) -> None:
    address, server = served
    streams: list[str] = []
    shown.page.on("request", lambda request: streams.append(request.url) if "/stream" in request.url else None)
    shown.page.goto(f"{address}#r=digits&v=verdict")
    shown.page.wait_for_selector(SHOWN.format("verdict"))
    for hidden, status in (("true", "running"), ("false", "crashed")):
        server.drawn["run"]["status"] = status
        shown.page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ get: () => {hidden}, configurable: true }});"
            " document.dispatchEvent(new Event('visibilitychange'))"
        )
        shown.page.wait_for_timeout(300)
    assert len(streams) == 2
    server.changed.set()
    shown.page.wait_for_selector(".top .chip:text-is('crashed')")


def test_a_window_that_nobody_sees_says_that_it_is_there(shown: Opened, served: tuple[str, Server]) -> None:
    asked: list[str] = []
    shown.page.on("request", lambda request: asked.append(request.method))
    shown.page.clock.install()
    shown.page.goto(f"{served[0]}#r=digits&v=verdict")
    shown.page.wait_for_selector(SHOWN.format("verdict"))
    shown.page.clock.fast_forward(31_000)
    shown.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    assert "HEAD" not in asked  # its stream says it
    with shown.page.expect_request(lambda request: request.method == "HEAD"):
        shown.page.clock.fast_forward(31_000)


@pytest.mark.parametrize("view", ["history", "layer"])
def test_rows_that_come_are_drawn(shown: Opened, served: tuple[str, Server], view: str) -> None:
    address, server = served
    shown.page.goto(f"{address}#r=digits&v={view}")
    shown.page.wait_for_selector(SHOWN.format(view))
    before, figures = len(server.asked), shown.page.locator("figure").count()
    server.changed.set()
    shown.page.wait_for_timeout(1500)
    assert len(server.asked) > before and shown.page.locator("figure").count() == figures
    assert shown.page.evaluate(EMPTY) == []
    widths = shown.page.eval_on_selector_all(
        ".canvas", "boxes => boxes.map(b => b.clientWidth - b.querySelector('canvas').clientWidth)"
    )
    assert not any(widths)
