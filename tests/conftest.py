from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

# Two threads of torch on a busy machine of two cores can cost eighty times the work.
torch.set_num_threads(1)

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; review them with git")
    parser.addoption("--fuzz", type=int, default=12, help="damaged runs for each test of the fuzz tests")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, of the system; not for all tests, since Playwright keeps an event loop in this thread."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--js-flags=--expose-gc"])
        yield opened
        opened.close()


@pytest.fixture
def code_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives this process a script: one that pytest-xdist started has none, and looks like an interactive session."""
    monkeypatch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with the golden file at a path, or writes it there under --update-golden."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; make it with pytest --update-golden"
        assert text == path.read_text(encoding="utf-8"), f"differs from {path.name}; pytest --update-golden accepts it"

    return check
