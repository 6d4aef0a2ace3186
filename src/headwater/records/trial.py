"""What came out of short trainings of one candidate, and of the search over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from headwater.records.change import Change, Safety
from headwater.records.finding import Finding
from headwater.records.layer import Profile

Standing = Literal["recommended", "as good", "beaten", "no better", "screened out", "failed", "refused", "not tried"]
Verdict = Literal["fixed", "nothing helped", "healthy"]

LATE = 3
"""The last third of a training is what its loss is read from, where no data is held out."""


@dataclass(frozen=True)
class TrialResult:
    """One short training: a pure function of the workload, the remedies, the seed and the budget.

    Attributes:
        remedies: keys in the order in which they were applied; none for the original.
        seed: of all random numbers.
        control: whether nothing was changed but the random numbers of the initial weights, so that the difference from
            the original is chance.
        steps: optimizer steps asked for.
        losses: the training loss of each step, on its batch before the step; shorter than `steps` when it was lost,
            or ended by itself.
        held_out: the loss on each held-out batch at the end, in evaluation mode; empty when no data was held out.
        scores: the user's own metric on each held-out batch at the end, larger is better; empty where none was given.
        profile: the gradient along the trunk at the end of the training, where it was measured.
        changes: what the remedies did.
        seconds: time taken, by all of it.
        spent: optimizer steps that this trial itself took: fewer than `losses` has where it went on with a shorter one.
        error: why it ended early: an exception of the user's code or of a remedy.
        finished: whether it ended before `steps` as it was meant to (early stopping, a goal that was reached): what it
            reached by then is what counts.
    """

    remedies: tuple[str, ...]
    seed: int
    steps: int
    control: bool = False
    losses: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    profile: Profile | None = None
    changes: tuple[Change, ...] = ()
    seconds: float = 0.0
    spent: int = 0
    error: str | None = None
    finished: bool = False

    @property
    def lost(self) -> bool:
        """Whether it raised, or its loss or its score left the finite numbers."""
        ended = not self.losses or (len(self.losses) < self.steps and not self.finished)
        numbers = (*self.losses[-1:], *self.held_out, *self.scores)
        return self.error is not None or ended or not all(map(math.isfinite, numbers))

    @property
    def score(self) -> float | None:
        """Mean of the user's own metric; ``None`` where it was not given, or the training was lost."""
        return fmean(self.scores) if self.scores and not self.lost else None

    @property
    def level(self) -> float:
        """What it reached: mean loss on the held-out data, else over its last third; infinite when it was lost."""
        if self.lost:
            return math.inf
        return fmean(self.held_out or self.late)

    @property
    def late(self) -> tuple[float, ...]:
        """The training losses of the last third of its steps."""
        return self.losses[-max(1, len(self.losses) // LATE) :]


@dataclass(frozen=True)
class Candidate:
    """One remedy or a combination, and how it fared.

    Attributes:
        remedies: keys, in the order in which they are applied.
        says: what it does, in one line.
        size: how much it changes, by which the smallest of equally good ones is chosen.
        safety: that of its least safe remedy.
        standing: how it came out.
        why: that standing in one sentence, with numbers.
        trials: its trainings, longest last.
        effect: by how much its level lies below the original's, as a share of the latter: 1 takes the loss to zero.
        p_value: of the hypothesis that it is no better than the original, one-sided and paired; ``None`` untested.
        changes: what it changed, as source.
    """

    remedies: tuple[str, ...]
    says: str
    size: int
    safety: Safety
    standing: Standing
    why: str
    trials: tuple[TrialResult, ...] = ()
    effect: float | None = None
    p_value: float | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class FixRecord:
    """A whole search, as data.

    Attributes:
        verdict, reason: what came out, and in one sentence why.
        findings: of the original, root cause first.
        candidates: the best first.
        original: the trainings that they were compared with.
        control: those that what was ahead of the original was compared with; none where nothing was.
        before: the gradient along the trunk of the original; the candidates' stand in their trials.
        measure: what was compared: ``"score"``, ``"held-out loss"`` or ``"training loss"``.
        steps, seeds: of the longest trials.
        steps_spent: optimizer steps of the whole search: the diagnosis, looks at candidates, range tests, trials.
        steps_exhaustive: what training the original and every candidate that raced, with every seed for all steps,
            would have taken.
        seconds: time of the search.
        diff: unified diff of the user's source for the recommended candidate; empty where there is none.
        snippet: the same as plain PyTorch, for what could not be written as a diff.
        not_written: why parts of it could not be written as a diff.
    """

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...] = ()
    original: tuple[TrialResult, ...] = ()
    control: tuple[TrialResult, ...] = ()
    before: Profile | None = None
    measure: str = "training loss"
    steps: int = 0
    seeds: int = 0
    steps_spent: int = 0
    steps_exhaustive: int = 0
    seconds: float = 0.0
    diff: str = ""
    snippet: str = ""
    not_written: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def best(self) -> Candidate | None:
        """The recommended candidate."""
        return next((each for each in self.candidates if each.standing == "recommended"), None)
