"""Is one training better than another, or was it chance?

Trials are compared in pairs that share the seed (initial weights and the order of the data) and the batch on which they
are judged, so that most of the noise cancels (Bouthillier et al. 2021, "Accounting for variance in machine learning
benchmarks", MLSys, arXiv 2103.03098). A difference can be due to the seeds or to the batches. It counts when it holds
over both: the larger p-value is that of the hypothesis that it fails over one of them (intersection-union test: Berger
1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24).

Over seeds: Student's paired t-test, one-sided, on the means of the batches. Over batches: Wilcoxon's signed-rank test
(1945), one-sided, on the means of the seeds, as the losses of single batches have long tails; below seven batches,
where its smallest p-value is above the level of a look, the t-test again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Any, Literal, cast

import numpy as np
from scipy import stats

from headwater.records import TrialResult

Measure = Literal["score", "held-out loss", "training loss"]
MEASURES: Sequence[Measure] = ("score", "held-out loss", "training loss")
"""What counts most comes first; what moves first, last."""
LEAST = 0.05
"""Share of the original's level that must be gone: less is not worth a change to the user's code."""
ALPHA = 0.05
"""Probability with which chance alone may pass for a difference (Fisher 1925)."""
LOOKS = {1: 0.05, 2: 0.0294, 3: 0.0221, 4: 0.0182, 5: 0.0158, 6: 0.0142}
"""Level of each look at growing data so that all together keep to `ALPHA` (Pocock 1977, "Group sequential methods in
the design and analysis of clinical trials", Biometrika 64, table 1)."""
_RANKS = 7
"""Pairs from which on Wilcoxon's test can fall below each of `LOOKS`: its smallest p-value is ``2^-n``, 0.008 for
seven."""
_WHOLE = 3
"""Pairs of which neither diverged, from which on Student's test is asked about them alone."""
_COUNTED = 20_000
"""Ways to divide the ranks that are counted one by one: of eight seeds on either side 12,870, of 14 pairs 16,384."""

_SAME = 1e-9
"""Gaps that differ by no more than this share are equal but for rounding."""
_UNTESTED = 0.5
"""Of one seed, or of several that all give the same training: no test can tell that from chance."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def measure_of(results: Sequence[TrialResult]) -> Measure:
    """Returns what trials of one workload are compared by: the best that one of them which was not lost has."""
    kept = [each for each in results if not each.lost]
    if any(each.scores for each in kept):
        return "score"
    return "held-out loss" if any(each.held_out for each in kept) else "training loss"


def telling(original: TrialResult, results: Sequence[TrialResult]) -> Measure:
    """Returns what counts most of that by which one of `results` is ahead: while no score moves, the loss tells.

    Where nothing is ahead by any, what counts most.
    """
    first = measure_of([original, *results])
    known: Sequence[Measure] = MEASURES[MEASURES.index(first) :]
    for measure in known:
        if all(row(each, measure) for each in results) and any(
            share_gone(each, original, measure) >= LEAST for each in results
        ):
            return measure
    return first


def row(result: TrialResult, measure: Measure) -> tuple[float, ...]:
    """Returns what a trial reached on each batch, smaller is better."""
    if measure == "score":
        return tuple(-each for each in result.scores)
    if measure == "held-out loss":
        return result.held_out
    return result.late


def mean_row(result: TrialResult, measure: Measure) -> float:
    """Returns the mean of `row`; infinite when the training was lost."""
    return math.inf if result.lost else fmean(row(result, measure))


def share_gone(result: TrialResult, original: TrialResult, measure: Measure) -> float:
    """Returns by which share of its size the original's level lies above; 1 where only the original diverged."""
    if result.lost:
        return -math.inf
    if original.lost:
        return 1.0
    before = mean_row(original, measure)
    gone = before - mean_row(result, measure)
    return gone / abs(before) if before else math.copysign(math.inf, gone) if gone else 0.0


def shown(result: TrialResult, measure: Measure) -> float:
    """Returns the mean as a reader expects it: a score is the larger the better."""
    level = mean_row(result, measure)
    return -level if measure == "score" else level


@dataclass(frozen=True)
class Comparison:
    """Probabilities of as large a lead by chance."""

    over_seeds: float
    over_batches: float

    @property
    def p_value(self) -> float:
        """Of both: the lead must hold over other seeds and over other data."""
        return max(self.over_seeds, self.over_batches)


def better(ones: Sequence[TrialResult], others: Sequence[TrialResult], measure: Measure) -> Comparison:
    """Tests the hypothesis that `ones` are no better than `others`.

    A training that diverged is worse than one that did not, by how much cannot be said: where each pair has exactly one
    that did, always of the same side, nothing is left to chance. Where only some of `others` have, two tests are asked,
    and the smaller p-value counts twice (Bonferroni): the rank-sum test, in which diverging comes last, and Student's
    on the pairs that are whole, which favours `others`, as the seeds that they could not stand are left out. The sign
    test could tell too little: six seeds out of six are 0.016, which is above the level of each of six looks.

    Where one of `others` ended with an error, as a control may, nothing is proved: it may have been out of memory. Nor
    is it where one ended by itself after so few steps that less than `_RANKS` of them can be compared: a script that
    breaks at its first good batch has chosen that batch. One seed proves nothing, nor do several that all give the same
    training.

    Args:
        ones: trials of one candidate.
        others: those that they are compared with; pairs are made by the seed.
        measure: by what.
    """
    pairs = paired(ones, others)
    if not pairs or any(one.lost or other.error is not None for one, other in pairs):
        return Comparison(1.0, 1.0)
    seeds_tell = len({(one.losses, other.losses) for one, other in pairs}) > 1
    if all(other.lost for _, other in pairs):
        return Comparison(0.0 if seeds_tell else _UNTESTED, 0.0)
    whole = [(one, other) for one, other in pairs if not other.lost]
    gaps = _gaps(whole, measure)
    over_seeds = _mean_below(gaps.mean(axis=1)) if seeds_tell else _UNTESTED
    if len(whole) < len(pairs):
        apart = _ranked_apart(
            [mean_row(one, measure) for one, _ in pairs], [_diverged_last(other, measure) for _, other in pairs]
        )
        over_seeds = min(1.0, 2 * min(apart, over_seeds if len(whole) >= _WHOLE else 1.0))
    chosen = gaps.shape[1] < _RANKS and any(each.finished for pair in whole for each in pair)
    return Comparison(over_seeds, 1.0 if chosen else _ranked_below(gaps.mean(axis=0)))


def paired(ones: Sequence[TrialResult], others: Sequence[TrialResult]) -> list[tuple[TrialResult, TrialResult]]:
    """Returns the pairs of trials with the same seed and the same budget."""
    by_seed = {(each.seed, each.steps): each for each in others}
    return [(each, by_seed[each.seed, each.steps]) for each in ones if (each.seed, each.steps) in by_seed]


def _gaps(pairs: Sequence[tuple[TrialResult, TrialResult]], measure: Measure) -> Numbers:
    """By how much one of each pair lies above the other on each batch: pairs, then batches.

    Trainings that ended by themselves have fewer steps; what each of them reached in its last ones is compared.
    """
    rows = [(row(one, measure), row(other, measure)) for one, other in pairs]
    common = min(len(each) for pair in rows for each in pair)
    return np.array([np.subtract(one[-common:], other[-common:]) for one, other in rows], dtype=np.float64)


def _diverged_last(result: TrialResult, measure: Measure) -> float:
    return math.inf if result.lost else mean_row(result, measure)


def _ranked_apart(ones: Sequence[float], others: Sequence[float]) -> float:
    """One-sided rank-sum test (Wilcoxon 1945; Mann, Whitney 1947) that `ones` lie below, exact where it can be counted.

    It takes the two sides for independent. They share their seeds, which only makes it say less.
    """
    if math.comb(len(ones) + len(others), len(ones)) > _COUNTED:
        return float(cast(Any, stats).mannwhitneyu(ones, others, alternative="less").pvalue)
    ranks: Numbers = cast(Any, stats).rankdata([*ones, *others])
    sums = ranks[_choices(len(ranks), len(ones))].sum(axis=1)
    return np.count_nonzero(sums <= sums[0] + _SAME) / len(sums)  # the first one is that of `ones`


@lru_cache
def _choices(amount: int, chosen: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Every choice of so many places, a row each, the first ones first."""
    rows = np.array(list(itertools.combinations(range(amount), chosen)))
    rows.setflags(write=False)
    return rows


def _mean_below(gaps: Numbers) -> float:
    """One-sided t-test of a mean below zero; where all gaps are equal, one alone among them, nothing varies."""
    if np.ptp(gaps) <= _SAME * np.abs(gaps).max():
        return 0.0 if gaps[0] < 0 else 1.0
    return float(cast(Any, stats).ttest_1samp(gaps, 0.0, alternative="less").pvalue)


def _ranked_below(gaps: Numbers) -> float:
    """One-sided signed-rank test that gaps lie below zero, exact where it can be counted; gaps of zero tell nothing."""
    if len(gaps) < _RANKS:
        return _mean_below(gaps)
    uneven = gaps[gaps != 0]
    if not len(uneven):
        return 1.0
    if 2 ** len(uneven) > _COUNTED:
        return float(cast(Any, stats).wilcoxon(gaps, alternative="less").pvalue)
    ranks: Numbers = cast(Any, stats).rankdata(np.abs(uneven))
    sums = _signs(len(ranks)) @ ranks
    above = sums > ranks[uneven > 0].sum() + _SAME  # nothing is, where a gap is no number
    return float(np.count_nonzero(~above) / len(sums))


@lru_cache
def _signs(amount: int) -> Numbers:
    """Every way in which so many gaps can lie above zero, a row each: 1 where one does."""
    rows = np.array(list(itertools.product((0.0, 1.0), repeat=amount)))
    rows.setflags(write=False)
    return rows
