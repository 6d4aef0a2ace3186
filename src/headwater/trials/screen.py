"""One look at a changed training: does the gradient flow now?

The remedies are applied to a fresh copy, whose first steps are itemised. A candidate under which the gradient still
fails to flow is out: it would have to be trained for long to show the same. Where nothing that the original shows could
put one out (a learning rate), the steps are only taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from headwater.measure import (
    Updates,
    batch_size,
    held_names,
    measurement,
    optimise,
    optimizer_record,
    probation,
    untouched,
)
from headwater.records import Change, Finding
from headwater.rules import judge
from headwater.trials.building import Built, Recipe, RefusedError, built
from headwater.trials.live import said
from headwater.trials.workload import Screening

FLOW = frozenset("HW101 HW102 HW103 HW104 HW201 HW202 HW301 HW302 HW303 HW601 HW602 HW604 HW607 HW701".split())
"""Findings that one look settles: about the gradient's way, and not about the length of the steps taken along it."""

FIT = frozenset(["HW603", "HW604", "HW605"])
"""Findings that a loss does not fit what it is given: under it no training shows what it is worth. HW605 counts for
its targets."""


def screened(recipe: Recipe, remedies: tuple[str, ...], batches: Callable[[], list[Any]], seed: int = 0) -> Screening:
    """Applies the remedies and judges the first steps.

    Args:
        recipe: what the training is made of.
        remedies: keys, in the order in which they are applied.
        batches: draws one batch for each step.
        seed: of all random numbers.
    """
    changes: tuple[Change, ...] = ()
    try:
        with untouched(nn.Identity(), seed):
            some = batches()
            made = built(recipe, remedies, seed=seed, steps=len(some))
            changes = made.changes
            found = _findings(made, some) if any(_against(recipe.findings)) else _steps_taken(made, some)
    except RefusedError as error:
        return Screening(remedies, "refused", str(error))
    except Exception as error:  # of the user's functions or of a remedy: it speaks against this candidate only
        return Screening(remedies, "failed", said(error), changes)
    standing = still(recipe.findings, found)
    if standing is not None:
        return Screening(remedies, "screened out", f"{standing.code} still stands: {standing.message}", changes)
    return Screening(remedies, "passed", "", changes)


def still(before: tuple[Finding, ...], after: tuple[Finding, ...]) -> Finding | None:
    """Returns the first fault that was there before and is not gone, of those that speak against a training.

    These are errors about the gradient's flow, and root causes for which the loss does not fit, of any severity.
    """
    errors, unfit = _against(before)
    return next(
        (e for e in after if (e.severity == "error" and e.code in errors) or (e.code in unfit and _is_unfit(e))), None
    )


def _against(before: tuple[Finding, ...]) -> tuple[set[str], set[str]]:
    """Codes that would speak against a training: of errors about the flow, and of losses that do not fit."""
    errors = {each.code for each in before if each.severity == "error"} & FLOW
    return errors, {each.code for each in before if each.under is None and _is_unfit(each)}


def _is_unfit(finding: Finding) -> bool:
    if finding.severity == "info" or finding.code not in FIT:
        return False
    return finding.code != "HW605" or "target rms" in finding.evidence


def _steps_taken(made: Built, batches: list[Any]) -> tuple[Finding, ...]:
    """Takes the steps, which may fail, and looks for nothing."""
    model, optimizer, objective = made.training.model, made.training.optimizer, made.objective
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        objective(model, batch).loss.backward()
        optimise(optimizer, lambda batch=batch: objective(model, batch).loss)
    return ()


def _findings(made: Built, batches: list[Any]) -> tuple[Finding, ...]:
    model, optimizer, steps = made.training.model, made.training.optimizer, len(batches)
    record = optimizer_record(optimizer, model, given=True)
    updates = Updates(dict(model.named_parameters()), optimizer)
    held = held_names(optimizer, model)
    result = probation(model, made.objective, batches, iter(()), optimizer, updates, steps=steps, bounded=False)
    size = batch_size(batches[0])
    return judge(measurement(model, result, updates, record, held, batch_size=size, batches=steps))
