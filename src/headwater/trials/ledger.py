"""All trials of a search: each is run once, and found again by what was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from headwater.records import TrialResult
from headwater.trials.workload import Trial

Run = Callable[[Sequence[Trial]], Sequence[TrialResult]]
"""Runs trials and returns their results in the same order."""


@dataclass(frozen=True)
class Entrant:
    """Who runs: remedies in their order; none: the original, or the do-nothing control."""

    remedies: tuple[str, ...] = ()
    control: bool = False


ORIGINAL, CONTROL = Entrant(), Entrant(control=True)


@dataclass
class Ledger:
    """What was run so far.

    Attributes:
        run: runs trials.
        horizon: steps of the whole training, of which a trial is the beginning.
    """

    run: Run
    horizon: int
    _results: dict[tuple[Entrant, int, int], TrialResult] = field(
        default_factory=dict[tuple[Entrant, int, int], TrialResult]
    )

    def train(self, entrants: Sequence[Entrant], seeds: Sequence[int], steps: int) -> None:
        """Trains each entrant with each seed up to `steps`, unless it was lost, ended or went as far before."""
        wanted = [(entrant, seed, steps) for entrant in dict.fromkeys(entrants) for seed in seeds]
        for key in wanted:
            if (over := self._over(key[0], key[1], steps)) is not None:
                self._results.setdefault(key, replace(over, steps=steps, spent=0))
        new = [key for key in wanted if key not in self._results]
        for key, result in zip(new, self.run([self._trial(*key) for key in new]), strict=True):
            self._results[key] = result

    def result(self, entrant: Entrant, seed: int, steps: int) -> TrialResult:
        """Returns the training of an entrant up to `steps`."""
        return self._results[entrant, seed, steps]

    def trained(self, entrant: Entrant, steps: int) -> tuple[TrialResult, ...]:
        """Returns the trainings of an entrant up to `steps`, by seed."""
        found = [(seed, result) for (who, seed, far), result in self._results.items() if (who, far) == (entrant, steps)]
        return tuple(result for _, result in sorted(found, key=lambda pair: pair[0]))

    def longest(self, entrant: Entrant) -> tuple[TrialResult, ...]:
        """Returns the longest training of each seed, the longest of all last."""
        by_seed: dict[int, TrialResult] = {}
        for (who, seed, _), result in self._results.items():
            if who == entrant and (seed not in by_seed or by_seed[seed].steps < result.steps):
                by_seed[seed] = result
        return tuple(sorted(by_seed.values(), key=lambda result: (result.steps, -result.seed)))

    def _trial(self, entrant: Entrant, seed: int, steps: int) -> Trial:
        whole = steps == self.horizon
        return Trial(entrant.remedies, seed, steps, entrant.control, self.horizon, profile=whole)

    def _over(self, entrant: Entrant, seed: int, steps: int) -> TrialResult | None:
        """A training of it that is over, and would be the same one again."""
        those = (r for (who, of, _), r in self._results.items() if (who, of) == (entrant, seed))
        return next((r for r in those if (r.lost or r.finished) and len(r.losses) <= steps), None)
