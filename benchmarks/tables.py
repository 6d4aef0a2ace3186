"""Writes the tables of the benchmarks: the same text on the screen and in the documentation."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table in markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(name: str, title: str, command: str, *parts: str) -> Path:
    """Prints the parts and writes them to `docs/benchmarks/NAME.md` under a title that says how they were made."""
    made = (
        f"Made by `{command}` on {datetime.date.today()} with torch {torch.__version__}, "
        f"Python {platform.python_version()}, {torch.get_num_threads()} thread(s), {platform.machine()}."
    )
    text = "\n\n".join([f"# {title}", made, *parts]) + "\n"
    print(text)
    DOCS.mkdir(parents=True, exist_ok=True)
    path = DOCS / f"{name}.md"
    path.write_text(text)
    return path
