"""Runs what a page shows: files are written, Python is executed, commands are run, all in one folder.

The blocks of a page are taken in order, as a reader would. A block with a title is a file of that name. Python that
begins with ``>>>`` is a doctest; other Python is executed in the page's own namespace. A command must end with exit
code 0, unless the comment behind it begins with "exit code 1".
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?[^\n]*\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_MODULES = {"headwater": "headwater", "pytest": "pytest", "torchrun": "torch.distributed.run"}


@dataclass(frozen=True)
class Block:
    """A block of code on a page: its language, the file that it is (or none), its text and the line where it begins."""

    language: str
    title: str | None
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Returns the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = [Block(*match.groups(), text.count("\n", 0, match.start()) + 2) for match in _FENCE.finditer(text)]
    assert found and text.count("\n```") == 2 * len(found), f"{page} has blocks that this does not understand"
    return found


def python(block: Block, names: dict[str, Any], page: Path) -> None:
    """Executes a block of Python, with the page's lines in tracebacks."""
    if block.text.startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line)
        said: list[str] = []
        doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
        names.update(test.globs)
        assert not said, "".join(said)
    else:
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)


def commands(block: Block) -> list[str]:
    """Returns the commands of a block for a terminal."""
    return [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]


def run(command: str, folder: Path, limit: float = 240.0) -> str:
    """Runs a command and returns what it printed."""
    line, _, comment = command.partition("#")
    words = shlex.split(line)
    start = [sys.executable] if words[0] == "python" else [sys.executable, "-m", _MODULES[words[0]]]
    environment = os.environ | {"COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*start, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, timeout=limit
    )
    expected = int(comment.strip().startswith("exit code 1"))
    assert done.returncode == expected, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
