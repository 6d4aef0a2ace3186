"""From an experiment to its results on disk, and from all results in a folder to their page."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from headwater.errors import StoreError
from headwater.study.experiment import Experiment
from headwater.study.report import page, ready
from headwater.study.results import Results, load, results, save
from headwater.study.runner import Progress, run

__all__ = ["PAGE", "POINTS", "conduct", "publish", "ready"]

POINTS, PAGE = "points", "index.html"
"""What a folder holds beside ``NAME.parquet``: the points that were measured, and the page."""


def conduct(
    experiment: Experiment[Any],
    engine: Executor,
    folder: Path,
    *,
    quick: bool,
    seeds: int,
    ahead: int | None = None,
    progress: Progress | None = None,
) -> Results:
    """Runs an experiment, or goes on with it, and saves its results in `folder`; see `runner.run`."""
    ran = run(experiment, engine, folder / POINTS, quick=quick, seeds=seeds, ahead=ahead, progress=progress)
    found = results(experiment, ran, quick=quick, seeds=seeds)
    save(found, folder)
    return found


def publish(experiments: Sequence[Experiment[Any]], folder: Path) -> Path:
    """Writes the page of all results in `folder`, those of earlier runs among them, and returns its path.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        StoreError: nothing can be written there, or what lies there is no result.
    """
    text = page([(each, load(path)) for each in experiments if (path := folder / f"{each.name}.parquet").exists()])
    path = folder / PAGE
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The page cannot be written to {path}: {error}") from error
    return path
