"""From a script that does not learn to a change of it that is proved to help; the script runs unchanged meanwhile."""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import headwater
from headwater.diagnose import at_least_one
from headwater.records import FixRecord
from headwater.script import Target
from headwater.source.writing import Patch, patch
from headwater.trials import Cache, Progress, SoFar, executor, judged, search
from headwater.trials.identity import alike
from headwater.trials.script import ScriptWorkload, observe

_FIRST = 8
"""Losses that tell one training from another: of other data, or of another state of something that is not known."""


@dataclass(frozen=True)
class ScriptFix:
    """What was tried, and the recommendation as it can be written into the user's files.

    Attributes:
        record: the whole search, as data.
        workload: the training that was tried out.
        patch: of the user's files; ``None`` where nothing is recommended.
    """

    record: FixRecord
    workload: ScriptWorkload
    patch: Patch | None = None


def fix_script(
    target: Target,
    *,
    cwd: str | Path = ".",
    steps: int = 200,
    seeds: int = 3,
    engine: str | Executor = "local",
    address: str | None = None,
    workers: int | None = None,
    trials: str | Path | None = None,
    progress: Progress | None = None,
) -> ScriptFix:
    """Finds the smallest change after which the training of a script is truly better, by trying it out.

    As `headwater.fix`, with the script as it is: each trial runs its first steps in a process of its own, in a scratch
    copy of its project; remedies are put in when it builds its optimizer. What is compared is the training loss.

    Args:
        target: the script or module, with its arguments.
        cwd: where it is run.
        steps: optimizer steps of the longest trials; a script that ends before them is tried as long as it runs.
        seeds: trainings of each kind that a recommendation is proved with.
        engine: as for `headwater.fix`; on a cluster the script's folder must be the same on every machine.
        address: of a running cluster.
        workers: processes.
        trials: folder in which results are kept, so that an interrupted search goes on where it was.
        progress: called when a task is done.

    Raises:
        InputError: the script cannot be run, or does not train in a way that can be tried; the message says why.
    """
    at_least_one(steps=steps, seeds=seeds)
    if progress is not None:
        progress(SoFar("diagnosing", 0, 1))
    original = observe(target, str(cwd), steps)
    workload = ScriptWorkload(target, str(Path(cwd).resolve()), original)
    cache = Cache(Path(trials), _identity(workload)) if trials is not None else None
    with executor(engine, address, workers) as running:
        record = search(
            workload,
            original.measurement,
            original.findings,
            steps=min(steps, original.steps),
            seeds=seeds,
            executor=running,
            progress=progress,
            cache=cache,
            diagnosed=original.spent,
        )
    record = judged(record, original.measurement)
    if record.best is None:
        return ScriptFix(record, workload)
    written = patch(record.best.changes, optimizer=original.built, names=original.names)
    record = replace(record, diff=written.diff, snippet=written.snippet, not_written=written.not_written)
    return ScriptFix(record, workload, written)


def _identity(workload: ScriptWorkload) -> str:
    """What a trial's outcome depends on: versions, arguments, sources, and the data as the first losses show them."""
    original, target = workload.original, workload.target
    losses = alike(original.losses[:_FIRST], original.measurement.device)
    parts = [headwater.__version__, torch.__version__, repr(target), workload.cwd, losses]
    parts += [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in original.sources]
    return "\n".join(parts)
