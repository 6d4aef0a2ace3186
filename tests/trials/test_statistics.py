"""The tests' p-values against scipy on the means, and against what they are for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from headwater.records import TrialResult
from headwater.trials.statistics import ALPHA, LOOKS, _ranked_apart, better, measure_of, paired, row, telling
from tests.trials.build import result


def p(ones: Sequence[TrialResult], others: Sequence[TrialResult]) -> float:
    return better(ones, others, "held-out loss").p_value


def series(gap: float, *, seeds: int = 4, batches: int = 12, seed_noise: float = 0.02) -> tuple[list[Any], list[Any]]:
    draw = np.random.default_rng(7)
    ones, others = [], []
    for seed in range(seeds):
        base = 1 + draw.normal(0, 1.0, batches)
        change = gap + draw.normal(0, seed_noise) + draw.normal(0, 0.02, batches)
        ones.append(result(*(base + change), seed=seed))
        others.append(result(*base, seed=seed))
    return ones, others


def test_it_is_the_larger_one_of_the_two_p_values():
    ones, others = series(-0.02)
    gaps = np.array([np.subtract(a.held_out, b.held_out) for a, b in zip(ones, others, strict=True)])
    over_seeds = stats.ttest_rel(
        [np.mean(a.held_out) for a in ones], [np.mean(b.held_out) for b in others], alternative="less"
    ).pvalue
    over_batches = stats.wilcoxon(gaps.mean(0), alternative="less").pvalue
    found = better(ones, others, "held-out loss")
    assert (found.over_seeds, found.over_batches) == (pytest.approx(over_seeds), pytest.approx(over_batches))
    assert found.p_value == max(found.over_seeds, found.over_batches)
    assert over_seeds != over_batches


def test_pairing_sees_a_small_difference_through_a_large_noise():
    ones, others = series(-0.1)
    assert p(ones, others) < 0.01
    unpaired = stats.ttest_ind(
        np.ravel([a.held_out for a in ones]), np.ravel([b.held_out for b in others]), alternative="less"
    )
    assert unpaired.pvalue > ALPHA
    assert p(others, ones) > 0.9


@pytest.mark.parametrize("others", [[3.0, 4.0, math.inf], [1.0, 2.0, 2.0], [math.inf, math.inf, 0.5], [2.0, 2.0, 2.0]])
def test_the_rank_sums_are_those_of_a_plain_count(others: list[float]) -> None:
    ones = [1.0, 2.0, 2.0]
    ranks = stats.rankdata([*ones, *others])
    below = [sum(each) <= sum(ranks[:3]) + 1e-9 for each in itertools.combinations(ranks, 3)]
    assert _ranked_apart(ones, others) == pytest.approx(sum(below) / 20)


@pytest.mark.parametrize("batches", [7, 9, 12])
def test_over_batches_ties_and_equal_ones_are_counted_as_scipy_counts_them(batches: int) -> None:
    draw = np.random.default_rng(batches)
    for _ in range(6):
        gaps = np.round(draw.normal(-0.2, 1.0, batches) * 4) / 4  # what is added to two and taken off again is equal
        gaps[0] = 0.0
        ones, others = [result(*(2 + gaps))], [result(*np.full(batches, 2.0))]
        expected = stats.wilcoxon(gaps, alternative="less").pvalue
        assert better(ones, others, "held-out loss").over_batches == pytest.approx(expected)


@pytest.mark.parametrize("batches", [7, 13, 14, 15, 40])
def test_over_batches_without_ties_it_is_the_exact_test(batches: int) -> None:
    draw = np.random.default_rng(batches)
    for _ in range(6):
        gaps = draw.normal(-0.2, 1.0, batches)
        ones, others = [result(*(2 + gaps))], [result(*np.full(batches, 2.0))]
        expected = stats.wilcoxon(gaps, alternative="less", method="exact").pvalue
        assert better(ones, others, "held-out loss").over_batches == pytest.approx(expected)


def test_a_gap_that_is_no_number_proves_nothing() -> None:
    ones, others = [course([1.0] * 30, 0, 30)], [course([*[2.0] * 28, math.nan, 2.0], 0, 30)]
    assert better(ones, others, "training loss").over_batches == 1.0


def test_chance_passes_for_a_difference_no_more_often_than_alpha():
    """Two thousand comparisons of equal candidates, with noise over seeds and over batches."""
    draw = np.random.default_rng(0)
    passed = 0
    for _ in range(2000):
        over_seeds, over_batches = draw.normal(0, 0.1, (3, 1)), draw.normal(0, 0.1, (1, 8))
        gaps = over_seeds + over_batches + draw.normal(0, 0.1, (3, 8))
        ones = [result(*each, seed=seed) for seed, each in enumerate(gaps)]
        others = [result(*np.zeros(8), seed=seed) for seed in range(3)]
        passed += p(ones, others) < ALPHA
    assert passed <= 2000 * ALPHA


def test_a_difference_with_one_seed_only_is_none():
    """The batches agree, but two of three seeds see the other side ahead."""
    ones = [result(*[0.5 if seed == 0 else 1.01] * 12, seed=seed) for seed in range(3)]
    others = [result(*[1.0] * 12, seed=seed) for seed in range(3)]
    assert p(ones, others) > ALPHA


def test_a_lost_training_is_worse_than_any_other():
    kept = [result(5.0, 6.0, seed=seed) for seed in range(3)]
    lost = [result(seed=seed, lost=True) for seed in range(3)]
    assert p(kept, lost) == 0.0
    assert p(lost, kept) == 1.0
    assert p(lost, lost) == 1.0


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_loses_the_training(score: float):
    """A metric that divides by nothing must neither win nor spoil the means of the others."""
    kept = [replace(scored(0.5, 1.0, 1.0), seed=seed) for seed in range(3)]
    odd = [replace(scored(score, 0.1, 0.1), seed=seed) for seed in range(3)]
    assert all(each.lost for each in odd)
    assert better(odd, kept, "score").p_value == 1.0


def test_where_only_some_were_lost_the_seeds_are_counted():
    kept = [result(0.5, 0.6, seed=seed) for seed in range(3)]
    mixed = [result(seed=0, lost=True), result(1.0, 1.1, seed=1), result(1.0, 1.1, seed=2)]
    assert p(kept, mixed) == pytest.approx(2 / math.comb(6, 3))
    six = [result(*[0.5 + seed / 99] * 8, seed=seed) for seed in range(6)]
    for lost in range(1, 6):
        some = [result(*[1.0 + seed / 50] * 8, seed=seed, lost=seed < lost) for seed in range(6)]
        assert p(six, some) < min(LOOKS.values())


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_where_some_were_lost_chance_passes_no_more_often_than_alpha(shared: float):
    """Seeds weigh on both sides alike, or each side has its own; either may diverge with any of them."""
    draw, passed = np.random.default_rng(0), 0
    for _ in range(400):
        common, own = draw.normal(5, shared, (6, 1)), draw.normal(0, 0.1, (2, 6, 8)) + draw.normal(0, 0.1, (2, 6, 1))
        diverged = draw.random((2, 6)) < 0.1
        ones, others = (
            [result(*numbers[i], seed=i, lost=bool(lost[i])) for i in range(6)]
            for numbers, lost in zip(common + own, diverged, strict=True)
        )
        passed += better(ones, others, "held-out loss").over_seeds < ALPHA
    assert passed <= 400 * ALPHA


def test_seeds_that_change_nothing_leave_the_batches_to_tell():
    """A function that seeds itself builds the same network every time."""
    batches = np.linspace(1, 2, 12)
    ones = [result(*(batches - 0.1), seed=seed) for seed in range(3)]
    others = [result(*batches, seed=seed) for seed in range(3)]
    assert p(ones, others) == pytest.approx(0.5**12)
    assert p(others, ones) == 1.0


def test_one_pair_proves_nothing():
    assert p([result(0.1)], [result(1.0)]) == 0.5


def test_pairs_share_seed_and_budget():
    ones = [result(1.0, seed=0), result(1.0, seed=1, steps=50)]
    others = [result(2.0, seed=0), result(2.0, seed=1), result(2.0, seed=2)]
    assert [(a.seed, b.seed) for a, b in paired(ones, others)] == [(0, 0)]
    assert p(ones, []) == 1.0


def test_what_counts_is_the_score_then_the_held_out_loss_then_the_training_loss():
    plain = result()
    assert measure_of([plain]) == "training loss" and row(plain, "training loss") == (1.0,) * 33
    held = result(0.5, 0.7)
    assert measure_of([held, result(lost=True)]) == "held-out loss" and row(held, "held-out loss") == (0.5, 0.7)
    scored = replace(held, scores=(0.9, 0.8))
    assert measure_of([scored]) == "score" and row(scored, "score") == (-0.9, -0.8)


def scored(score: float, held_out: float, late: float) -> TrialResult:
    return TrialResult((), 0, 6, losses=(2.0,) * 4 + (late, late), held_out=(held_out,) * 3, scores=(score,) * 3)


@pytest.mark.parametrize(
    ("one", "measure"),
    [
        (scored(0.6, 2.0, 2.0), "score"),
        (scored(0.5, 1.5, 2.0), "held-out loss"),
        (scored(0.5, 2.5, 1.0), "training loss"),
        (scored(0.5, 2.0, 2.0), "score"),
    ],
)
def test_while_no_score_moves_the_loss_tells(one: TrialResult, measure: str):
    assert telling(scored(0.5, 2.0, 2.0), [scored(0.5, 2.0, 2.0), one]) == measure


def test_an_original_that_was_lost_is_behind_by_what_counts_most():
    assert telling(result(lost=True), [scored(0.1, 2.0, 2.0)]) == "score"
    assert telling(result(lost=True), []) == "training loss"


@pytest.mark.parametrize("batches", range(2, 12))
def test_with_any_number_of_batches_each_look_can_be_passed(batches: int):
    ones, others = series(-0.5, seeds=6, batches=batches, seed_noise=0.001)
    assert better(ones, others, "held-out loss").over_batches < min(LOOKS.values())


def test_a_control_that_ended_with_an_error_proves_nothing():
    """Out of memory, a full disk, a killed process: it is not the training that was worse."""
    ours = [result(0.5, 0.6, seed=seed) for seed in range(3)]
    for failed in (range(3), range(1)):
        theirs = [
            replace(result(1.0, 1.1, seed=seed), error="OSError: no space left" if seed in failed else None)
            for seed in range(3)
        ]
        assert p(ours, theirs) == 1.0


def course(losses: Sequence[float], seed: int, steps: int) -> TrialResult:
    return TrialResult((), seed, steps, losses=tuple(losses), finished=len(losses) < steps)


def test_a_training_that_ended_by_itself_is_compared_by_what_it_has_reached():
    """The one reaches its goal after 60 of 100 steps, the other runs on above it."""
    noise = [math.sin(7 * step) / 50 for step in range(100)]
    falls = [[1 - step / 60 + noise[step] + seed / 99 for step in range(58 + seed)] for seed in range(3)]
    ones = [course(losses, seed, 100) for seed, losses in enumerate(falls)]
    others = [course([1.0 + noise[step] + seed / 99 for step in range(100)], seed, 100) for seed in range(3)]
    assert all(not each.lost and each.level < 0.25 for each in ones)
    assert better(ones, others, "training loss").p_value < 0.01
    assert better(others, ones, "training loss").p_value > 0.9
    assert measure_of([*ones, *others]) == "training loss"


@pytest.mark.parametrize("steps", [3, 20])
def test_a_break_at_the_first_good_batch_proves_nothing(steps: int):
    """``if loss < goal: break``: a batch that the loss itself has chosen, beside any batch of the other."""
    draw = np.random.default_rng(3)
    others = [course(draw.uniform(0.5, 1.5, 100), seed, 100) for seed in range(3)]
    ones = [course([*draw.uniform(0.5, 1.5, steps - 1), 0.1], seed, 100) for seed in range(3)]
    assert better(ones, others, "training loss").over_batches == 1.0
