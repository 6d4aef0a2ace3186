"""Is one candidate truly better than the original, and than chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from headwater.records import TrialResult
from headwater.trials.ledger import CONTROL, ORIGINAL, Entrant, Ledger
from headwater.trials.statistics import ALPHA, Measure, better, mean_row, measure_of, shown

LEAST = 0.05
"""Share of the original's level that must be gone: less is not worth a change to the user's code."""

PROMISING = 0.2
"""Where chance is likelier than that, twice as many seeds would hardly tell otherwise."""


@dataclass(frozen=True)
class Proof:
    """What the comparison over all seeds showed.

    Attributes:
        holds: whether the candidate is better than the original and than the control.
        why: in one sentence, with numbers.
        effect: as in `Candidate`, after all steps with the first seed.
        p_value: the larger one of the two comparisons; ``None`` where it was not ahead, so that none was made.
    """

    holds: bool
    why: str
    effect: float
    p_value: float | None = None


def proof(entrant: Entrant, ledger: Ledger, seeds: Sequence[int], budgets: Sequence[int]) -> Proof:
    """Compares a candidate with the original and the control, for as few steps as are needed to tell.

    Each of the looks takes its part of `ALPHA` (Bonferroni). A lead that shows early must last: the first seed is
    trained to the end, and the candidate must be ahead there too. One that is ahead at the end, but not clearly with so
    few seeds, gets as many again.

    Args:
        entrant: the candidate.
        ledger: what was run so far.
        seeds: of the trainings.
        budgets: steps after which to look, fewest first; the last one is the whole training.
    """
    p_value: float | None = None
    looks = [*((steps, seeds) for steps in budgets), (budgets[-1], [*seeds, *(max(seeds) + 1 + s for s in seeds)])]
    for steps, used in looks:
        ledger.train([ORIGINAL, entrant], seeds[:1], steps)
        hopeless = len(used) > len(seeds) and (p_value is None or p_value > PROMISING)
        if hopeless or not _ahead(entrant, ledger, seeds[:1], steps):
            continue
        ledger.train([ORIGINAL, CONTROL, entrant], used, steps)
        ours = ledger.trained(entrant, steps)
        measure = measure_of([*ours, *ledger.trained(ORIGINAL, steps)])
        p_value = max(better(ours, ledger.trained(other, steps), measure) for other in (ORIGINAL, CONTROL))
        if p_value > ALPHA / len(looks) or not _ahead(entrant, ledger, used, steps):
            continue
        ledger.train([ORIGINAL, entrant], seeds[:1], budgets[-1])
        if _ahead(entrant, ledger, seeds[:1], budgets[-1]):
            why = _words(entrant, ledger, used, steps, budgets[-1], measure)
            return Proof(True, f"{why} (p = {p_value:.2g})", _effect(entrant, ledger, seeds[0], budgets[-1]), p_value)
        break
    end = [ledger.result(each, seeds[0], budgets[-1]) for each in (ORIGINAL, entrant)]
    measure = measure_of(end)
    before, after = (shown(each, measure) for each in end)
    tested = f"; over {len(seeds)} seeds p = {p_value:.2g}" if p_value is not None else ""
    why = f"after {budgets[-1]} steps its {measure} is {_said(after)}, the original's {_said(before)}{tested}"
    return Proof(False, why, _effect(entrant, ledger, seeds[0], budgets[-1]), p_value)


def share_gone(result: TrialResult, original: TrialResult, measure: Measure) -> float:
    """Returns by which share of its size the original's level lies above; 1 where only the original was lost."""
    if result.lost:
        return -math.inf
    if original.lost:
        return 1.0
    before = mean_row(original, measure)
    gone = before - mean_row(result, measure)
    return gone / abs(before) if before else math.copysign(math.inf, gone) if gone else 0.0


def _ahead(entrant: Entrant, ledger: Ledger, seeds: Sequence[int], steps: int) -> bool:
    """Whether enough is gone, by the measure that counts; near a score's upper end, of the loss."""
    pairs = [(ledger.result(entrant, seed, steps), ledger.result(ORIGINAL, seed, steps)) for seed in seeds]
    measure = measure_of([each for pair in pairs for each in pair])
    gone = fmean(share_gone(*pair, measure) for pair in pairs)
    if measure == "score" and gone > 0:
        gone = max(gone, fmean(share_gone(*pair, "held-out loss") for pair in pairs))
    return gone >= LEAST


def _effect(entrant: Entrant, ledger: Ledger, seed: int, steps: int) -> float:
    ours, original = ledger.result(entrant, seed, steps), ledger.result(ORIGINAL, seed, steps)
    return share_gone(ours, original, "held-out loss" if ours.held_out else "training loss")


def _words(entrant: Entrant, ledger: Ledger, seeds: Sequence[int], steps: int, whole: int, measure: Measure) -> str:
    after = [fmean(shown(r, measure) for r in ledger.trained(each, steps)) for each in (entrant, ORIGINAL, CONTROL)]
    end = [shown(ledger.result(each, seeds[0], whole), measure) for each in (entrant, ORIGINAL)]
    says = f"{measure} {_said(after[0])} after {steps} steps with {len(seeds)} seeds, where the original has "
    says += f"{_said(after[1])} and a do-nothing control {_said(after[2])}"
    return says if steps == whole else f"{says}; {_said(end[0])} against {_said(end[1])} after {whole} steps"


def _said(level: float) -> str:
    return f"{level:.3g}" if math.isfinite(level) else "none (its loss left the finite numbers)"
