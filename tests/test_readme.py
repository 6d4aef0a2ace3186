"""What the README shows runs as printed."""

import doctest
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

from headwater.study.experiments import EXPERIMENTS
from tests.cli.test_app import run
from tests.test_run import SIGMOID, headwater

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.manual_seed(0)


def test_the_python_session(tmp_path):
    blocks = re.findall(r"```python\n(>>>.*?)```", TEXT, re.DOTALL)
    session = doctest.DocTestParser().get_doctest("".join(blocks), {}, "README.md", str(README), 0)
    report: list[str] = []
    results = doctest.DocTestRunner().run(session, out=report.append)
    assert results.attempted >= 12
    assert not report, "".join(report)
    assert (tmp_path / "report.html").exists()


SERVING = ("headwater ui", "headwater run --live")
"""What does not end by itself: `tests/cli/test_live.py` and `tests/dashboard` do the same."""

TAKES_MINUTES = ("headwater study depth", "headwater study all")
"""`tests/cli/test_study.py` runs a small one."""


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("headwater ") and not line.startswith((*SERVING, *TAKES_MINUTES))]


def test_the_readme_shows_the_command_line():
    assert len(commands()) >= 4


def test_the_studies_that_it_names_are_there():
    assert set(re.findall(r"headwater study (\w+)", TEXT)) <= {"all", *(each.name for each in EXPERIMENTS)}


IN_A_PROCESS = ("headwater run ", "headwater report ")


@pytest.mark.parametrize("command", [each for each in commands() if not each.startswith(IN_A_PROCESS)])
def test_the_command_line(command, capsys, tmp_path):
    (source,) = re.findall(r"```python\n(# mine\.py\n.*?)```", TEXT, re.DOTALL)
    (tmp_path / "mine.py").write_text(source)
    arguments = shlex.split(command, comments=True)[1:]
    code, out, _ = run(capsys, *arguments)
    assert code == (1 if arguments[0] == "check" else 0)
    assert out


@pytest.mark.long
def test_scripts_under_watch(tmp_path):
    """One after the other, as a reader would; the script trains for as many steps as it is asked to or is let."""
    script = SIGMOID.replace("int(sys.argv[1]) if len(sys.argv) > 1 else 30", "200")
    (tmp_path / "package").mkdir()
    for path in (tmp_path / "train.py", tmp_path / "package" / "train.py"):
        path.write_text(script)
    shown = [each for each in commands() if each.startswith(IN_A_PROCESS)]
    assert len(shown) == 5
    for command in shown:
        done = headwater(*shlex.split(command, comments=True)[1:], cwd=tmp_path)
        assert done.returncode == ("--fail-on" in command), done.stderr
        assert "HW101" in done.stdout
    assert (tmp_path / "report.html").exists()


def test_every_file_that_it_links_to_exists():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (README.parent / link).exists(), link
