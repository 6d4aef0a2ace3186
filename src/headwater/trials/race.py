"""The race: all candidates train a little, the better half trains on, and the one that is left is proved.

Successive halving (Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS, arXiv 1502.07943), with one seed: most candidates differ by far more than seeds do. Of a
combination that leads at last, the parts that raced are trained on, too. The smallest of those that are as good as the
best is then compared with the original and with a control, in which nothing but the initial weights was changed, over
all seeds. Where it gains with some of them only, the next one is, with more seeds; the same at a lower rate, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from headwater.records import Standing
from headwater.trials.candidates import Proposal
from headwater.trials.ledger import ORIGINAL, Entrant, Ledger
from headwater.trials.proof import Proof, proof
from headwater.trials.standing import Table, table
from headwater.trials.statistics import LEAST, shown

RUNGS = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of the steps after which the worse half leaves: the first still shows a network that begins to learn late."""
FEWEST = 16
"""Steps of the first rung at least: Adam's second moment and a normalisation's running mean know as many batches."""
FEW = 3
"""Candidates that go on at least until half of the steps: what is ahead after a short training is often not what is
ahead after a long one (Wu et al. 2018, "Understanding short-horizon bias in stochastic meta-optimization", ICLR, arXiv
1803.02021). So long goes on the best one that answers a root cause, too; and to the end the leader at a lower rate."""
PROVED = 3
"""Candidates that are put to the proof: where so many failed, nothing helped. An early leader may fall back later."""


@dataclass(frozen=True)
class Placed:
    """How a proposal came out."""

    proposal: Proposal
    standing: Standing
    why: str
    proof: Proof | None = None


@dataclass
class _Race:
    ledger: Ledger
    seeds: Sequence[int]
    tell: Callable[[Table], None]
    causes: Sequence[Proposal]
    placed: list[Placed] = field(default_factory=list[Placed])

    def table(self, proposals: Sequence[Proposal], steps: int) -> Table:
        """Trains the original and the proposals up to `steps` and ranks them."""
        seed = self.seeds[0]
        self.ledger.train([ORIGINAL, *(Entrant(each.remedies) for each in proposals)], [seed], steps)
        results = [(each, self.ledger.result(Entrant(each.remedies), seed, steps)) for each in proposals]
        return table(self.ledger.result(ORIGINAL, seed, steps), results)

    def is_late(self, steps: int) -> bool:
        """Whether half of the training is over."""
        return steps >= self.ledger.horizon // 2

    def place(self, placed: Placed) -> None:
        """Notes how a proposal came out, in the place of what was noted of it before."""
        before = [each.proposal for each in self.placed]
        if placed.proposal in before:
            self.placed[before.index(placed.proposal)] = placed
        else:
            self.placed.append(placed)


def race(
    proposals: Sequence[Proposal],
    ledger: Ledger,
    seeds: Sequence[int],
    tell: Callable[[Table], None],
    causes: Sequence[Proposal] = (),
) -> tuple[Placed, ...]:
    """Returns all proposals, the best first: at most one of them is recommended.

    Args:
        proposals: those that passed the screening, the likeliest to help first.
        ledger: runs trials.
        seeds: the first one is that of the race, all are those of the proof.
        tell: called with the table after each rung.
        causes: those of the proposals that answer a root cause by themselves.
    """
    run = _Race(ledger, seeds, tell, causes)
    budgets = rungs(ledger.horizon)
    alive = tuple(proposals)
    now: Table | None = None
    for steps in budgets:
        now = run.table(alive, steps)
        run.tell(now)
        alive = _going_on(run, now, steps, all_of_them=steps == budgets[-1])
        if len(alive) <= 1:
            break
    if now is None:
        return ()
    now, alive = _with_parts(run, now, alive, proposals, budgets)
    return tuple(_proved(run, now, alive, budgets))


def _with_parts(
    run: _Race, now: Table, alive: tuple[Proposal, ...], proposals: Sequence[Proposal], budgets: Sequence[int]
) -> tuple[Table, tuple[Proposal, ...]]:
    """Trains the parts of the combination that will be proved, and lets those back in that are as good as the best.

    They left the race where they learned more slowly at first, which says little of where they end. At half of the
    steps those that are far behind leave for good.
    """
    first = next((each for each in now.as_good() if each in alive), None)
    parts = [e for e in proposals if first is not None and set(e.remedies) < set(first.remedies) and e not in alive]
    if not parts or now.share_gone < LEAST:
        return now, alive
    whole = now
    for steps in budgets:  # as the race does, so that each training goes on where it was
        whole = run.table((*alive, *parts), steps)
        if run.is_late(steps):
            _note_lost(run, whole, parts)
            staying = [each for each in parts if each in (whole.close() if steps < budgets[-1] else whole.as_good())]
            _note_beaten(run, whole, steps, [each for each in parts if each not in staying])
            parts = staying
        if not parts:
            return now, alive
    run.tell(whole)
    run.placed = [each for each in run.placed if each.proposal not in parts]
    return whole, (*alive, *parts)


def rungs(steps: int) -> tuple[int, ...]:
    """Returns after how many steps the candidates are compared."""
    return tuple(sorted({min(steps, max(FEWEST, round(share * steps))) for share in RUNGS}))


def _going_on(run: _Race, now: Table, steps: int, *, all_of_them: bool) -> tuple[Proposal, ...]:
    """The better half, without those that are far behind; of equal ones the smaller change goes on."""
    _note_lost(run, now, [each for each, _ in now.lost])
    if all_of_them or not now.ranked:
        return tuple(each for each, _ in now.ranked)
    leader, _ = now.ranked[0]
    close = now.close()
    good = [each for each in now.as_good() if each in close]
    half = (len(now.ranked) + 1) // 2
    most = half if run.is_late(steps) else max(FEW, half)
    kept = [*good, *(each for each in close if each not in good)][:most]
    if leader not in kept:
        kept[-1] = leader
    if not run.is_late(steps) and not any(each in run.causes for each in kept):
        kept += [each for each, _ in now.ranked if each in run.causes][:1]
    kept += [each for each in now.slower(leader) if each not in kept]
    _note_beaten(run, now, steps, [each for each, _ in now.ranked if each not in kept])
    return tuple(kept)


def _note_lost(run: _Race, now: Table, those: Sequence[Proposal]) -> None:
    for each, result in now.lost:
        taken = len(result.losses)
        failed = f"it failed after {taken} steps: {result.error}"
        lost = failed if result.error else f"its loss left the finite numbers at step {taken}"
        if each in those:
            run.place(Placed(each, "failed", lost))


def _note_beaten(run: _Race, now: Table, steps: int, beaten: Sequence[Proposal]) -> None:
    """The worst first."""
    for each, result in reversed(now.ranked):
        if each in beaten:
            ours, theirs = (shown(one, now.measure) for one in (result, now.ranked[0][1]))
            why = f"after {steps} steps its {now.measure} was {ours:.3g}, and {theirs:.3g} with the best"
            run.place(Placed(each, "beaten", why))


def _proved(run: _Race, now: Table, alive: Sequence[Proposal], budgets: Sequence[int]) -> list[Placed]:
    """Puts the smallest of those as good as the best to the proof; where it fails, the one that comes next.

    So it does where the first is better on the whole, but gains little with some seeds: it may gain with all at a lower
    rate, or another may. Of those that fell behind, first comes what answers a root cause.
    """
    equal = [each for each in now.as_good() if each in alive]
    last = [*equal, *(each for each in alive if each not in equal)]
    behind = {each.proposal: each for each in reversed(run.placed)}
    beaten = [each for each, placed in behind.items() if placed.standing == "beaten"]
    waiting = [*last, *sorted(beaten, key=lambda each: each not in run.causes)]
    tried: list[Placed] = []
    while len(tried) < PROVED:
        # What is ahead, but not with all seeds, may hold at a lower rate, or with more beside it.
        ahead = [failed.proposal for failed in tried if failed.proof is not None and failed.proof.p_value is not None]
        calmer = [each for each in waiting if any(each.calms(other) for other in ahead)]
        larger = [each for each in waiting if any(set(other.remedies) < set(each.remedies) for other in ahead)]
        calmed = [] if calmer or larger else _calmed(run, tried, waiting, budgets)
        each = next(iter([*calmer, *larger, *calmed, *waiting]), None)
        if each is None:
            break
        waiting = [other for other in waiting if other != each]
        unsteady = any(other.proof is not None and other.proof.failing for other in tried)
        found = proof(Entrant(each.remedies), run.ledger, run.seeds, budgets, thorough=unsteady)
        tried.insert(0, Placed(each, "recommended" if found.holds else "no better", found.why, found))
        if found.holds and not found.failing:
            break
    tried = _with_one_recommended(tried)
    helped = bool(tried) and tried[0].standing == "recommended"
    done = [each.proposal for each in tried]
    rest = [_not_proved(each, helped, each in equal) for each in last if each not in done]
    return [*tried, *rest, *(each for each in reversed(run.placed) if each.proposal not in done)]


def _calmed(run: _Race, tried: Sequence[Placed], waiting: Sequence[Proposal], budgets: Sequence[int]) -> list[Proposal]:
    """What gains with some seeds only, at a lower rate that was not in the race; unless that is far behind.

    Which rates a training bears depends on the curvature that it starts in, and so on the seed (Gilmer et al. 2021, "A
    loss curvature perspective on training instability in deep learning", arXiv 2110.04369).
    """
    known = [*waiting, *(each.proposal for each in [*tried, *run.placed])]
    unsteady = [each.proposal for each in reversed(tried) if each.proof is not None and each.proof.failing]
    for proposal in unsteady:
        calm = proposal.calmer()
        is_calm_itself = any(proposal == other.calmer() for other in unsteady)
        if calm is None or is_calm_itself or any(each == calm or each.calms(proposal) for each in known):
            continue
        for steps in budgets:  # as the proof does, so that each training goes on where it was
            run.ledger.train([Entrant(calm.remedies)], run.seeds[:1], steps)
        now = run.table([proposal, calm], budgets[-1])
        if calm in now.close() and now.share_gone >= LEAST:
            return [calm]
        _note_lost(run, now, [calm])
        _note_beaten(run, now, budgets[-1], [calm])
    return []


def _with_one_recommended(tried: Sequence[Placed]) -> list[Placed]:
    """Of those that hold the one leads that fails with the fewest seeds; of equal ones the first that was tried."""
    holding = [each for each in reversed(tried) if each.standing == "recommended"]
    if not holding:
        return list(tried)
    best = min(holding, key=lambda each: len(each.proof.failing) if each.proof else 0)
    why = "the recommended one gains with as many of the seeds, or more"
    rest = [replace(each, standing="beaten", why=f"{why}: {each.why}") if each in holding else each for each in tried]
    return [best, *(each for each in rest if each.proposal != best.proposal)]


def _not_proved(proposal: Proposal, helped: bool, equal: bool) -> Placed:
    if not helped:
        return Placed(proposal, "no better", "others that are no better than the original are ahead of it")
    if equal:
        return Placed(proposal, "as good", "no difference from the recommended one can be shown, and it is no smaller")
    return Placed(proposal, "beaten", "it was behind at the end of the race")
