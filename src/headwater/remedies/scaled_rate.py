"""The learning rate by a factor, in all groups alike: what `lower-rate` and `raise-rate` share."""

from __future__ import annotations

from collections.abc import Callable

from headwater.errors import RemedyError
from headwater.records import Change
from headwater.records.numbers import number
from headwater.remedies.options import rates, rounded, set_options
from headwater.remedies.remedy import Training


def refusal(training: Training) -> str | None:
    """Says why there is no rate to multiply."""
    if not any(rates(training.optimizer)):
        return f"{type(training.optimizer).__name__} has no learning rate above 0"
    return None


def rate_times(remedy: str, factor: float) -> Callable[[Training], Change]:
    """Returns what multiplies the rate of each group by a factor."""

    def apply(training: Training) -> Change:
        highest = max(rates(training.optimizer), default=0.0)
        if not highest:
            raise RemedyError(f"{remedy} looked for a learning rate above 0 to multiply by {number(factor)}")
        says = f"a learning rate of {number(rounded(factor * highest))} in place of {number(highest)}"
        return set_options(training, remedy, says, lambda group: {"lr": rounded(factor * float(group["lr"]))})

    return apply
