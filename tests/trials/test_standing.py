"""Who is ahead, and who may go on."""

from __future__ import annotations

from dataclasses import replace

from headwater.records import TrialResult
from headwater.trials.candidates import Proposal
from headwater.trials.standing import table

ONE, OTHER = Proposal(("momentum",)), Proposal(("clip-gradient",))


def trained(*scores: float, late: float = 2.0) -> TrialResult:
    return TrialResult((), 0, 6, losses=(2.0,) * 4 + (late, late), held_out=(2.0,) * len(scores), scores=scores)


def test_while_no_score_moves_the_loss_ranks() -> None:
    found = table(trained(0.1, 0.1), [(ONE, trained(0.1, 0.1, late=1.9)), (OTHER, trained(0.1, 0.1, late=1.0))])
    assert found.measure == "training loss" and found.ranked[0][0] == OTHER


def test_only_what_is_clearly_behind_is_out() -> None:
    original = trained(0.1, 0.1, 0.1, 0.1)
    best = trained(0.9, 0.2, 0.9, 0.2)
    noisy, behind = trained(0.2, 0.9, 0.1, 0.1), trained(0.15, 0.1, 0.16, 0.1)
    assert [each for each, _ in table(original, [(ONE, best), (OTHER, noisy)]).ranked] == [ONE, OTHER]
    assert OTHER in table(original, [(ONE, best), (OTHER, noisy)]).close()
    steady = replace(best, scores=(0.8, 0.8, 0.81, 0.79))
    assert OTHER not in table(original, [(ONE, steady), (OTHER, behind)]).close()
