"""Is one candidate truly better than the original, and than chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from headwater.records import TrialResult
from headwater.trials.ledger import CONTROL, ORIGINAL, Entrant, Ledger
from headwater.trials.statistics import LOOKS, Comparison, Measure, better, mean_row, measure_of, shown

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

    After each of the looks the level is Pocock's. A lead that shows early must last: the first seed is trained to the
    end, and the candidate must be ahead there too. One that is ahead at the end, but not clearly over so few seeds,
    gets as many again.

    Args:
        entrant: the candidate.
        ledger: what was run so far.
        seeds: of the trainings.
        budgets: steps after which to look, fewest first; the last one is the whole training.
    """
    level, whole = LOOKS[len(budgets) + 1], budgets[-1]
    found = Comparison(1.0, 1.0)
    tested: Sequence[int] = ()
    for steps, used in [*((steps, seeds) for steps in budgets), (whole, _twice(seeds))]:
        ledger.train([ORIGINAL, entrant], seeds[:1], steps)
        worth_more = found.over_seeds < PROMISING and found.over_batches <= level
        if not _ahead(entrant, ledger, seeds[:1], steps) or (len(used) > len(seeds) and not worth_more):
            continue
        ledger.train([ORIGINAL, CONTROL, entrant], used, steps)
        found, tested = _compared(entrant, ledger, steps), used
        if found.p_value > level or not _ahead(entrant, ledger, used, steps):
            continue
        ledger.train([ORIGINAL, entrant], seeds[:1], whole)
        if not _ahead(entrant, ledger, seeds[:1], whole):
            break
        why = f"{_words(entrant, ledger, used, steps, whole)} (p = {found.p_value:.2g})"
        return Proof(True, why, _effect(entrant, ledger, seeds[0], whole), found.p_value)
    why = f"{_end(entrant, ledger, seeds[0], whole)}{_chance(found, tested)}"
    return Proof(False, why, _effect(entrant, ledger, seeds[0], whole), found.p_value if tested else None)


def _twice(seeds: Sequence[int]) -> list[int]:
    return [*seeds, *(max(seeds) + 1 + each for each in range(len(seeds)))]


def _compared(entrant: Entrant, ledger: Ledger, steps: int) -> Comparison:
    """With the original and with the control; the worse of both counts."""
    ours = ledger.trained(entrant, steps)
    measure = measure_of([*ours, *ledger.trained(ORIGINAL, steps)])
    both = [better(ours, ledger.trained(other, steps), measure) for other in (ORIGINAL, CONTROL)]
    return Comparison(max(each.over_seeds for each in both), max(each.over_batches for each in both))


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


def _words(entrant: Entrant, ledger: Ledger, seeds: Sequence[int], steps: int, whole: int) -> str:
    trials = [ledger.trained(each, steps) for each in (entrant, ORIGINAL, CONTROL)]
    measure = measure_of([result for some in trials for result in some])
    after = [_said(fmean(shown(result, measure) for result in some)) for some in trials]
    says = f"{measure} {after[0]} after {steps} steps with {len(seeds)} seeds, where the original has {after[1]} and a "
    says += f"do-nothing control {after[2]}"
    return says if steps == whole else f"{says}; {_end(entrant, ledger, seeds[0], whole)}"


def _end(entrant: Entrant, ledger: Ledger, seed: int, steps: int) -> str:
    end = [ledger.result(each, seed, steps) for each in (entrant, ORIGINAL)]
    measure = measure_of(end)
    ours, before = (_said(shown(each, measure)) for each in end)
    return f"after {steps} steps {measure} {ours}, and {before} with the original"


def _chance(found: Comparison, seeds: Sequence[int]) -> str:
    return f"; over {len(seeds)} seeds p = {found.p_value:.2g}" if seeds else ""


def _said(level: float) -> str:
    return f"{level:.3g}" if math.isfinite(level) else "none, as it left the finite numbers,"
