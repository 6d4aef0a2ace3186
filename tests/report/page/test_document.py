from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.report.page import document, dumps, overview, plain, render, save
from headwater.report.page.assets import ASSETS, asset
from headwater.report.page.bundle import bundled
from tests.pages import EVIL, Page, carried, read_aloud, self_contained
from tests.report.fix.records import FIXED, HEALTHY, NOTHING
from tests.report.page.examples import EVIL_FIX, RANGE, REPORTS, with_magnitudes

PAGES = {name: render(report) for name, report in REPORTS.items()} | {
    "fixed": render(fix=FIXED),
    "nothing helped": render(fix=NOTHING),
    "nothing to fix": render(fix=HEALTHY),
    "evil fix": render(fix=EVIL_FIX),
    "several": render(*list(REPORTS.values())[:3]),
    "everything": document(overview([with_magnitudes(REPORTS["evil"])], None, EVIL_FIX, RANGE, titles=[EVIL])),
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_well_formed_and_asks_for_nothing(name: str) -> None:
    self_contained(PAGES[name])


@pytest.mark.parametrize("name", ["evil", "evil fix", "everything"])
def test_names_of_the_user_are_inert_and_whole(name: str) -> None:
    page = Page(PAGES[name])
    assert "img" not in page.tags() and [tag for tag, _ in page.elements].count("script") == 3
    shown = EVIL.replace("\u2028", " ")
    assert sum(shown in words for words in page.words) > 5
    assert shown in json.dumps(carried(PAGES[name]), ensure_ascii=False).replace('\\"', '"')


def test_without_scripts_verdict_and_findings_are_read() -> None:
    words = " ".join(Page(read_aloud(PAGES["vanishing"]) + "</main>").words)
    for said in ("Kept from learning", "HW101", "HW103", "HW302", "train.py:12", "update contrast", "activation-swap"):
        assert said in words
    fix = read_aloud(PAGES["fixed"])
    assert "Recommended" in fix and "nn.ReLU()]" in fix
    assert "None." in read_aloud(PAGES["healthy"])


def test_the_verdict_leads() -> None:
    heads = [re.findall("<h1>(.*?)</h1>", read_aloud(PAGES[name])) for name in ("vanishing", "healthy", "several")]
    assert heads[0] == ["Kept from learning: vanishing gradient (HW101)"] and heads[1] == ["Healthy"]
    assert len(heads[2]) == 3


def test_numbers_that_json_lacks_are_words_and_others_stay_short() -> None:
    given = {"a": (float("nan"), float("inf"), -float("inf"), None, True), "b": 0.1234567, "c": 3, "d": 1e-45, "e": 2.0}
    assert plain(given) == {"a": ["nan", "inf", "-inf", None, True], "b": 0.12346, "c": 3, "d": 1e-45, "e": 2}
    with pytest.raises(TypeError, match="plain data"):
        plain({"a": object()})


def test_data_cannot_leave_its_element() -> None:
    written = dumps({"a": EVIL})
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == {"a": EVIL}


def test_a_notebook_shows_the_page_in_a_frame_without_its_origin() -> None:
    frame = Page(REPORTS["evil"]._repr_html_())
    assert [tag for tag, _ in frame.elements] == ["iframe"]
    attributes = frame.elements[0][1]
    assert attributes["srcdoc"] == REPORTS["evil"].to_html()
    assert attributes["sandbox"] == "allow-scripts allow-downloads"


def test_save(tmp_path: Path) -> None:
    path = REPORTS["healthy"].save_html(str(tmp_path / "report.html"))
    assert path.read_text(encoding="utf-8") == REPORTS["healthy"].to_html()
    with pytest.raises(InputError, match="There is no folder"):
        save([], tmp_path / "nowhere" / "fix.html", fix=FIXED)


def test_only_what_belongs_to_the_page_is_handed_out() -> None:
    assert all(asset(name) for name in ASSETS)
    for name in ("../overview.py", "__init__.py", "/etc/passwd", "vendor/../main.js", ""):
        with pytest.raises(KeyError):
            asset(name)


def test_every_module_is_handed_out_and_in_the_bundle_behind_what_it_imports() -> None:
    folder = Path(__file__).parents[3] / "src/headwater/report/page/assets"
    modules = {str(path.relative_to(folder)) for path in folder.rglob("*.js") if "vendor" not in path.parts}
    assert modules == {name for name in ASSETS if name.endswith(".js") and "vendor" not in name}
    script = bundled("main.js")
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    seen: set[str] = set()
    for line in script.splitlines():
        if begun := re.match(r'modules\["(.+?)"\] = ', line):
            seen.add(begun[1])
        elif used := re.search(r'= modules\["(.+?)"\];', line):
            assert used[1] in seen
    assert seen == modules


def test_nothing_in_the_front_end_parses_markup_or_asks_elsewhere() -> None:
    for name in ASSETS:
        if name.endswith(".js") and "vendor" not in name:
            text = asset(name).decode()
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), (
                name
            )
            assert not re.search(r"https?://(?!www\.w3\.org)", text), name


def test_the_library_is_recorded_with_version_and_licence() -> None:
    head = asset("vendor/echarts.js")[:200].decode()
    folder = Path(__file__).parents[3] / "src/headwater/report/page/assets/vendor"
    version = re.search(r"Apache ECharts (\S+),", head)
    assert version and f"Apache ECharts {version[1]}" in (folder / "README.md").read_text()
    assert f"echarts@{version[1]}" in (folder / "build.sh").read_text()
    assert "Apache License" in (folder / "LICENSE").read_text() and (folder / "NOTICE").exists()
