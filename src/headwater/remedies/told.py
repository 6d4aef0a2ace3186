"""Remedies that only a person can carry out: they say what to do, and change nothing."""

from __future__ import annotations

from collections.abc import Callable

from headwater.errors import RemedyError
from headwater.records import Change
from headwater.remedies.remedy import Remedy, Training


def told(code: str, advice: Callable[[Training], str], page: str, *, size: int = 1) -> Remedy:
    """Returns a remedy that is displayed only; it always refuses, with what to do by hand.

    Args:
        code: what findings call it.
        advice: one sentence, with the numbers of the training.
        page: what to do, when not, and references.
        size: how much of the training it would change.
    """

    def apply(training: Training) -> Change:
        raise RemedyError(f"{code} is a change that only you can make: {advice(training)}")

    return Remedy(code, "", "display-only", size, advice, apply, page)
