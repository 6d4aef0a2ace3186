"""Runs what a page shows: files are written, Python is executed, commands are run, all in one folder.

The blocks of a page are taken in order, as a reader would. A block with a title is a file of that name. Python that
begins with ``>>>`` is a doctest; other Python is executed in the page's own namespace. A command must end with exit
code 0, unless the comment behind it begins with "exit code 1".
"""

from __future__ import annotations

import doctest
import json
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
_MODULES = {"torchrun": "torch.distributed.run"}


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


class Terminal:
    """Runs commands; those of Headwater and pytest in forks of a process that has imported them and torch already."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", _SERVER]
        self._environment = {"COLUMNS": "100", "OMP_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | self._environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, command: str, folder: Path) -> str:
        """Runs a command in a folder and returns what it printed."""
        line, _, comment = command.partition("#")
        words = shlex.split(line)
        code, said = self._forked(words, folder) if words[0] in _MAINS else self._plainly(words, folder)
        expected = int(comment.strip().startswith("exit code 1"))
        assert code == expected, f"$ {command}\n{said}"
        return said

    def close(self) -> None:
        """Ends the process."""
        self._server.kill()
        self._server.communicate()

    def _forked(self, words: list[str], folder: Path) -> tuple[int, str]:
        streams = folder / ".streams"
        streams.mkdir(exist_ok=True)
        for name in ("stdin", "stdout", "stderr"):
            (streams / name).write_text("")
        start = streams / words[0]
        start.write_text(f"import os, sys\nos.chdir({str(folder)!r})\nsys.path[0] = ''\n{_MAINS[words[0]]}")
        job = {"arguments": [str(start), *words[1:]], "environment": self._environment, "folder": str(streams)}
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(job), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        return code, "".join((streams / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))

    def _plainly(self, words: list[str], folder: Path) -> tuple[int, str]:
        start = [sys.executable] if words[0] == "python" else [sys.executable, "-m", _MODULES[words[0]]]
        environment = os.environ | self._environment
        done = subprocess.run([*start, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


_MAINS = {
    "headwater": "from headwater.cli import main\nmain()\n",
    "pytest": "import pytest\nsys.exit(pytest.main(['-p', 'no:cacheprovider', *sys.argv[1:]]))\n",
}
_SERVER = """
import pytest
import headwater.cli.app, headwater.fix_script, headwater.report.page, headwater.run, headwater.store, headwater.testing
from tests.script_server import main
main()
"""
