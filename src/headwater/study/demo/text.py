"""The demo's sentences. Each follows from what was measured: nothing is known before it ran."""

from __future__ import annotations

from headwater.records import FixRecord
from headwater.records.numbers import number
from headwater.study.data import Dataset
from headwater.study.demo.fix import DEEP
from headwater.study.demo.story import STEPS, WIDTH, Chapter, Demo
from headwater.study.training import BATCH_SIZE, Training


def setting(data: Dataset, steps: int = STEPS) -> str:
    """Says how all networks were trained."""
    return (
        f"{len(data.inputs):,} {data.title}; {steps:,} steps of plain gradient descent on {BATCH_SIZE} "
        f"images each; layers of {WIDTH} units; judged on {len(data.test_inputs):,} images that no training saw."
    )


def fix_setting(record: FixRecord) -> str:
    """Says what `headwater.fix` was asked."""
    return (
        f"What would mend the {DEEP.depth} sigmoid layers? headwater.fix tries remedies on them, from the same rate of "
        f"{DEEP.rate:g} and for {record.steps:,} steps at most, and puts the best one to the proof."
    )


def result(chapter: Chapter) -> str:
    """Says what the training came to."""
    training = chapter.training
    right = f"{100 * training.accuracy:.0f} % of the test images right"
    match training.outcome:
        case "learned":
            return f"It learns: loss {training.final_loss:.2f}, {right}."
        case "partly":
            return f"It learns a little: loss {training.final_loss:.2f}, {right}."
        case "diverged":
            return f"It diverges: the loss ends at {training.final_loss}."
        case "nothing":
            return (
                f"It learns nothing: the loss stays at {training.final_loss:.2f}, and guessing costs "
                f"{training.chance:.2f}; {right}."
            )


def retries(chapter: Chapter) -> str | None:
    """Says whether another learning rate would have helped, where that was tried."""
    if not chapter.retries:
        return None
    rates = " and ".join(f"{training.rate:g}" for training in chapter.retries)
    losses = " and ".join(_loss(training) for training in chapter.retries)
    if all(training.outcome in ("nothing", "diverged") for training in chapter.retries):
        return f"The learning rate is not to blame: {len(chapter.retries[0].losses)} steps at {rates} end at {losses}."
    return f"Another learning rate changes it: at {rates} the loss comes to {losses}."


def gradient(chapter: Chapter) -> str | None:
    """Says how much of the gradient a layer passes on, and how much of it arrives at the first."""
    gain = chapter.report.profile.gain
    if gain is None:
        return None
    return (
        f"On the way back a layer keeps {number(100 * gain)} % of the gradient (median); {share_left(chapter)} of it "
        "arrives at the first."
    )


def share_left(chapter: Chapter) -> str:
    """The share of the last layer's gradient that arrives at the first."""
    left = _left(chapter)
    return "" if left is None else _power(left)


def moral(demo: Demo) -> str | None:
    """Says what tells the networks that learned from those that did not, if that is the gradient."""
    learned = [_left(chapter) for chapter in demo.chapters if chapter.training.outcome == "learned"]
    others = [_left(chapter) for chapter in demo.chapters if chapter.training.outcome == "nothing"]
    least, most = min(_known(learned), default=None), max(_known(others), default=None)
    if least is None or most is None or most >= least:
        return None
    return (
        f"Where the network learned, at least {_power(least)} of the gradient arrived at the first layer; where it "
        f"did not, {_power(most)} or less. What decides is the factor that every layer multiplies in."
    )


def diagnosis(chapter: Chapter) -> str:
    """Names the leading finding."""
    findings = chapter.report.findings
    if not findings:
        return "No finding: nothing keeps the gradient from the first layers."
    return f"{findings[0].code} {findings[0].name}: {findings[0].message}"


def changed(chapter: Chapter) -> str:
    """Says what differs from the network before, and the rate."""
    return f"{chapter.plan.change} Rate {chapter.plan.rate:g}."


def sentences(chapter: Chapter) -> list[str]:
    """All that is said about a chapter, in order."""
    said = [result(chapter), retries(chapter), gradient(chapter)]
    return [sentence for sentence in said if sentence is not None]


def _loss(training: Training) -> str:
    return "no number" if training.outcome == "diverged" else f"{training.final_loss:.2f}"


def _left(chapter: Chapter) -> float | None:
    profile = chapter.report.profile
    if profile.underflow_at is None or profile.gain is None:
        return profile.attenuation
    # The numbers below 1e-38 hold a digit or none: the power of the gain is better there.
    return profile.gain**chapter.plan.depth


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _power(share: float) -> str:
    return number(share)
