"""Every block of the guides and of the concepts runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo.entry import register_missing_operators
from tests.docs.literate import DOCS, Terminal, blocks, commands, python
from tests.ranks import aborted_at_exit

register_missing_operators()  # Lightning and Transformers import torchvision

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # what libraries warn of is not ours to mend
    pytest.mark.timeout(600),  # clusters and searches start processes, which a busy machine makes wait
]
SERVING = ("headwater ui", "headwater run --live")
"""What does not end by itself: `tests/cli/test_live.py` and `tests/dashboard` do the same."""
ELSEWHERE = ("headwater check mine.py:network --range-test",)
"""What the README shows too, and its test runs."""
NEEDED = {
    "lightning": ("lightning",),
    "transformers": ("transformers", "accelerate"),
    "cluster": ("distributed", "ray"),
}
PAGES = sorted(path for folder in ("guides", "concepts") for path in (DOCS / folder).glob("*.md"))
RUNNING = [path for path in PAGES if "```" in path.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def runs(page: Path, folder: Path, terminal: Terminal) -> dict[str, Any]:
    """Runs a page, and returns the names that its Python has made."""
    names: dict[str, Any] = {"__name__": "__main__"}
    said: list[str] = []
    for block in blocks(page):
        if block.title is not None:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            python(block, names, page)
        elif block.language == "console":
            said += [
                terminal.run(each, folder) for each in commands(block) if not each.startswith((*SERVING, *ELSEWHERE))
            ]
    return names | {"said": said}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=f"{page.parent.name}-{page.stem}",
            marks=[pytest.mark.cluster, pytest.mark.long, aborted_at_exit] * (page.stem == "cluster"),
        )
        for page in RUNNING
    ],
)
def test_a_page_runs(page: Path, tmp_path: Path, terminal: Terminal) -> None:
    for package in NEEDED.get(page.stem, ()):
        pytest.importorskip(package)
    threads = torch.get_num_threads()
    names = runs(page, tmp_path, terminal)
    torch.set_num_threads(threads)
    CHECKS.get(page.stem, lambda names, folder: None)(names, tmp_path)


def script(names: dict[str, Any], folder: Path) -> None:
    said = names["said"]
    assert all("HW101" in each for each in said)
    assert "init-matched" in next(each for each in said if "would be looked at" in each)
    assert (folder / "page.html").exists() and (folder / "report.html").exists()


def notebook(names: dict[str, Any], folder: Path) -> None:
    assert names["monitor"].report().leading.code == "HW101"
    assert names["result"].best.remedies == ("match-shapes",) and len(names["frame"]["gain"]) == 9
    assert (folder / "report.html").exists()


def lightning(names: dict[str, Any], folder: Path) -> None:
    assert names["report"].leading.code == "HW101"
    assert names["stopped"] and names["trainer"].global_step < 20


def transformers(names: dict[str, Any], folder: Path) -> None:
    assert names["callback"].watch.monitor.tracks[0].steps == 12
    assert names["report"].layers


def ci(names: dict[str, Any], folder: Path) -> None:
    tested, trained, again, as_json = names["said"]
    assert "1 passed" in tested
    assert "::error file=train.py,line=" in trained and "::error file=train.py,line=" in again
    assert (folder / "findings.sarif").exists() and as_json.startswith("{")


def cluster(names: dict[str, Any], folder: Path) -> None:
    watched, again, on_dask, on_ray = names["said"]
    assert "HW101" in watched and "HW101" in again
    assert "match-shapes" in on_dask.splitlines()[0] + on_dask.splitlines()[1]
    assert on_dask.splitlines()[:2] == on_ray.splitlines()[:2]


CHECKS = {each.__name__: each for each in (script, notebook, lightning, transformers, ci, cluster)}


def test_the_workflow_calls_commands_that_exist(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    (text,) = [each.text for each in blocks(DOCS / "guides" / "ci.md") if each.language == "yaml"]
    steps = yaml.safe_load(text)["jobs"]["gradient"]["steps"]
    (command,) = [each["run"] for each in steps if "headwater run" in each.get("run", "")]
    shown = [each for block in blocks(DOCS / "guides" / "ci.md") for each in commands(block)]
    assert any(each.startswith(command) for each in shown)
