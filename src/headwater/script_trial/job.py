"""What a trial's process is told, and what it answers; both are files. Needs no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal, cast

import msgspec

from headwater.records import Change, Finding, Measurement, Profile, SourceLine
from headwater.script import Target

Task = Literal["observe", "screen", "train"]


@dataclass(frozen=True)
class Rehearsal:
    """A run of the script at rates that a remedy chooses before it changes anything.

    Attributes:
        remedies: that are put in before it.
        rates: of each step, for the group with the highest one; groups keep the ratio of theirs.
        losses: of each step, up to the first that is not finite.
    """

    remedies: tuple[str, ...]
    rates: tuple[float, ...]
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Original:
    """A script's training as it is.

    Attributes:
        measurement, findings: the diagnosis of its first steps; of several optimizers the one whose training is worst.
        steps: optimizer steps that it took, up to those that were asked for.
        optimizer: which of the optimizers that the script builds is meant, counted from 0.
        built: the user's line that builds it, when it is the user's own, and builds none for another network.
        imports: installed modules that the script imports, in that order.
        environment: variables that it sets.
        sources: its files: the script, and what it imports of the user's.
        losses: one for each of these steps.
        spent: optimizer steps that all of its diagnosis took.
        names: what the model is called where that optimizer is built, and how it is written there
            (`headwater.script_trial.naming.names_of`).
        scheduled: whether the script sets the learning rate by a schedule.
    """

    measurement: Measurement
    findings: tuple[Finding, ...]
    steps: int
    optimizer: int
    built: SourceLine | None = None
    imports: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    sources: tuple[str, ...] = ()
    losses: tuple[float, ...] = ()
    spent: int = 0
    names: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    scheduled: bool = False


@dataclass(frozen=True)
class Job:
    """One run of a script.

    Attributes:
        target: the script.
        task: ``"observe"`` it as it is, ``"screen"`` its first steps with remedies, or ``"train"``.
        steps: optimizer steps after which it ends.
        scratch: folder whose files are the script's to write.
        moved: its folders in which the script finds itself, and the user's that each stands for.
        original: as it was observed; ``None`` for that.
        remedies, seed, control, horizon, profile: see `headwater.trials.workload.Trial`.
        factors: what the learning rate of each step is multiplied by; none: 1.
        rates: the learning rate of each step in a rehearsal, in place of the script's.
        rehearsals: what remedies may ask for, done before.
    """

    target: Target
    task: Task
    steps: int
    scratch: str
    moved: dict[str, str]
    original: Original | None = None
    remedies: tuple[str, ...] = ()
    seed: int = 0
    control: bool = False
    horizon: int = 0
    profile: bool = False
    factors: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()
    rehearsals: tuple[Rehearsal, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came of it.

    Attributes:
        ended: how the script ended (`headwater.script.Ended`); ``"died"`` where its process left no answer.
        line: where it crashed.
        code: the exit code that it would have had.
        steps: optimizer steps that were seen: of the optimizer that is tried, else of all together.
        losses: one for each of these steps.
        original: what was observed; ``None`` where nothing could be measured.
        changes: what the remedies did.
        findings: those of the changed training.
        profile: the gradient along the trunk in the last step.
        refused: why a remedy does not apply.
        error: why the training was broken off, where it was not the script.
        wanted: what has to be rehearsed before the remedies can be put in.
    """

    ended: str = "finished"
    line: tuple[str, int] | None = None
    code: int = 0
    steps: int = 0
    losses: tuple[float, ...] = ()
    original: Original | None = None
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    profile: Profile | None = None
    refused: str = ""
    error: str = ""
    wanted: Rehearsal | None = None


def write_job(job: Job) -> bytes:
    """Returns the job as a file holds it, with the lines of the original where the script runs (`Job.moved`).

    A remedy may look for a call by its line: there that is one of the copy.
    """
    inward = {f"{outside}{os.sep}": f"{inside}{os.sep}" for inside, outside in job.moved.items()}
    plain = msgspec.to_builtins(job)
    return msgspec.msgpack.encode(plain | {"original": _replaced(plain["original"], inward)})


def read_job(data: bytes) -> Job:
    """Reads what `write_job` wrote."""
    return msgspec.msgpack.decode(data, type=Job)


def write_answer(answer: Answer, moved: dict[str, str]) -> bytes:
    """Returns the answer as a file holds it, with every path as the user knows it (`Job.moved`)."""
    return msgspec.msgpack.encode(_replaced(msgspec.to_builtins(answer), moved))


def read_answer(data: bytes) -> Answer:
    """Reads what `write_answer` wrote."""
    return msgspec.msgpack.decode(data, type=Answer)


def _replaced(value: object, words: dict[str, str]) -> object:
    if isinstance(value, str):
        for old, new in words.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return {
            _replaced(key, words): _replaced(each, words) for key, each in cast("dict[object, object]", value).items()
        }
    if isinstance(value, list | tuple):
        return [_replaced(each, words) for each in cast("list[object]", value)]
    return value
