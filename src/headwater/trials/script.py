"""A training that is a user's script: each trial runs it, unchanged, in a process of its own."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headwater.errors import InputError
from headwater.records import Finding, Measurement, TrialResult
from headwater.rules import judge
from headwater.script import Target
from headwater.script_trial.job import Answer, Job, Original, Task, read_answer, write_job
from headwater.script_trial.scratch import scratch
from headwater.trials.screen import still
from headwater.trials.script_rate import look_at_rate
from headwater.trials.servers import serve
from headwater.trials.workload import DIED, Screening, Trial

SCREENING = 4
"""Steps of a screening: by then branches and heads that start at zero have moved."""
TOLD = 12
"""Lines of the script's own output that are told when it fails."""


@dataclass(frozen=True)
class ScriptWorkload:
    """A script that is run again and again; see `headwater.script_trial` for what happens inside.

    It must lie in the same folder wherever a trial runs; what it writes relative to its own or the current folder is
    thrown away. Its own output is told where it fails.

    Attributes:
        target: the script.
        cwd: where it is run.
        original: as it was observed.
    """

    target: Target
    cwd: str
    original: Original

    @property
    def measurement(self) -> Measurement:
        """Of the training as it is."""
        return self.original.measurement

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of the training as it is, root cause first."""
        return self.original.findings

    def run(self, trial: Trial) -> TrialResult:
        """Runs the script for the steps of the trial."""
        began = time.perf_counter()
        answer, log = self._answer(
            "train",
            trial.steps,
            remedies=trial.remedies,
            seed=trial.seed,
            control=trial.control,
            horizon=trial.whole,
            profile=trial.profile,
        )
        ended_early = len(answer.losses) < trial.steps and all(map(math.isfinite, answer.losses))
        return TrialResult(
            remedies=trial.remedies,
            seed=trial.seed,
            steps=trial.steps,
            control=trial.control,
            losses=answer.losses,
            profile=answer.profile,
            changes=answer.changes,
            seconds=time.perf_counter() - began,
            spent=answer.steps,
            error=_why(answer, log) if ended_early else None,
        )

    def screen(self, remedies: tuple[str, ...]) -> Screening:
        """Runs the first steps of the script with the remedies, all of them itemised."""
        answer, log = self._answer("screen", SCREENING, remedies=remedies)
        if answer.refused:
            return Screening(remedies, "refused", answer.refused)
        if not answer.findings and len(answer.losses) < SCREENING and all(map(math.isfinite, answer.losses)):
            return Screening(remedies, "failed", _why(answer, log), answer.changes)
        standing = still(self.findings, answer.findings)
        if standing is not None:
            return Screening(
                remedies, "screened out", f"{standing.code} still stands: {standing.message}", answer.changes
            )
        return Screening(remedies, "passed", "", answer.changes)

    def losses(self, rate: float, steps: int) -> tuple[float, ...]:
        """Runs the script at a multiple of its learning rate, and returns the losses."""
        return self._answer("train", steps, rate=rate)[0].losses

    def _answer(self, task: Task, steps: int, **options: Any) -> tuple[Answer, str]:
        return _called(self.target, Path(self.cwd), task, steps, original=self.original, **options)


def observe(target: Target, cwd: str, steps: int) -> Original:
    """Runs a script as it is and diagnoses it.

    Args:
        target: the script.
        cwd: where it is run.
        steps: optimizer steps after which it is ended.

    Raises:
        InputError: it does not train in a way that can be tried; the message says what it did, with its last output.
    """
    answer, log = _called(target, Path(cwd), "observe", steps)
    if answer.original is None:
        raise InputError(_why(answer, log))
    return _with_rate(ScriptWorkload(target, cwd, answer.original))


def _with_rate(workload: ScriptWorkload) -> Original:
    """Adds a look at the learning rate, unless something worse is known."""
    original = workload.original
    if any(finding.severity == "error" for finding in original.findings):
        return original
    measurement = replace(original.measurement, rate=look_at_rate(original, workload.losses))
    return replace(original, measurement=measurement, findings=judge(measurement))


def _called(target: Target, cwd: Path, task: Task, steps: int, **options: Any) -> tuple[Answer, str]:
    """Does a job in a process of its own; returns what came of it and the end of what the script printed."""
    original: Original | None = options.get("original")
    with scratch(target, cwd) as place:
        files = {name: str(place.folder / name) for name in ("job", "answer", "log")}
        job = Job(place.target, task, steps, str(place.folder), place.moved, **options)
        Path(files["job"]).write_bytes(write_job(job))
        serve(files | {"cwd": str(place.cwd)}, *_prepared(original))
        log, answer = _text(files["log"]), Path(files["answer"])
        for inside, outside in place.moved.items():
            log = log.replace(inside, outside)
        found = read_answer(answer.read_bytes()) if answer.exists() else Answer("died")
    return found, "\n".join(log.splitlines()[-TOLD:])


def _prepared(original: Original | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """What is imported before the script runs: nothing where a GPU is used, which does not survive a fork."""
    if original is None or original.measurement.device != "cpu":
        return (), {}
    return (*original.imports, "headwater.script_trial.trying"), original.environment


def _text(file: str) -> str:
    return Path(file).read_text(errors="replace") if Path(file).exists() else ""


def _why(answer: Answer, log: str) -> str:
    """Why a training ended before its steps were taken."""
    if answer.refused or answer.error:
        return answer.refused or answer.error
    if answer.ended == "died":
        return f"{DIED}: out of memory, or a crash. The script printed at last:\n{log}"
    if answer.ended == "crashed":
        at = f" at {answer.line[0]}:{answer.line[1]}" if answer.line is not None else ""
        return f"The script crashed{at}, after {answer.steps} optimizer steps. It printed at last:\n{log}"
    if not answer.steps:
        return (
            "No step of an optimizer of torch.optim was seen in the script. Does it train, and does it do so in its "
            f"own process? It printed at last:\n{log}"
        )
    return f"The script ended by itself after {answer.steps} optimizer steps."
