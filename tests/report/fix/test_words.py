from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import Change, FixRecord
from headwater.report.fix.words import cost, level, longest, outcome, ranking, sentence, untried
from tests.report.fix.records import FIXED, HEALTHY, NOTHING, candidate, trials


def test_a_fix_is_told_with_its_effect_and_how_sure_it_is() -> None:
    said = outcome(FIXED)
    assert said.tone == "good"
    assert said.headline == (
        "Recommended: ReLU in place of sigmoid in 50 hidden layers; He initialisation of 51 weights "
        "(activation-swap:relu + init-matched:he)"
    )
    assert said.message == (
        "Held-out loss 0.93 after 30 steps with 3 seeds, where the original has 2.31 and a do-nothing control 2.31; "
        "0.12 against 2.3 after 120 steps (p = 0.001)."
    )


def test_a_sentence_begins_with_a_capital_and_ends_with_a_full_stop() -> None:
    assert [sentence(said) for said in ("ab c", "Ab c.", "why?", " ", "HW101 stands")] == [
        *("Ab c.", "Ab c.", "Why?", "", "HW101 stands."),
    ]


@pytest.mark.parametrize(
    ("record", "tone", "headline"),
    [(NOTHING, "risk", "Nothing that was tried helped"), (HEALTHY, "good", "Healthy: there is nothing to fix")],
)
def test_without_a_fix_the_reason_is_given(record: FixRecord, tone: str, headline: str) -> None:
    said = outcome(record)
    assert (said.tone, said.headline, said.message) == (tone, headline, record.reason)


def test_what_was_done_is_told_rather_than_what_is_done_in_general() -> None:
    said = tuple(Change(key, f"{key} in 50 layers", ("0",)) for key in ("init-matched:he", "adaptive-optimizer:adam"))
    record = replace(FIXED, candidates=(replace(FIXED.candidates[0], changes=said),))
    assert outcome(record).headline.startswith(
        "Recommended: init-matched:he in 50 layers; adaptive-optimizer:adam in 50 layers (activation-swap"
    )


def test_candidates_are_judged_by_their_longest_trials() -> None:
    best = FIXED.candidates[0]
    assert [trial.steps for trial in best.trials] == [30, 30, 30, 120]
    assert [trial.steps for trial in longest(best.trials)] == [120]
    assert level(best.trials, "held-out loss") == "0.12"
    assert level(best.trials[:3], "held-out loss") == "0.932"  # the middle one of three, 0.01 apart: 0.12 + 2.18 / e


def test_a_score_is_shown_where_it_is_what_counts() -> None:
    assert level(trials(end=0.5, scores=(0.9, 0.8)), "score") == "0.85"
    assert level(trials(end=0.5, scores=(0.9, 0.8)), "held-out loss") == "0.51"


def test_a_training_that_was_lost_has_no_level() -> None:
    assert level(trials(end=math.inf), "score") == "lost"
    assert level((), "score") == ""


def test_the_ranking_stands_under_what_it_is_compared_with() -> None:
    rows = ranking(FIXED)
    assert [row.name for row in rows[:3]] == [
        "the original",
        "a do-nothing control",
        "activation-swap:relu + init-matched:he",
    ]
    assert [row.standing for row in rows] == ["", "", "recommended", "as good", "beaten", "no better", "no better"]
    best = rows[2]
    assert (best.size, best.steps, best.level, best.lower_by, best.p) == ("2", "120", "0.12", "95 %", "0.001")
    assert [row.steps for row in rows] == ["120", "120", "120", "120", "30", "120", "120"]
    assert best.why == "" and rows[3].why == FIXED.candidates[1].why  # the verdict has said it
    assert ranking(HEALTHY) == ()


def test_what_was_in_no_race_is_told_once_for_each_reason() -> None:
    assert untried(FIXED) == [
        ("screened out", "HW101 still stands: 2.1e-42 of the gradient arrives.", ["lower-rate", "clip-gradient"]),
        ("refused", "There is no recurrent layer.", ["gated-recurrence"]),
    ]


def test_numbers_that_do_not_exist_are_left_out() -> None:
    row = ranking(FixRecord("nothing helped", "", (), (candidate("residual", effect=None, p_value=None),)))[0]
    assert (row.lower_by, row.p) == ("", "")
    assert ranking(replace(FIXED, candidates=(candidate("residual", effect=math.nan),)))[-1].lower_by == "-"
    assert ranking(replace(FIXED, candidates=(candidate("residual", effect=-1e12),)))[-1].lower_by == "-"


def test_the_cost_stands_beside_that_of_trying_everything() -> None:
    assert cost(FIXED) == (
        "This is shown for trainings of 120 steps. The search took 4,210 optimizer steps and 34 s; to train every "
        "candidate that raced with every seed to the end takes 61,200 steps, 15 times as many."
    )
    assert cost(replace(FIXED, candidates=())).startswith("The search took 4,210 ")
    assert cost(HEALTHY) == ""
    # One candidate with one seed: nothing was saved, and nothing is claimed.
    assert cost(replace(FIXED, steps_spent=100, steps_exhaustive=100, candidates=())) == (
        "The search took 100 optimizer steps and 34 s."
    )
