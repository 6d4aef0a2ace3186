"""Runs the commands of the tutorial in order, and keeps what they print: ``python docs/scripts/tutorial.py``.

The page is the one source: a block that holds a command and then includes a text from `tutorial/shown/` says what is
run and where its output goes. Only the folder's own path is replaced, by ``~/flat``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TUTORIAL = Path(__file__).resolve().parents[1] / "tutorial"
SHOWN = TUTORIAL / "shown"
COLUMNS = 80
"""Letters in a line: as many as a code block of the site holds."""
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_INCLUDE = re.compile(r'^--8<-- "tutorial/shown/(\w+)\.txt"$')
_OURS = {"python": [sys.executable], "headwater": [sys.executable, "-m", "headwater"]}


def main(into: Path = SHOWN) -> None:
    """Runs everything, and writes the outputs into a folder."""
    into.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "flat"
        folder.mkdir()
        shutil.copy(TUTORIAL / "train.py", folder)
        for commands, name in told((TUTORIAL / "index.md").read_text(encoding="utf-8")):
            said = "".join(output(command, folder) for command in commands)
            (into / f"{name}.txt").write_text(said, encoding="utf-8")


def told(page: str) -> Iterator[tuple[list[str], str]]:
    """Yields the commands of each block that shows an output, and the output's name."""
    for block in _BLOCK.findall(page):
        lines = block.splitlines()
        names = [found[1] for found in map(_INCLUDE.match, lines) if found]
        if names:
            yield [line.removeprefix("$ ") for line in lines if line.startswith("$ ")], names[0]


def output(command: str, folder: Path) -> str:
    """Runs a command as in a terminal of `COLUMNS` letters, and returns what it says."""
    said = ""
    environment = os.environ | {"COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"} | _AUTHOR
    for part in command.split(" && "):
        words = shlex.split(part)
        done = subprocess.run(
            [*_OURS.get(words[0], words[:1]), *words[1:]],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )  # fmt: skip
        said += done.stdout
    return "".join(f"{line.rstrip()}\n" for line in said.replace(str(folder), "~/flat").splitlines())


_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "You"), ("EMAIL", "you@example.org"))
}

if __name__ == "__main__":
    main()
