"""Runs made by hand, and the slow obvious computation of what pictures of them show."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from headwater.records import ModelInfo, RunInfo
from headwater.store import RunWriter, StoredRun, open_run

INFO = RunInfo("", 0, models=(ModelInfo("model", "Net", 9),), optimizers={"": "SGD"})
LAYERS = ("conv.1", "conv.2", "conv.10", "head")
"""In the order in which the network runs them, which is not that of the alphabet."""


def figures(steps: range, layers: tuple[str, ...] = LAYERS, seed: int = 0, track: str = "") -> list[dict[str, Any]]:
    """Rows of steps as a recorder writes them: one of the network, and two for each layer."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for step in steps:
        network = {
            "loss": draw.expovariate(1),
            "learning_rate": 0.1,
            "grad_norm": draw.random(),
            "skipped": step % 7 == 3,
        }
        rows.append({"step": step, "track": track, "layer": "", "parameter": None} | network)
        for layer in layers:
            for parameter in ("weight", "bias"):
                own = {"grad_norm": math.exp(draw.gauss(-3, 2)), "weight_norm": 1.0 if step % 32 == 0 else None}
                rows.append({"step": step, "track": track, "layer": layer, "parameter": parameter} | own)
    return rows


def probes(steps: range, layers: tuple[str, ...] = LAYERS, seed: int = 1, track: str = "") -> list[dict[str, Any]]:
    """Rows of itemised steps."""
    draw = random.Random(seed)
    return [
        {"step": step, "track": track, "layer": layer, "parameter": None, "probe": True, "signal": draw.random()}
        for step in steps
        for layer in layers
    ]


def written(folder: Path, *flushes: list[dict[str, Any]], close: bool = True, rank: int = 0, **info: Any) -> StoredRun:
    """A run of these rows, a segment for each list."""
    one = RunWriter(folder, replace(INFO, **info), rank=rank)
    for rows in flushes:
        one.append({name: [row.get(name) for row in rows] for name in dict.fromkeys(k for row in rows for k in row)})
        one.flush()
    if close:
        one.close(steps=1 + max(row["step"] for rows in flushes for row in rows))
    return open_run(folder)


def norms_by_bucket(rows: list[dict[str, Any]], stride: int, group: int = 1) -> dict[tuple[int, int], float]:
    """Root mean square of the layers' gradient norms over the steps of each bucket and the layers of each group."""
    squares: dict[tuple[int, int], float] = defaultdict(float)
    steps: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row["parameter"] is not None:
            squares[LAYERS.index(row["layer"]) // group, row["step"] // stride] += row["grad_norm"] ** 2
            steps[row["step"] // stride].add(row["step"])
    members = [len(LAYERS[i : i + group]) for i in range(0, len(LAYERS), group)]
    return {(i, b): (total / len(steps[b]) / members[i]) ** 0.5 for (i, b), total in squares.items()}
