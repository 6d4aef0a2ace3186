"""The tutorial's commands print what the page shows."""

from __future__ import annotations

import re
import shutil

import pytest

from docs.scripts.tutorial import SHOWN, TUTORIAL, main, told

pytestmark = pytest.mark.timeout(600)  # a whole search, in processes that a busy machine makes wait
NAMES = ("flat", "run", "fix", "mended", "healthy")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands print now."""
    if shutil.which("git") is None:
        pytest.skip("the tutorial needs git")
    folder = tmp_path_factory.mktemp("shown")
    main(folder)
    return {name: (folder / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES}


def shown(name: str) -> str:
    return (SHOWN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_page_shows_what_the_script_writes() -> None:
    assert tuple(name for _, name in told((TUTORIAL / "index.md").read_text(encoding="utf-8"))) == NAMES
    assert {path.stem for path in SHOWN.glob("*.txt")} == set(NAMES)
    for name in NAMES:
        assert shown(name).strip() and "Traceback" not in shown(name) and "/tmp" not in shown(name)


@pytest.mark.long
def test_the_story_is_the_one_that_the_page_tells(printed: dict[str, str]) -> None:
    for said in ({name: shown(name) for name in NAMES}, printed):
        assert min(losses(said["flat"])) > 1.2
        assert "HW101" in said["run"] and "train.py:" in said["run"] and "sigmoid" in said["run"]
        assert said["fix"].startswith("✓ Recommended") and "do-nothing control" in said["fix"]
        assert re.search(r"^-.*torch\.sigmoid", said["fix"], re.MULTILINE)
        assert said["fix"].splitlines()[-1] == "written: ~/flat/train.py"
        assert losses(said["mended"])[-1] < 0.7 * losses(said["mended"])[0]
        assert "HW101" not in said["healthy"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["flat", "run", "mended", "healthy"])
def test_what_is_shown_is_what_is_printed(name: str, printed: dict[str, str]) -> None:
    """Compared are the words: numbers depend on the machine's rounding, and so may the order of close candidates."""
    assert words(printed[name]) == words(shown(name))


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]{3,}", text)


def losses(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"loss (\d+\.\d+)", text)]
