"""How fast the dashboard answers over a run of ten million rows, and what memory its server takes.

    python -m benchmarks.dashboard [--layers 1000] [--steps 10000] [--runs DIR]

The run is made once (in DIR; else in a temporary folder, for which 200 MB are needed). Times are from the request to
the last byte of the answer, over a real socket. Each question is asked once, of a server that has not answered it yet;
what is listed until "first picture" is what the page asks for, in this order, until it draws the history.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.asking import Asker, peak, served
from benchmarks.tables import markdown, write
from headwater.records import ModelInfo, RunInfo
from headwater.report import Report
from headwater.report.page import ASSETS
from headwater.rules import judge
from headwater.store import RunWriter
from tests.builders import vanishing

FIRST_LIMIT, ZOOM_LIMIT, MEMORY_LIMIT = 1.5, 0.3, 300
"""Seconds until the first picture and for a zoom, and MB of the server."""
BLOCK, PROBED = 100, 50
"""Steps that are made at a time, and every how many one is itemised."""


def make(folder: Path, layers: int, steps: int) -> None:
    """Records a run as a training would: a row of the network and one for each parameter at each step, and probes."""
    measured = vanishing(layers, 0.9)
    names = [layer.name for layer in measured.layers]
    info = RunInfo("", 0, models=(ModelInfo("model", "Sequential", 64 * layers),), optimizers={"": "SGD"})
    writer, draw = RunWriter(folder, info), np.random.default_rng(0)
    for first in range(0, steps, BLOCK):
        count = min(BLOCK, steps - first)
        writer.append(_figures(names, first, count, draw))
        for step in range(first, first + count, PROBED):
            signal = np.exp(draw.normal(size=layers) - np.arange(layers)[::-1] / 20)
            some = {"signal": signal, "gain": np.exp(draw.normal(size=layers)), "update_ratio": np.full(layers, 1e-3)}
            keys = {"step": [step] * layers, "track": [""] * layers, "layer": names, "probe": [True] * layers}
            writer.append(keys | some)
    writer.report(Report(measured, judge(measured)).to_json())
    writer.close(steps=steps)


def _figures(names: Sequence[str], first: int, count: int, draw: np.random.Generator) -> dict[str, Sequence[object]]:
    width = len(names) + 1
    network = np.tile(np.arange(width) == 0, count)
    rows = count * width

    def only(values: np.ndarray) -> list[float | None]:
        return [float(value) if is_network else None for value, is_network in zip(values, network, strict=True)]

    return {
        "step": np.repeat(np.arange(first, first + count), width),
        "track": [""] * rows,
        "layer": ["", *names] * count,
        "parameter": [None, *["weight"] * len(names)] * count,
        "grad_norm": np.exp(draw.normal(size=rows)),
        "loss": only(np.exp(draw.normal(size=rows))),
        "learning_rate": only(np.full(rows, 0.1)),
    }  # type: ignore[return-value]


def first_picture(asker: Asker, run: str) -> list[tuple[str, float, int]]:
    """What a browser asks for until the history of a run stands there."""
    page = sum(asker.ask(path)[1] for path in ("/", *(f"/assets/{name}" for name in ASSETS)))
    asked = {
        "list of runs": "/api/runs",
        "the run": f"/api/runs/{run}",
        "history, 600 x 200": f"/api/runs/{run}/history?statistic=grad_norm&width=600&height=200",
    }
    return [("the page and its files", page, 0), *_asked(asker, asked)]


def later(asker: Asker, run: str, steps: int) -> list[tuple[str, float, int]]:
    """Zooms, and other pictures, each asked for the first time."""
    history = f"/api/runs/{run}/history?width=600&height=200"
    asked = {
        f"zoom to {share:.0%} of the steps": f"{history}&first={steps // 3}&last={steps // 3 + int(share * steps)}"
        for share in (0.6, 0.3, 0.1, 0.09, 0.05, 0.01, 0.001)
    }
    asked |= {
        "the gradient signal instead": f"{history}&statistic=signal",
        "loss, rate and norm of the network": f"/api/runs/{run}/series?statistics=loss,learning_rate,grad_norm",
        "one layer": f"/api/runs/{run}/series?layer=7&statistics=grad_norm,signal,gain,update_ratio",
        "zoom into one layer": f"/api/runs/{run}/series?layer=7&statistics=grad_norm,signal,gain,update_ratio&last=800",
    }
    return _asked(asker, asked)


def _asked(asker: Asker, paths: dict[str, str]) -> list[tuple[str, float, int]]:
    found: list[tuple[str, float, int]] = []
    for name, path in paths.items():
        answer, took = asker.ask(path)
        found.append((name, took, len(answer["steps"]) if "values" in answer else 0))
    return found


def main() -> None:
    """Makes the run, asks, and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--runs", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.runs or Path(temporary)
        name = f"{given.layers}x{given.steps}"
        if not (root / name / "run.json").exists():
            make(root / name, given.layers, given.steps)
        size = sum(path.stat().st_size for path in (root / name / "segments").iterdir())
        with served(root) as (asker, process):
            idle = process.memory_info().rss / 1e6
            first, others = first_picture(asker, name), later(asker, name, given.steps)
            memory = peak(process)
    total = sum(took for _, took, _ in first)
    rows = [[what, f"{1e3 * took:.0f} ms", columns or "", ""] for what, took, columns in first]
    rows.append(["**first picture, together**", f"**{1e3 * total:.0f} ms**", "", f"{FIRST_LIMIT:g} s"])
    rows += [
        [what, f"{1e3 * took:.0f} ms", columns or "", f"{1e3 * ZOOM_LIMIT:.0f} ms" if what.startswith("zoom") else ""]
        for what, took, columns in others
    ]
    rows.append(["memory of the server at most", f"{memory:.0f} MB", "", f"{MEMORY_LIMIT} MB"])
    write(
        "dashboard",
        "The dashboard over ten million rows",
        "python -m benchmarks.dashboard",
        f"{given.layers:,} layers, {given.steps:,} steps, {(given.layers + 1) * given.steps:,} rows of steps, "
        f"{size / 1e6:.0f} MB on disk, {os.cpu_count()} processors. The server takes {idle:.0f} MB before it is asked.",
        markdown(["asked", "answered after", "columns", "limit"], rows),
        "Columns are those of the picture of depth against time. A zoom into more than a million rows is answered from "
        "buckets that were computed for the first picture, and has fewer columns than it could have.",
    )


if __name__ == "__main__":
    main()
