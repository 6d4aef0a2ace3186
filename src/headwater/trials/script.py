"""A training that is a user's script: each trial runs it, unchanged, in a process of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headwater.errors import InputError
from headwater.measure import has_risen
from headwater.records import Finding, Measurement, TrialResult
from headwater.rules import judge
from headwater.script import Target
from headwater.script_trial.elsewhere import FOLDER as ELSEWHERE
from headwater.script_trial.job import Answer, Job, Original, Rehearsal, Task, read_answer, write_job
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

    It must lie in the same folder wherever a trial runs; what it writes is thrown away, caches apart. Writes of other
    programs and of libraries in C are so only where they are relative to its own or the current folder. Its own output
    is told where it fails.

    Attributes:
        target: the script.
        cwd: where it is run.
        original: as it was observed.
        rehearsals: losses of what was rehearsed in this process.
    """

    target: Target
    cwd: str
    original: Original
    rehearsals: dict[Rehearsal, tuple[float, ...]] = field(
        default_factory=dict[Rehearsal, tuple[float, ...]], init=False, compare=False, repr=False
    )

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
        answer, log, spent = self._answer(
            "train",
            trial.steps,
            remedies=trial.remedies,
            seed=trial.seed,
            control=trial.control,
            horizon=trial.whole,
            profile=trial.profile,
        )
        early = len(answer.losses) < trial.steps and all(map(math.isfinite, answer.losses))
        finished = early and _is_well(answer)
        return TrialResult(
            remedies=trial.remedies,
            seed=trial.seed,
            steps=trial.steps,
            control=trial.control,
            losses=answer.losses,
            profile=answer.profile,
            changes=answer.changes,
            seconds=time.perf_counter() - began,
            spent=spent,
            error=_why(answer, log) if early and not finished else None,
            finished=finished,
        )

    def screen(self, remedies: tuple[str, ...]) -> Screening:
        """Runs the first steps of the script with the remedies, all of them itemised."""
        answer, log, spent = self._answer("screen", SCREENING, remedies=remedies)
        if answer.refused:
            return Screening(remedies, "refused", answer.refused, spent=spent)
        if not answer.findings and len(answer.losses) < SCREENING and all(map(math.isfinite, answer.losses)):
            return Screening(remedies, "failed", _why(answer, log), answer.changes, spent)
        standing = still(self.findings, answer.findings)
        if standing is not None:
            why = f"{standing.code} still stands: {standing.message}"
            return Screening(remedies, "screened out", why, answer.changes, spent)
        return Screening(remedies, "passed", "", answer.changes, spent)

    def losses(self, factors: Sequence[float]) -> tuple[float, ...]:
        """Runs the script with a multiple of its learning rate in each step, and returns the losses.

        Raises:
            InputError: it does not come to its first step now, as it did before.
        """
        answer, log, _ = self._answer("train", len(factors), factors=tuple(factors))
        if not answer.losses:
            raise InputError(_why(answer, log))
        return answer.losses

    def _answer(self, task: Task, steps: int, **options: Any) -> tuple[Answer, str, int]:
        """Does a job, after what its remedies want rehearsed; with the steps that all of it took."""
        spent, known = 0, tuple[Rehearsal, ...]()
        while True:
            answer, log = self._called(task, steps, rehearsals=known, **options)
            spent += answer.steps
            if answer.wanted is None:
                return answer, log, spent
            losses, taken = self._rehearsed(answer.wanted)
            spent, known = spent + taken, (*known, replace(answer.wanted, losses=losses))

    def _rehearsed(self, wanted: Rehearsal) -> tuple[tuple[float, ...], int]:
        """Losses of a rehearsal, under seed 0 so that all trials are told the same, and the steps that it took now."""
        if wanted in self.rehearsals:
            return self.rehearsals[wanted], 0
        options = {"remedies": wanted.remedies, "rates": wanted.rates}
        answer, _, spent = self._answer("train", len(wanted.rates), **options)
        if answer.ended != "died":  # else another time it may not
            self.rehearsals[wanted] = answer.losses
        return answer.losses, spent

    def _called(self, task: Task, steps: int, **options: Any) -> tuple[Answer, str]:
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
    original = replace(workload.original, spent=workload.original.steps)
    if any(finding.severity == "error" for finding in original.findings):
        return original
    spent = [original.spent]

    def losses(factors: Sequence[float]) -> tuple[float, ...]:
        found = workload.losses(factors)
        spent.append(len(found))
        return found

    measurement = replace(original.measurement, rate=look_at_rate(original, losses))
    return replace(original, measurement=measurement, findings=judge(measurement), spent=sum(spent))


def _called(target: Target, cwd: Path, task: Task, steps: int, **options: Any) -> tuple[Answer, str]:
    """Does a job in a process of its own; returns what came of it and the end of what the script printed."""
    original: Original | None = options.get("original")
    with scratch(target, cwd) as place:
        files = {name: str(place.folder / name) for name in ("job", "answer", "log")}
        job = Job(place.target, task, steps, str(place.folder), place.moved, **options)
        Path(files["job"]).write_bytes(write_job(job))
        serve(files | {"cwd": str(place.cwd)}, *_prepared(original))
        log, answer = _text(files["log"]), Path(files["answer"])
        for inside, outside in (*place.moved.items(), (str(place.folder / ELSEWHERE), "")):
            log = log.replace(inside, outside)
        found = read_answer(answer.read_bytes()) if answer.exists() else Answer("died")
    if _broke_off(found) and len(found.losses) < steps and has_risen(found.losses):
        found = replace(found, losses=(*found.losses, math.nan))  # it guards itself against what is no number
    return found, "\n".join(log.splitlines()[-TOLD:])


def _prepared(original: Original | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """What is imported before the script runs: nothing where a GPU is used, which does not survive a fork."""
    if original is None or original.measurement.device != "cpu":
        return (), {}
    return (*original.imports, "headwater.script_trial.trying"), original.environment


def _text(file: str) -> str:
    return Path(file).read_text(errors="replace") if Path(file).exists() else ""


def _broke_off(answer: Answer) -> bool:
    """Whether it was the script that crashed, or that exited with a code."""
    return not (answer.refused or answer.error) and (answer.ended == "crashed" or bool(answer.code))


def _is_well(answer: Answer) -> bool:
    """Whether the script came to its own end after some training: it stopped early, or reached its goal."""
    broken = answer.refused or answer.error or answer.code
    return answer.ended == "finished" and not broken and bool(answer.losses)


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
    if answer.code:
        return f"The script exited with {answer.code}, after {answer.steps} optimizer steps. It printed at last:\n{log}"
    return f"The script ended by itself after {answer.steps} optimizer steps."
