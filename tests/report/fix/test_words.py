from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import FixRecord
from headwater.report.fix.words import cost, level, longest, outcome, ranking, untried
from tests.report.fix.records import FIXED, HEALTHY, NOTHING, candidate, trials


def test_a_fix_is_told_with_its_effect_and_how_sure_it_is() -> None:
    said = outcome(FIXED)
    assert said.tone == "good"
    assert said.headline == (
        "Recommended: ReLU in place of sigmoid in 50 hidden layers; He initialisation of 51 weights "
        "(activation-swap:relu + init-matched:he)"
    )
    assert said.message == (
        "Held-out loss 2.31 -> 0.13, lower with 3 of 3 seeds, p = 0.001; a do-nothing control (other random numbers "
        "only) comes to 2.31."
    )


def test_seeds_are_paired() -> None:
    best = FIXED.candidates[0]
    # The seed that ends highest is the only one above its pair, though all lie below the original's mean.
    original = (*trials(end=2.3)[:2], replace(trials(end=2.3)[2], held_out=(0.13,)))
    record = replace(FIXED, original=original, candidates=(best,))
    assert "lower with 2 of 3 seeds" in outcome(record).message
    assert "seeds" not in outcome(replace(record, original=trials(end=2.3, steps=30))).message  # of other trainings


@pytest.mark.parametrize(
    ("record", "tone", "headline"),
    [(NOTHING, "risk", "Nothing that was tried helped"), (HEALTHY, "good", "Healthy: there is nothing to fix")],
)
def test_without_a_fix_the_reason_is_given(record: FixRecord, tone: str, headline: str) -> None:
    said = outcome(record)
    assert (said.tone, said.headline, said.message) == (tone, headline, record.reason)


def test_candidates_are_judged_by_their_longest_trials() -> None:
    best = FIXED.candidates[0]
    assert {trial.steps for trial in best.trials} == {30, 120}
    assert [trial.steps for trial in longest(best.trials)] == [120, 120, 120]
    assert level(best.trials) == "0.13"  # 0.12, 0.13 and 0.14; the short ones ended at 1


def test_a_training_that_was_lost_has_no_level() -> None:
    assert level(trials(end=math.inf)) == "lost"
    assert level(()) == ""


def test_the_ranking_stands_under_what_it_is_compared_with() -> None:
    rows = ranking(FIXED)
    assert [row.name for row in rows[:3]] == [
        "the original",
        "a do-nothing control",
        "activation-swap:relu + init-matched:he",
    ]
    assert [row.standing for row in rows] == ["", "", "recommended", "as good", "beaten", "no better", "no better"]
    best = rows[2]
    assert (best.size, best.level, best.lower_by, best.p) == ("2", "0.13", "95 %", "0.001")
    assert ranking(HEALTHY) == ()


def test_what_was_in_no_race_is_told_once_for_each_reason() -> None:
    assert untried(FIXED) == [
        ("screened out", "The gradient still vanishes: 2.1e-42 of it arrives.", ["lower-rate", "clip-gradient"]),
        ("refused", "There is no recurrent layer.", ["gated-recurrence"]),
    ]


def test_numbers_that_do_not_exist_are_left_out() -> None:
    row = ranking(FixRecord("nothing helped", "", (), (candidate("residual", effect=None, p_value=None),)))[0]
    assert (row.lower_by, row.p) == ("", "")
    assert ranking(replace(FIXED, candidates=(candidate("residual", effect=math.nan),)))[-1].lower_by == "-"


def test_the_cost_stands_beside_that_of_trying_everything() -> None:
    assert cost(FIXED) == (
        "The search took 4,210 optimizer steps and 34 s; to train every candidate with every seed to the end takes "
        "61,200 steps, 15 times as many."
    )
    assert cost(HEALTHY) == ""
    # One candidate with one seed: nothing was saved, and nothing is claimed.
    assert cost(replace(FIXED, steps_spent=100, steps_exhaustive=100)) == (
        "The search took 100 optimizer steps and 34 s."
    )
