"""Is one candidate truly better than the original, and than chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from headwater.records import TrialResult
from headwater.trials.ledger import CONTROL, ORIGINAL, Entrant, Ledger
from headwater.trials.statistics import (
    ALPHA,
    LEAST,
    LOOKS,
    Comparison,
    Measure,
    better,
    mean_row,
    measure_of,
    paired,
    share_gone,
    shown,
)

FEW_SEEDS, FAR = 2, 0.5
"""Seeds that show that a lead lasts, where with each of them at least this share of the original's loss is gone: what
differs between seeds seldom does that once, and hardly twice in the same direction."""

LITTLE = 0.25
"""Share of the mean gain over all seeds below which a training gains little: some of them learn, and some do not."""

PROMISING = 0.2
"""Where chance is likelier than that, twice as many seeds would hardly tell otherwise."""


@dataclass(frozen=True)
class Proof:
    """What the comparison over all seeds showed.

    Attributes:
        holds: whether the candidate is better than the original and than the control, and at the end still better than
            the original.
        why: in one sentence, with numbers.
        effect: as in `Candidate`, after all steps, the mean over the seeds that were trained so far.
        p_value: of the comparison that decided: of all seeds at the end or, where two showed that the lead lasts, of
            all seeds at the early look and of the batches at the end, the larger; ``None`` where none was made, as the
            candidate was not ahead.
        failing: seeds with which it gains little at the end, though it gains with others; much, where it does not hold.
    """

    holds: bool
    why: str
    effect: float
    p_value: float | None = None
    failing: tuple[int, ...] = ()


def proof(
    entrant: Entrant, ledger: Ledger, seeds: Sequence[int], budgets: Sequence[int], *, thorough: bool = False
) -> Proof:
    """Compares a candidate with the original and the control, for as few steps as are needed to tell.

    After each of the looks the level is Pocock's. The control trains only where a lead over the original is shown. A
    lead over both that shows early must last. With two seeds the candidate and the original train to the end: that is
    enough where half of the original's loss is gone with each, and the candidate, which then trains alone with the
    other seeds, fails with none: two that go well do not show that all do. Elsewhere all seeds that the lead was shown
    with go to the end with both, where it must be significant once more: a change that is only faster has an early lead
    with certainty, and what seeds do at the end is not known from there. One that is ahead, but not clearly over so few
    seeds, gets as many again: at the last look before the end, where they are cheaper, and at the end.

    Args:
        entrant: the candidate.
        ledger: what was run so far.
        seeds: of the trainings.
        budgets: steps after which to look, fewest first; the last one is the whole training.
        thorough: what holds trains to the end with twice as many seeds, and does not hold where it is lost with one.
            Where a change fails with some seeds, another may seem to mend that with a few.
    """
    whole, more = budgets[-1], _twice(seeds)
    looks = [*((steps, seeds) for steps in budgets[:-1]), *((steps, more) for steps in budgets[-2:-1])]
    looks += [(whole, seeds), (whole, more)]
    level = LOOKS[len(looks)]
    found = Comparison(1.0, 1.0)
    tested: Sequence[int] = ()
    others = [ORIGINAL]
    settled = 0
    for steps, used in looks:
        worth_more = found.over_seeds < PROMISING and found.over_batches <= ALPHA
        if len(used) <= settled or (len(used) > len(seeds) and not worth_more):  # the same seeds end as they did
            continue
        ledger.train([ORIGINAL, entrant], seeds[:1], steps)
        if not _ahead(entrant, ledger, seeds[:1], steps):
            continue
        ledger.train([ORIGINAL, entrant], used, steps)
        others = [ORIGINAL]
        found, tested = _compared(entrant, ledger, steps, *others), used
        if found.p_value > level or not _ahead(entrant, ledger, used, steps):
            continue
        ledger.train([CONTROL], used, steps)
        others = [ORIGINAL, CONTROL]
        found = _compared(entrant, ledger, steps, *others)
        if found.p_value > level:
            continue
        settled = len(used)
        if steps < whole:
            found = _at_the_end(entrant, ledger, used, found, [each for each in budgets if each > steps])
        if found.p_value <= ALPHA and _gone(_pairs(entrant, ledger, whole))[1] >= LEAST:
            if thorough:
                ledger.train([entrant], more, whole)
            failing = _failing(entrant, ledger, whole)
            why = _words(entrant, ledger, steps, whole, found.p_value, failing)
            lost = any(each.lost for each in ledger.trained(entrant, whole))
            return Proof(not lost, why, _effect(entrant, ledger, whole), found.p_value, failing)
    why = f"{_end(entrant, ledger, whole)}{_chance(entrant, ledger, found, tested, others)}"
    effect = _effect(entrant, ledger, whole)
    return Proof(False, why, effect, found.p_value if tested else None, _failing(entrant, ledger, whole, FAR))


def _twice(seeds: Sequence[int]) -> list[int]:
    return [*seeds, *(max(seeds) + 1 + each for each in range(len(seeds)))]


def _at_the_end(
    entrant: Entrant, ledger: Ledger, seeds: Sequence[int], early: Comparison, budgets: Sequence[int]
) -> Comparison:
    """Whether a lead that was shown early lasts: by two seeds where it is far and the candidate fails with no other.

    Else by all. They are trained budget by budget: if their lead does not last, a look at more seeds asks for what is
    on the way.
    """
    few, whole = seeds[:FEW_SEEDS], budgets[-1]
    both = paired(ledger.trained(entrant, whole), ledger.trained(ORIGINAL, whole))
    if not set(seeds) <= {each.seed for each, _ in both}:
        ledger.train([ORIGINAL, entrant], few, whole)
        late = _compared(entrant, ledger, whole, ORIGINAL)
        if late.over_batches <= ALPHA and all(_far_ahead(entrant, ledger, seed, whole) for seed in few):
            for steps in budgets:
                ledger.train([entrant], seeds[FEW_SEEDS:], steps)
            if not _failing(entrant, ledger, whole):
                return Comparison(early.over_seeds, max(early.over_batches, late.over_batches))
    for steps in budgets:
        ledger.train([ORIGINAL, entrant], seeds[FEW_SEEDS:], steps)
    return _compared(entrant, ledger, whole, ORIGINAL)


def _far_ahead(entrant: Entrant, ledger: Ledger, seed: int, steps: int) -> bool:
    ours, original = ledger.result(entrant, seed, steps), ledger.result(ORIGINAL, seed, steps)
    loss: Measure = "held-out loss" if ours.held_out else "training loss"
    by_score = share_gone(ours, original, measure_of([ours, original]))
    return by_score >= LEAST and share_gone(ours, original, loss) >= FAR


def _compared(entrant: Entrant, ledger: Ledger, steps: int, *others: Entrant) -> Comparison:
    """With each of the others; the worst counts."""
    ours = ledger.trained(entrant, steps)
    measure = measure_of([*ours, *ledger.trained(ORIGINAL, steps)])
    found = [better(ours, ledger.trained(other, steps), measure) for other in others]
    return Comparison(max(each.over_seeds for each in found), max(each.over_batches for each in found))


def _ahead(entrant: Entrant, ledger: Ledger, seeds: Sequence[int], steps: int) -> bool:
    """Whether enough is gone, by the measure that tells."""
    return _gone([pair for pair in _pairs(entrant, ledger, steps) if pair[0].seed in seeds])[1] >= LEAST


def _pairs(entrant: Entrant, ledger: Ledger, steps: int) -> list[tuple[TrialResult, TrialResult]]:
    """Each training of a candidate with the original's of the same seed or, where that did not go so far, its best."""
    originals = ledger.trained(ORIGINAL, steps)
    best = min(originals, key=lambda each: mean_row(each, measure_of(originals)))
    by_seed = {each.seed: each for each in originals}
    return [(each, by_seed.get(each.seed, best)) for each in ledger.trained(entrant, steps)]


def _gone(pairs: Sequence[tuple[TrialResult, TrialResult]]) -> tuple[Measure, float]:
    """Which share of the original is gone, by what counts; near a score's upper end, by the loss."""
    measure = measure_of([each for pair in pairs for each in pair])
    gone = _mean_gone(pairs, measure)
    if measure == "score" and 0 < gone < LEAST:
        return "held-out loss", max(gone, _mean_gone(pairs, "held-out loss"))
    return measure, gone


def _mean_gone(pairs: Sequence[tuple[TrialResult, TrialResult]], measure: Measure) -> float:
    """Mean of what is gone; minus infinity where one is lost, though another has gained infinitely much over zero."""
    shares = [share_gone(*pair, measure) for pair in pairs]
    return -math.inf if -math.inf in shares else fmean(shares)


def _failing(entrant: Entrant, ledger: Ledger, steps: int, far: float = LEAST) -> tuple[int, ...]:
    """Seeds with which a candidate gains little of what it gains with all, unless the original was lost, or is lost.

    None where there is no seed with which at least the share `far` of the original is gone: nothing is gained.
    """
    pairs = _pairs(entrant, ledger, steps)
    measure, _ = _gone(pairs)
    gains = {
        ours.seed: -math.inf if ours.lost else mean_row(its, measure) - mean_row(ours, measure)
        for ours, its in pairs
        if ours.lost or not its.lost
    }
    if not gains or all(share_gone(*pair, measure) < far for pair in pairs):
        return ()
    least = LITTLE * fmean(max(gain, 0.0) for gain in gains.values())
    return tuple(seed for seed, gain in gains.items() if gain < least)


def _effect(entrant: Entrant, ledger: Ledger, steps: int) -> float:
    pairs = _pairs(entrant, ledger, steps)
    measure = "held-out loss" if any(ours.held_out for ours, _ in pairs) else "training loss"
    return _mean_gone(pairs, measure)


def _words(entrant: Entrant, ledger: Ledger, early: int, whole: int, p_value: float, failing: Sequence[int]) -> str:
    return _compared_in_words(entrant, ledger, early, whole, p_value) + (
        f"; with {len(failing)} of these seeds it gains little" if failing else ""
    )


def _compared_in_words(entrant: Entrant, ledger: Ledger, early: int, whole: int, p_value: float) -> str:
    says, p = _with_seeds(entrant, ledger, whole), f"(p = {p_value:.2g})"
    controls = ledger.trained(CONTROL, early)
    control = _mean(controls, measure_of(controls))
    if early == whole:
        return f"{says} {p}; a do-nothing control has {control}"
    return f"{says}; {_with_seeds(entrant, ledger, early)}, where a do-nothing control had {control} {p}"


def _with_seeds(entrant: Entrant, ledger: Ledger, steps: int) -> str:
    level, before = _levels(entrant, ledger, steps)
    seeds = len(ledger.trained(entrant, steps))
    originals = len({its.seed for _, its in _pairs(entrant, ledger, steps)})
    its = f"{originals} of the original" if originals < seeds else "the original"
    return f"{level} {_after(entrant, ledger, steps)} with {seeds} seed{'s' * (seeds > 1)}, and {before} with {its}"


def _end(entrant: Entrant, ledger: Ledger, steps: int) -> str:
    level, before = _levels(entrant, ledger, steps)
    return f"{level} {_after(entrant, ledger, steps)}, and {before} with the original"


def _after(entrant: Entrant, ledger: Ledger, steps: int) -> str:
    """After how many steps, and after how many those that ended by themselves."""
    pairs = _pairs(entrant, ledger, steps)
    ends = sorted({len(each.losses) for pair in pairs for each in pair if each.finished})
    own = f" or, where it ended by itself, {_range(ends)}" if ends else ""
    return f"after {steps}{own} steps"


def _range(ends: Sequence[int]) -> str:
    return f"{ends[0]}" if len(ends) == 1 else f"{ends[0]} to {ends[-1]}"


def _levels(entrant: Entrant, ledger: Ledger, steps: int) -> tuple[str, str]:
    """What the candidate reached, with the measure and the range over seeds, and what the original did."""
    pairs = _pairs(entrant, ledger, steps)
    measure = measure_of([each for pair in pairs for each in pair])
    ours = sorted(shown(each, measure) for each, _ in pairs)
    spread = f" ({_said(ours[0])} to {_said(ours[-1])})" if ours[0] != ours[-1] else ""
    originals = {its.seed: its for _, its in pairs}
    return f"{measure} {_mean([each for each, _ in pairs], measure)}{spread}", _mean([*originals.values()], measure)


def _mean(results: Sequence[TrialResult], measure: Measure) -> str:
    return _said(fmean(shown(each, measure) for each in results))


def _chance(
    entrant: Entrant, ledger: Ledger, found: Comparison, seeds: Sequence[int], others: Sequence[Entrant]
) -> str:
    if not seeds:
        return ""
    controls = ledger.longest(CONTROL) if CONTROL in others else ()
    failed = next((each.error for each in controls if each.error is not None), None)
    if failed is not None:
        return f"; nothing is proved, as a do-nothing control ended with an error: {failed.splitlines()[0]}"
    steps = max(each.steps for each in ledger.longest(entrant))
    trainings = ledger.trained(entrant, steps)
    if len(trainings) > 1 and all(each.losses == trainings[0].losses for each in trainings):
        return "; its trainings with different seeds are equal, so that seeds prove nothing: is one set in the code?"
    return f"; over {len(seeds)} seeds p = {found.p_value:.2g}" if len(seeds) > 1 else "; one seed proves nothing"


def _said(level: float) -> str:
    return f"{level:.3g}" if math.isfinite(level) else "none as it diverged"
