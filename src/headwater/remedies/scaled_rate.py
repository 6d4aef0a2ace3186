"""The learning rate by a factor, in all groups alike: what `lower-rate` and `raise-rate` share."""

from __future__ import annotations

from collections.abc import Callable

from headwater.errors import RemedyError
from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies.options import rates, rounded, set_options
from headwater.remedies.remedy import Training


def refusal(training: Training) -> str | None:
    """Says why the rate cannot be changed."""
    if not rates(training.optimizer):
        return f"{type(training.optimizer).__name__} has no learning rate"
    return None


def rate_times(remedy: str, factor: float) -> Callable[[Training], Change]:
    """Returns what multiplies the rate of each group by a factor."""

    def apply(training: Training) -> Change:
        before = rates(training.optimizer)
        if not any(before):
            raise RemedyError(f"{remedy} looked for a learning rate above 0 to multiply by {number(factor)}")
        says = f"a learning rate of {number(rounded(factor * max(before)))} in place of {number(max(before))}"
        return set_options(training, remedy, says, lambda group: {"lr": rounded(factor * float(group["lr"]))})

    return apply
