"""From findings to a proved change: propose, screen, race, prove."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from statistics import fmean

import torch

import headwater
from headwater.errors import InputError
from headwater.records import Candidate, Finding, FixRecord, Measurement, Standing, TrialResult, Verdict
from headwater.records.learning_rate import KNOWS, clearly_falls
from headwater.trials.cache import Cache
from headwater.trials.candidates import Proposal, causes
from headwater.trials.field import Field, drawn_up
from headwater.trials.gather import gather
from headwater.trials.ledger import CONTROL, ORIGINAL, Entrant, Ledger
from headwater.trials.race import Placed, race, rungs
from headwater.trials.standing import Table
from headwater.trials.statistics import measure_of
from headwater.trials.worker import Packed, packed, screen, train
from headwater.trials.workload import DIED, Screening, Trial, Workload

FAULTS = ("error", "warning")
"""Severities of what keeps a network from learning, or may."""


@dataclass(frozen=True)
class SoFar:
    """How far a search is.

    Attributes:
        stage: ``"diagnosing"`` (a script), ``"screening"`` or ``"training"``.
        done, total: tasks of that stage.
        best: remedies of the leading candidate, such as ``"activation-swap:selu"``, when there is one.
        level: what it reached.
        original: what the original reached after as many steps.
    """

    stage: str
    done: int
    total: int
    best: str = ""
    level: float | None = None
    original: float | None = None


Progress = Callable[[SoFar], None]


def search(
    workload: Workload,
    measurement: Measurement,
    findings: Sequence[Finding],
    *,
    steps: int,
    seeds: int,
    executor: Executor,
    progress: Progress | None = None,
    cache: Cache | None = None,
    diagnosed: int = 0,
) -> FixRecord:
    """Returns what was tried, and the smallest change that is proved to help, if there is one.

    Args:
        workload: the training.
        measurement: of the original, by a diagnosis.
        findings: root cause first.
        steps: optimizer steps of the longest trials.
        seeds: of the proof.
        executor: runs the trials.
        progress: called after each task.
        cache: of results, from an earlier search of the same workload that was interrupted.
        diagnosed: optimizer steps that the diagnosis took.

    Raises:
        InputError: the workload cannot be pickled, or the original ends with an error: nothing can be compared with it.
    """
    begin = time.perf_counter()
    is_faulty = any(each.severity in FAULTS for each in findings)
    if not is_faulty and not _noted(findings):
        return _healthy(findings)
    run = _Runs(packed(workload), executor, progress or _silent, cache, diagnosed)
    ledger = Ledger(run.train, steps)
    if not is_faulty:
        findings = _with_suspects(findings, measurement, ledger)
        if not any(each.severity in FAULTS for each in findings):
            spent = replace(_healthy(findings), steps_spent=run.spent, seconds=time.perf_counter() - begin)
            return replace(spent, original=ledger.longest(ORIGINAL), steps=steps, versions=_versions())
    field = drawn_up(findings, run.screen)
    placed = race(field.racing, ledger, range(seeds), run.race, causes(findings, field.racing))
    raced = [each.proposal for each in placed]
    candidates = (*(_candidate(each, ledger) for each in placed), *_not_raced(field, raced))
    verdict, reason = _verdict(candidates)
    everyone = [result for each in (ORIGINAL, CONTROL) for result in ledger.longest(each)]
    trained = sum(bool(each.trials) for each in candidates)
    return FixRecord(
        verdict,
        reason,
        tuple(findings),
        candidates,
        ledger.longest(ORIGINAL),
        ledger.longest(CONTROL),
        before=measurement.profile,
        measure=measure_of([*everyone, *(r for each in candidates for r in each.trials)]),
        steps=steps,
        seeds=seeds,
        steps_spent=run.spent,
        steps_exhaustive=(trained + 1) * steps * seeds,
        seconds=time.perf_counter() - begin,
        versions=_versions(),
    )


def _noted(findings: Sequence[Finding]) -> list[Finding]:
    """What a diagnosis only notes, and would know a remedy for."""
    return [each for each in findings if each.remedies and each.under is None]


def _with_suspects(findings: Sequence[Finding], measurement: Measurement, ledger: Ledger) -> tuple[Finding, ...]:
    """Makes an error of what a diagnosis only noted, where the training shows that the network learns nothing.

    An error needs a cause and an effect. A diagnosis sees few steps: the effect may be seen in a training only. Where
    outputs follow their targets already, as they do in a network that has converged, a loss that stays is none.
    """
    if measurement.head.fit is not None and measurement.head.fit < 1 - KNOWS:
        return tuple(findings)
    for steps in rungs(ledger.horizon):  # as the race will, which goes on from there
        ledger.train([ORIGINAL], [0], steps)
    original = ledger.result(ORIGINAL, 0, ledger.horizon)
    if _learns(original):
        return tuple(findings)
    effect = "does not fall" if math.isfinite(original.losses[-1]) else "leaves the finite numbers"
    said = f"In {len(original.losses)} steps of training the loss {effect}."
    suspects = _noted(findings)
    return tuple(
        replace(each, severity="error", message=f"{each.message} {said}") if each in suspects else each
        for each in findings
    )


def _learns(original: TrialResult) -> bool:
    """Whether the loss falls from the first third of a training to the last, clearly or by a tenth."""
    early, late = original.losses[: len(original.late)], original.late
    if original.lost or len(late) < 2:
        return not original.lost
    return clearly_falls(early, late) or fmean(late) < (1 - KNOWS) * fmean(early)


def _healthy(findings: Sequence[Finding]) -> FixRecord:
    return FixRecord("healthy", "The network is healthy: nothing was tried.", tuple(findings))


@dataclass
class _Runs:
    """Runs tasks, tells of each, and knows what was done before.

    Attributes:
        work, executor, cache: as for `search`.
        tell: called after each task.
        spent: optimizer steps taken.
    """

    work: Packed
    executor: Executor
    tell: Progress
    cache: Cache | None
    spent: int = 0
    _so_far: SoFar = SoFar("screening", 0, 0)

    def screen(self, proposals: Sequence[Proposal]) -> dict[Proposal, Screening]:
        """Looks at each proposal."""
        by_key = {each.remedies: each for each in proposals}
        before = self._so_far.done if self._so_far.stage == "screening" else 0
        self._so_far = SoFar("screening", before, before + len(by_key))
        found: dict[Proposal, Screening] = {}
        for key, result in gather(self.executor, screen, self.work, list(by_key), _crashed_screening, died=_died):
            found[by_key[key]] = result
            self.spent += result.spent
            self._one_more()
        return {each: found[each] for each in proposals}  # in their order, and not in that of their end

    def train(self, trials: Sequence[Trial]) -> list[TrialResult]:
        """Runs each trial that was not run in an earlier search."""
        known = {each: result for each in trials if self.cache and (result := self.cache.get(each)) is not None}
        self._so_far = replace(self._so_far, stage="training", done=len(known), total=len(trials))
        new = [each for each in trials if each not in known]
        for trial, result in gather(self.executor, train, self.work, new, _crashed_trial, died=_died):
            known[trial] = result
            self.spent += result.spent
            if self.cache:
                self.cache.put(trial, result)
            self._one_more()
        _check_original([known[each] for each in trials if not each.remedies and not each.control])
        return [known[each] for each in trials]

    def race(self, table: Table) -> None:
        """Notes who leads."""
        if table.ranked:
            leader, result = table.ranked[0]
            self._so_far = replace(self._so_far, best=leader.name, level=result.level, original=table.original.level)

    def _one_more(self) -> None:
        self._so_far = replace(self._so_far, done=self._so_far.done + 1)
        self.tell(self._so_far)


def _silent(_so_far: SoFar) -> None:
    pass


def _died(result: TrialResult | Screening) -> bool:
    """Whether it was a process of the workload's own that died, which a worker lives to tell."""
    why = result.why if isinstance(result, Screening) else result.error or ""
    return why.startswith(DIED)


def _check_original(results: Sequence[TrialResult]) -> None:
    """Says why there is nothing to compare with: an error of its own (no memory, a full disk) proves no remedy."""
    for each in results:
        if each.error is not None:
            raise InputError(
                f"The training as it is ended with an error after {len(each.losses)} of {each.steps} steps, with seed "
                f"{each.seed}. Nothing can be compared with it: {each.error}"
            )


def _crashed_screening(remedies: tuple[str, ...], why: str) -> Screening:
    return Screening(remedies, "failed", why)


def _crashed_trial(trial: Trial, why: str) -> TrialResult:
    return TrialResult(trial.remedies, trial.seed, trial.steps, trial.control, error=why)


def _not_raced(field: Field, raced: Collection[Proposal]) -> list[Candidate]:
    """What stayed out: of what was left, some may have come into the race later."""
    told = {each: _unraced(each, "not tried", "others are likelier to help") for each in field.left}
    told |= {each: found for each, looked in field.looked.items() if (found := _out(each, looked)) is not None}
    why = "not looked at: enough others are likelier to help"
    told |= {each: _unraced(each, "not tried", why) for each in field.unseen}
    return [candidate for proposal, candidate in told.items() if proposal not in raced]


def _out(proposal: Proposal, looked: Screening) -> Candidate | None:
    """A proposal that did not pass; of combinations that do not apply their parts tell the reason."""
    if looked.standing == "passed" or (looked.standing == "refused" and len(proposal.remedies) > 1):
        return None
    return _unraced(proposal, looked.standing, looked.why.removeprefix(f"{proposal.name}: "))


def _unraced(proposal: Proposal, standing: Standing, why: str) -> Candidate:
    return Candidate(proposal.remedies, proposal.says, proposal.size, proposal.safety, standing, why)


def _candidate(placed: Placed, ledger: Ledger) -> Candidate:
    proposal = placed.proposal
    trials = ledger.longest(Entrant(proposal.remedies))
    return Candidate(
        proposal.remedies,
        proposal.says,
        proposal.size,
        proposal.safety,
        placed.standing,
        placed.why,
        trials,
        placed.proof.effect if placed.proof else None,
        placed.proof.p_value if placed.proof else None,
        trials[-1].changes if trials else (),
    )


def _verdict(candidates: Sequence[Candidate]) -> tuple[Verdict, str]:
    best = next((each for each in candidates if each.standing == "recommended"), None)
    if best is not None:
        return "fixed", f"{best.says}: {best.why}"
    raced = sum(bool(each.trials) for each in candidates)
    if not raced:
        return "nothing helped", f"None of {len(candidates)} candidates was worth training: see each one's reason."
    proved = sum(each.standing == "no better" and bool(each.trials) for each in candidates)
    return "nothing helped", (
        f"{raced} candidates were trained. None of the {proved} that were compared with the original to the end is "
        "shown to be better."
    )


def _versions() -> dict[str, str]:
    return {
        "headwater": headwater.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
