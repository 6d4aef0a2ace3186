"""Every view in a real browser: nothing fails, nothing is cut off, nothing of the user's names runs."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from headwater.records import GainParts
from headwater.report import Report
from headwater.report.page import document
from headwater.report.page.assets import VIEWS
from headwater.store import StoredRun
from tests.builders import chain, measurement
from tests.pages import EVIL, carried
from tests.report.fix.records import FIXED
from tests.report.page.conftest import STEPS
from tests.report.page.examples import REPORTS, magnitudes

PAGES = ("recorded", "one", "long", "odd", "evil", "fix", "none")
LOOKS = (("light", 400), ("dark", 400), ("light", 1600), ("dark", 1600))
SHOWN = "main[data-drawn='{}']"
OF_PAGE = {
    "recorded": set(VIEWS) - {"time"},
    "one": {"verdict", "flow", "source", "layer"},
    "long": {"verdict", "flow", "source", "layer", "remedies"},
    "odd": set(VIEWS) - {"compare"},
    "evil": set(VIEWS),
    "fix": {"verdict", "remedies"},
    "none": {"verdict"},
}


class Opened:
    """A page in the browser, and all that it complained of."""

    def __init__(self, browser: Any, scheme: str, width: int, site: str = "file:") -> None:
        self._own = (site, "data:", "blob:")
        self.complaints: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog"), dialog.dismiss()))
        self.page.on("request", self._request)

    def show(self, address: str, view: str, more: str = "") -> None:
        self.page.goto(f"{address}#v={view}{more}")
        self.page.wait_for_selector(SHOWN.format(view))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self._own):
            self.complaints.append(request.url)


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Any:
    scheme, width = getattr(request, "param", ("light", 1280))
    shown = Opened(browser, scheme, width)
    yield shown
    shown.page.close()
    assert shown.complaints == []


def views(page: Any) -> set[str]:
    links = page.eval_on_selector_all(".views a", "links => links.map(link => link.getAttribute('href'))")
    return {dict(part.split("=", 1) for part in link[1:].split("&"))["v"] for link in links}


@pytest.mark.parametrize(
    ("name", "opened"),
    [(name, look) for name in PAGES for look in (LOOKS if name in ("recorded", "evil") else LOOKS[1:3])],
    ids=str,
    indirect=["opened"],
)
def test_every_view_is_drawn(name: str, opened: Opened, written: Callable[[str], str]) -> None:
    address = written(name)
    opened.show(address, "verdict")
    assert views(opened.page) == OF_PAGE[name]
    for view in VIEWS:
        if view not in OF_PAGE[name]:
            continue
        opened.show(address, view)
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} is cut off"
        assert opened.page.evaluate(EMPTY) == [], f"a figure of {view} is empty"
        for figure in opened.page.query_selector_all("figure"):
            said = [figure.query_selector(part).inner_text().strip() for part in ("h2", ".unit", "figcaption")]
            assert all(said), f"{view}: a figure names its title, unit and definition, {said}"


EMPTY = """[...document.querySelectorAll('.canvas')].filter(box => {
    const canvas = box.querySelector('canvas');
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let inked = 0;
    for (let i = 3; i < data.length; i += 4) inked += data[i] > 0;
    return inked < 400;
}).map(box => box.getAttribute('aria-label'))"""


def test_a_recurrent_network_has_its_view(opened: Opened, written: Callable[[str], str]) -> None:
    opened.show(written("recorded"), "time", "&o=1")
    assert opened.page.locator("figure h2").all_inner_texts() == ["rnn (RNN)", "gru (GRU, layer 2, in reverse)"]
    assert "one memory horizon back" in opened.page.inner_text("figure >> nth=0")


@pytest.mark.parametrize(
    ("name", "some"),
    [("recorded", OF_PAGE["recorded"]), ("evil", {"verdict", "history"}), ("odd", {"flow", "history"})],
)
def test_every_figure_can_be_saved(
    name: str, some: set[str], opened: Opened, written: Callable[[str], str], tmp_path: Path
) -> None:
    address = written(name)
    seen: set[str] = set()
    for view in sorted(some):
        opened.show(address, view)
        for figure in [each.get_attribute("id") for each in opened.page.query_selector_all("figure")]:
            opened.page.reload()  # a browser asks before a page saves more than ten files
            opened.page.wait_for_selector(SHOWN.format(view))
            for kind in ("SVG", "CSV") if seen else ("SVG", "CSV", "PNG"):
                with opened.page.expect_download() as download:
                    opened.page.click(f"#{figure} button:text-is('{kind}')")
                path = tmp_path / download.value.suggested_filename
                download.value.save_as(path)
                _check(path, kind, opened.page.inner_text(f"#{figure} h2"))
            seen.add(figure)
    assert len(seen) > len(some)


def _check(path: Path, kind: str, title: str) -> None:
    data = path.read_bytes()
    if kind == "PNG":
        assert data.startswith(b"\x89PNG") and len(data) > 10_000
    elif kind == "SVG":
        root = ElementTree.fromstring(data)
        tags = {each.tag.rpartition("}")[2] for each in root.iter()}
        assert not tags & {"script", "foreignObject", "a"} and tags & {"path", "image"}
        assert "".join(root.itertext()).count(title[:40]) >= 1
        assert not [key for each in root.iter() for key in each.attrib if key.startswith("on")]
    else:
        rows = list(csv.reader(data.decode().splitlines()))
        assert len({len(row) for row in rows if row}) == 1 and len(rows) > 1


def test_what_is_saved_is_what_was_measured(opened: Opened, written: Callable[[str], str], recorded: StoredRun) -> None:
    report = Report.from_json(recorded.report_texts()[0])
    opened.show(written("recorded"), "verdict")
    rows = _csv(opened.page, "gradient")
    last = report.profile.points[-1].signal
    shares = {row[1]: float(row[3]) for row in rows if row[0] == "measured"}
    assert shares == {p.name: pytest.approx(p.signal / last, rel=1e-3) for p in report.profile.points}
    after = [float(row[3]) for row in rows if row[0] == "after the fix"]
    profile = FIXED.candidates[0].trials[-1].profile
    assert profile is not None and after[0] == pytest.approx(
        profile.points[0].signal / profile.points[-1].signal, rel=1e-3
    )


def test_marks_stand_where_the_logarithm_puts_them(
    opened: Opened, written: Callable[[str], str], tmp_path: Path
) -> None:
    opened.show(written("recorded"), "flow")
    with opened.page.expect_download() as download:
        opened.page.click("#flow-gradient button:text-is('SVG')")
    download.value.save_as(tmp_path / "flow.svg")
    drawn = ElementTree.parse(tmp_path / "flow.svg")
    line = max(
        (
            path.attrib["d"]
            for path in drawn.iter("{http://www.w3.org/2000/svg}path")
            if path.attrib.get("stroke") == "#0072b2"
        ),
        key=lambda d: d.count("L"),
    )
    heights = [float(pair.split()[1]) for pair in line.replace("M", "").split("L")]
    signals = [float(row[3]) for row in _csv(opened.page, "flow-gradient")]
    assert len(heights) == len(signals)
    decades = [math.log10(signal) for signal in signals]
    slope = (heights[-1] - heights[0]) / (decades[-1] - decades[0])
    for height, decade in zip(heights, decades, strict=True):
        assert height == pytest.approx(heights[0] + slope * (decade - decades[0]), abs=0.5)


def _csv(page: Any, figure: str) -> list[list[str]]:
    with page.expect_download() as download:
        page.click(f"#{figure} button:text-is('CSV')")
    return list(csv.reader(Path(download.value.path()).read_text().splitlines()))[1:]


def test_a_name_that_is_a_formula_stays_a_name(opened: Opened, tmp_path: Path) -> None:
    prefix = "-1+1|x"
    (tmp_path / "page.html").write_text(Report(measurement(chain([0.1, 0.2], prefix=prefix)), ()).to_html())
    opened.show((tmp_path / "page.html").as_uri(), "flow")
    cells = [cell for row in _csv(opened.page, "flow-gradient") for cell in row]
    assert [cell for cell in cells if prefix in cell] == [f"'{prefix}0", f"'{prefix}1"]
    assert all(cell == "" or cell.isalpha() or float(cell) > 0 for cell in cells if prefix not in cell)


def test_a_name_with_a_letter_that_xml_has_not_can_be_saved(opened: Opened, tmp_path: Path) -> None:
    name = "a\x01\udcffb"
    report = Report(measurement(chain([0.1, 0.2], prefix=name), magnitudes=magnitudes(f"{name}1"), model=name), ())
    report.save_html(tmp_path / "page.html")
    opened.show((tmp_path / "page.html").as_uri(), "layer", "&a=a%01?b1")
    for kind in ("SVG", "PNG"):
        with opened.page.expect_download() as download:
            opened.page.click(f"#layer-magnitudes button:text-is('{kind}')")
        path = tmp_path / kind
        download.value.save_as(path)
        _check(path, kind, "Magnitudes in a")


def test_one_layer_that_lets_nothing_pass_does_not_hide_what_the_others_do(opened: Opened, tmp_path: Path) -> None:
    layers = list(chain([0.1, 0.2, 0.4, 0.8]))
    layers[2] = replace(layers[2], gain=0.0, gain_parts=GainParts(0.0, 1.5, 1.0, 1.0))
    (tmp_path / "page.html").write_text(Report(measurement(tuple(layers)), ()).to_html())
    opened.show((tmp_path / "page.html").as_uri(), "flow")
    with opened.page.expect_download() as download:
        opened.page.click("#flow-gain button:text-is('SVG')")
    words = [each.text for each in ElementTree.parse(download.value.path()).iter() if each.tag.endswith("text")]
    assert {"0", "0.5", "1"} <= set(words) and not [word for word in words if word and word.startswith("10⁻")]


def test_colours_stand_at_the_steps_of_their_looks(opened: Opened, pages: dict[str, str], tmp_path: Path) -> None:
    data = carried(pages["recorded"])
    of = {"statistic": "signal", "track": "", "first": 0, "last": 99, "layers": ["0", "1"]}
    data["history"] = [of | {"steps": [4, 10, 90], "values": [[1.0, 1e-3, 1e-6], [1.0, None, 1e-6]]}]
    text = document(data["overview"], data["history"], data["series"])
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    opened.show((tmp_path / "page.html").as_uri(), "history", "&s=signal")
    places = [(row, step) for row in (0, 1) for step in (1, 6, 12, 80, 95)]
    found = opened.page.evaluate(COLOURS_AT, [[step, row] for row, step in places])
    colours = dict(zip(places, map(tuple, found), strict=True))
    assert colours[0, 12] == colours[0, 80] and len({colours[0, step] for step in (1, 6, 12, 95)}) == 4
    assert colours[1, 6] == colours[1, 12] == colours[1, 80] == colours[0, 6] and colours[1, 95] == colours[0, 95]


COLOURS_AT = """places => {
    const canvas = document.querySelector('#history-signal .canvas canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return places.map(([step, row]) => {
        const x = Math.round(118 + ((canvas.width - 118 - 16) * (step + 0.5)) / 100);
        const y = Math.round(10 + (canvas.height - 72) * (row ? 0.25 : 0.75));
        return [...data.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 4)];
    });
}"""


def test_names_are_shown_and_do_nothing(opened: Opened, written: Callable[[str], str]) -> None:
    address = written("evil")
    shown = EVIL.replace("\u2028", " ")
    for view in VIEWS:
        opened.show(address, view)
        assert opened.page.query_selector("img") is None
        assert opened.page.evaluate("document.scripts.length") == 3
    opened.show(address, "verdict")
    assert shown in opened.page.inner_text("h1") or shown in opened.page.inner_text("main")


@pytest.mark.parametrize(
    ("happened", "says"),
    [
        ([("raised", 3)], ("step 3", "It stands after 60 steps.")),
        ([("raised", 3), ("healed", 9)], ("step 3", "It healed at step 9.")),
        (
            [("raised", 3), ("healed", 9), ("raised", 20)],
            ("step 20", "stands after 60 steps. It rose 2 times, first at"),
        ),
        ([], ("just now", "when two verdicts in a row agree")),
    ],
)
def test_since_when_a_finding_stands(
    opened: Opened, pages: dict[str, str], tmp_path: Path, happened: list[tuple[str, int]], says: tuple[str, str]
) -> None:
    drawn = carried(pages["recorded"])["overview"]
    one = drawn["events"][0]
    drawn["events"] = [one | {"code": "HW101", "event": event, "step": step} for event, step in happened]
    (tmp_path / "page.html").write_text(document(drawn), encoding="utf-8")
    opened.show((tmp_path / "page.html").as_uri(), "verdict")
    said = opened.page.inner_text(".answer:has(h2:text-is('Since'))")
    assert all(each in said for each in says), said


def test_the_keyboard_leads_through_the_page(opened: Opened, written: Callable[[str], str]) -> None:
    opened.show(written("recorded"), "verdict")
    opened.page.keyboard.press("2")
    opened.page.wait_for_selector(SHOWN.format("flow"))
    before = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.page.keyboard.press("t")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement !== document.body")
    opened.page.click("#flow-gain canvas", position={"x": 400, "y": 60})
    opened.page.wait_for_selector(SHOWN.format("layer"))


def test_a_picture_of_many_layers_is_read_by_pointing(opened: Opened, written: Callable[[str], str]) -> None:
    opened.show(written("recorded"), "history", "&s=signal")
    box = opened.page.locator("#history-signal .canvas").bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    top = opened.page.inner_text(".readout")
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 75)
    bottom = opened.page.inner_text(".readout")
    values = [float(said.rpartition("·")[2].replace("−", "-")) for said in (top, bottom)]
    assert values[0] > 1e3 * values[1]  # the gradient dies on its way down to the input
    opened.page.focus("#history-signal .canvas")
    walked = ""
    for _ in range(3):
        opened.page.keyboard.press("ArrowDown")
        said = opened.page.inner_text(".readout")
        assert said != walked  # the first press marks the output, the next ones go down from there
        walked = said
    assert opened.page.is_visible(".cross")
    firsts: list[int] = []
    for key in ("+", "-"):
        opened.page.keyboard.press(key)
        opened.page.mouse.move(box["x"] + 122, box["y"] + 20 + len(firsts))
        firsts.append(int(opened.page.inner_text(".readout").partition("step ")[2].split()[0]))
    assert firsts[0] >= STEPS // 4 and firsts[1] <= 5  # half of the steps, around the mark; then all of them again
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("ArrowUp")
    assert opened.page.inner_text(".readout") == walked
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector(SHOWN.format("layer"))
    assert opened.page.input_value("input[type=search]") == walked.partition(" ")[0]
    opened.page.go_back()
    opened.page.wait_for_selector(SHOWN.format("history"))
    opened.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    opened.page.wait_for_selector(SHOWN.format("layer"))


def test_it_reads_without_scripts_and_in_a_notebook(browser: Any, tmp_path: Path) -> None:
    report = REPORTS["vanishing"]
    (tmp_path / "page.html").write_text(report.to_html(), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((tmp_path / "page.html").as_uri())
    assert "Kept from learning" in plain.inner_text("h1") and "HW103" in plain.inner_text("main")
    context.close()
    (tmp_path / "notebook.html").write_text(
        f"<style>h1 {{ color: rgb(1, 2, 3) !important }}</style><h1>Mine</h1>"
        f"<div style='height: 3000px'></div>{report._repr_html_()}",
        encoding="utf-8",
    )
    notebook = Opened(browser, "light", 1000)
    notebook.page.goto((tmp_path / "notebook.html").as_uri())
    frame = notebook.page.frame_locator("iframe")
    frame.locator(SHOWN.format("verdict")).wait_for()
    assert notebook.page.evaluate("scrollY") == 0, "the page around it was scrolled"
    frame.locator(".views a:text-is('Flow')").click()
    frame.locator(SHOWN.format("flow")).wait_for()
    frame.locator(".brand").click()
    frame.locator(SHOWN.format("verdict")).wait_for()
    assert frame.locator("h1").evaluate("h1 => getComputedStyle(h1).color") != "rgb(1, 2, 3)"
    assert notebook.page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "32px"
    notebook.page.close()
    assert notebook.complaints == []


def test_the_pointer_finds_a_number_between_steps_of_which_only_the_loss_was_noted(
    opened: Opened, pages: dict[str, str], tmp_path: Path
) -> None:
    data = carried(pages["recorded"])
    steps, norms = list(range(100)), [float(step + 1) if step % 30 == 0 else None for step in range(100)]
    line = dict.fromkeys(("mean", "min", "max"), norms)
    loss = {name: [1.0 + step for step in steps] for name in ("mean", "min", "max")}
    of = {"layer": "", "track": "", "first": 0, "last": 99, "steps": steps, "series": {"loss": loss, "grad_norm": line}}
    text = document(data["overview"], data["history"], [of | {"flags": {"skipped": [], "probe": []}}])
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    opened.show((tmp_path / "page.html").as_uri(), "history")
    chart = opened.page.locator("#history-grad_norm .canvas")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    for share in (0.35, 0.5, 0.7):
        opened.page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        told = chart.get_by_text("step ").inner_text()
        assert told.split()[1] in ("30", "60", "90"), told
