"""What a search came to, in words and in rows, for every rendering alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from headwater.records import Candidate, FixRecord, Standing, TrialResult
from headwater.records.numbers import number
from headwater.report.words import count, printable

UNTRIED: tuple[Standing, ...] = ("screened out", "failed", "refused", "not tried")
"""How candidates stand that were in no race."""
ORIGINAL, CONTROL = "the original", "a do-nothing control"

_MANY = 10
"""From so many times the original's loss on, no share is told: the training was all but lost."""
_DIGITS = 3
"""Of a loss: two hide what tells good candidates apart."""


@dataclass(frozen=True)
class Outcome:
    """What a reader must know first.

    Attributes:
        tone: ``"good"`` where there is nothing left to wish for, ``"risk"`` where nothing helped.
        headline: what to change, in a few words.
        message: its effect, and how sure that is.
    """

    tone: Literal["good", "risk"]
    headline: str
    message: str


@dataclass(frozen=True)
class Row:
    """One line of the ranking; words that do not apply are empty.

    Attributes:
        name: the remedies' keys.
        says: what they do.
        steps: of its longest training: those that fall behind are trained no further.
        level: the loss, or the score, that it reached.
        lower_by: by how much its loss lies below the original's.
    """

    name: str
    says: str
    size: str
    steps: str
    level: str
    lower_by: str
    p: str
    standing: str
    why: str


def outcome(record: FixRecord) -> Outcome:
    """Sums a search up."""
    best = record.best
    if best is not None:
        return Outcome("good", f"Recommended: {_done(best)} ({name(best)})", sentence(best.why))
    if record.verdict == "healthy":
        return Outcome("good", "Healthy: there is nothing to fix", sentence(record.reason))
    return Outcome("risk", "Nothing that was tried helped", sentence(record.reason))


def name(candidate: Candidate) -> str:
    """The keys of its remedies."""
    return printable(" + ".join(candidate.remedies))


def ranking(record: FixRecord) -> tuple[Row, ...]:
    """What was trained, the best first, under what it was compared with."""
    references = [
        Row(said, "", "", _steps(trials), level(trials, record.measure), "", "", "", "")
        for said, trials in ((ORIGINAL, record.original), (CONTROL, record.control))
        if trials
    ]
    return (*references, *(_row(each, record.measure) for each in record.candidates if each.standing not in UNTRIED))


def untried(record: FixRecord) -> list[tuple[Standing, str, list[str]]]:
    """What was in no race: how it stands, why, and the names of all that share both."""
    found: dict[tuple[Standing, str], list[str]] = {}
    for each in record.candidates:
        if each.standing in UNTRIED:
            found.setdefault((each.standing, sentence(each.why)), []).append(name(each))
    return [(standing, why, names) for (standing, why), names in found.items()]


def cost(record: FixRecord) -> str:
    """How far what is shown reaches, and what it took; nothing where nothing was trained."""
    if not record.steps_spent:
        return ""
    reach = f"This is shown for trainings of {count(record.steps, 'step')}. " if record.best else ""
    said = f"{reach}The search took {count(record.steps_spent, 'optimizer step')} and {number(record.seconds)} s"
    if record.steps_exhaustive <= record.steps_spent:
        return f"{said}."
    times = number(record.steps_exhaustive / record.steps_spent)
    return (
        f"{said}; to train every candidate that raced with every seed to the end takes "
        f"{record.steps_exhaustive:,} steps, {times} times as many."
    )


def longest(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """The trials of the largest budget: those that a candidate is judged by."""
    most = max((trial.steps for trial in trials), default=0)
    return [trial for trial in trials if trial.steps == most]


def level(trials: Sequence[TrialResult], measure: str) -> str:
    """What the longest trainings reached, on average over seeds."""
    final = longest(trials)
    if any(trial.lost for trial in final):
        return "lost"
    reached = [trial.score if measure == "score" else trial.level for trial in final]
    known = [each for each in reached if each is not None]
    return number(fmean(known), _DIGITS) if known else ""


def sentence(said: str) -> str:
    """Begins with a capital and ends with a full stop."""
    said = printable(said).strip()
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "?", "!")) else ".") if said else ""


def _done(candidate: Candidate) -> str:
    """What it did, with numbers; what it does in general where that is not known."""
    return printable("; ".join(change.says for change in candidate.changes) or candidate.says)


def _row(candidate: Candidate, measure: str) -> Row:
    return Row(
        name(candidate),
        _done(candidate),
        f"{candidate.size}",
        _steps(candidate.trials),
        level(candidate.trials, measure),
        "" if candidate.effect is None else _share(candidate.effect),
        "" if candidate.p_value is None else number(candidate.p_value),
        candidate.standing,
        "" if candidate.standing == "recommended" else printable(candidate.why),  # the verdict says it
    )


def _steps(trials: Sequence[TrialResult]) -> str:
    return f"{longest(trials)[0].steps:,}" if trials else ""


def _share(effect: float) -> str:
    if not effect > -_MANY:  # or no number at all
        return "-"
    return f"{100 * effect:.0f} %"
