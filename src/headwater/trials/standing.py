"""Who is ahead after some steps with one seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.records import Safety, TrialResult
from headwater.trials.candidates import Proposal
from headwater.trials.statistics import ALPHA, Measure, better, mean_row, share_gone, telling

NEGLIGIBLE = 0.01
"""Share of the gain that a smaller change may lack of the best one's, and is as good for all that."""
UNCLEAR = 0.1
"""Share of the gain that it may lack where the difference is not significant: one seed shows no less. A lower
rate than that of a good one may lack it in any case."""
CLOSE = 0.5
"""Share of the best one's gain below which a candidate is not worth training on."""
_SAFETIES: tuple[Safety, ...] = ("safe", "unsafe", "display-only")


@dataclass(frozen=True)
class Table:
    """Candidates after the same steps with the same seed, the best first.

    Attributes:
        measure: what they are compared by.
        original: how the original fared.
        ranked: candidates that were not lost, with their trainings.
        lost: those that were.
    """

    measure: Measure
    original: TrialResult
    ranked: tuple[tuple[Proposal, TrialResult], ...]
    lost: tuple[tuple[Proposal, TrialResult], ...]

    def gain(self, result: TrialResult) -> float:
        """By how much a training lies below the original; below the worst one when the original was lost."""
        before = mean_row(self.original, self.measure)
        if self.original.lost:
            before = max(mean_row(each, self.measure) for _, each in self.ranked)
        return before - mean_row(result, self.measure)

    @property
    def best_gain(self) -> float:
        """Gain of the best; zero where nothing gains."""
        return max([0.0, *(self.gain(result) for _, result in self.ranked)])

    @property
    def share_gone(self) -> float:
        """Which share of the original's level is gone with the best."""
        return max((share_gone(result, self.original, self.measure) for _, result in self.ranked), default=-math.inf)

    def as_good(self) -> tuple[Proposal, ...]:
        """Those that are as good as the best, the smallest first, then the safe ones, then the best.

        Of two that differ by their rate only, the lower one stands ahead: a long training gets further with it. So one
        that lacks little counts as good, whatever a test on one seed says.
        """
        if not self.ranked:
            return ()
        best = self.ranked[0][1]
        good = [each for each, result in self.ranked if self._as_good(result, best)]
        equal = [
            each
            for each, result in self.ranked
            if each in good
            or (self._behind(result, best) <= UNCLEAR and any(each.is_slower_than(other) for other in good))
        ]
        equal.sort(key=lambda each: (each.size, _SAFETIES.index(each.safety)))
        for one in tuple(equal):
            if faster := [each for each in equal[: equal.index(one)] if one.is_slower_than(each)]:
                equal.remove(one)
                equal.insert(equal.index(faster[0]), one)
        return tuple(equal)

    def slower(self, proposal: Proposal) -> tuple[Proposal, ...]:
        """The same with a lower rate, and parts of it, that are in the race."""
        return tuple(each for each, _ in self.ranked if each.is_slower_than(proposal))

    def close(self) -> tuple[Proposal, ...]:
        """Those that may yet win, the best first: not far and clearly behind the best, or all where none gains yet."""
        least = CLOSE * self.best_gain if self.best_gain > 0 else -math.inf
        return tuple(
            each for each, result in self.ranked if self.gain(result) >= least or not self._is_clearly_behind(result)
        )

    def _as_good(self, result: TrialResult, best: TrialResult) -> bool:
        behind = self._behind(result, best)
        if behind <= NEGLIGIBLE:
            return True
        return behind <= UNCLEAR and not self._is_clearly_behind(result)

    def _is_clearly_behind(self, result: TrialResult) -> bool:
        """Whether the batches agree that it is behind the best."""
        return better([self.ranked[0][1]], [result], self.measure).over_batches <= ALPHA

    def _behind(self, result: TrialResult, best: TrialResult) -> float:
        """What it lacks of the best one's gain, as a share."""
        lacks = mean_row(result, self.measure) - mean_row(best, self.measure)
        return lacks / self.best_gain if self.best_gain > 0 else 0.0 if lacks <= 0 else math.inf


def table(original: TrialResult, results: Sequence[tuple[Proposal, TrialResult]]) -> Table:
    """Ranks candidates; among equal ones the smaller change leads."""
    kept = [pair for pair in results if not pair[1].lost]
    measure = telling(original, [result for _, result in kept])
    ranked = sorted(kept, key=lambda pair: (mean_row(pair[1], measure), pair[1].level, pair[0].size))
    return Table(measure, original, tuple(ranked), tuple(pair for pair in results if pair[1].lost))
