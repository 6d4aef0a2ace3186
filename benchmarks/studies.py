"""Turns the results of studies into the documents and figures of docs/studies.

    headwater study all --out studies && python -m benchmarks.studies [studies]

Every number in them comes from the results. Experiments without results keep the document that they have.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.tables import DOCS, markdown
from headwater.study.experiments import EXPERIMENTS
from headwater.study.report import tally
from headwater.study.report.markdown import document
from headwater.study.results import load, statements

STUDIES = DOCS.parent / "studies"
_INTRODUCTION = """# Studies

Experiments on vanishing gradients that anyone can rerun: `headwater study NAME`, or `headwater study all`.
Each claim is one that the numbers can refute; its verdict, and every number here, comes from the results. Made by
`python -m benchmarks.studies`."""


def main() -> int:
    """Writes the documents; returns 1 when there are no results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=Path("studies"))
    folder = parser.parse_args().results
    STUDIES.mkdir(parents=True, exist_ok=True)
    written = 0
    for experiment in EXPERIMENTS:
        path = folder / f"{experiment.name}.parquet"
        if path.exists():
            print(document(experiment, load(path), STUDIES))
            written += 1
    (STUDIES / "README.md").write_text(_index(folder), encoding="utf-8")
    return int(not written)


def _index(folder: Path) -> str:
    rows: list[tuple[str, str, str]] = []
    for experiment in EXPERIMENTS:
        path = folder / f"{experiment.name}.parquet"
        if not (STUDIES / f"{experiment.name}.md").exists():
            continue
        said = tally(statements(experiment, load(path))) if path.exists() else ""
        rows.append((f"[{experiment.title}]({experiment.name}.md)", experiment.question, said))
    return f"{_INTRODUCTION}\n\n{markdown(['experiment', 'asks', 'found'], rows)}\n"


if __name__ == "__main__":
    sys.exit(main())
