"""One number: what it should be, what was found, and how far apart the two may be."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Attributes:
        group: the table that it belongs to.
        what: the quantity.
        expected: the reference: the number in a paper, or the prediction for a network that is then measured.
        found: what the code computes, or what a network shows.
        tolerance: largest relative error; absolute where `expected` is zero.
        note: why the tolerance is what it is.
    """

    group: str
    what: str
    expected: float
    found: float
    tolerance: float
    note: str = ""

    @property
    def error(self) -> float:
        if self.expected == self.found:  # infinities, too
            return 0.0
        return (self.found - self.expected) / abs(self.expected or 1.0)

    @property
    def passed(self) -> bool:
        return abs(self.error) <= self.tolerance and not math.isnan(self.error)

    def row(self) -> list[str]:
        limit = f"{100 * self.tolerance:.2g} %" + (f", {self.note}" if self.note else "")
        sign = "" if self.passed else " **MISS**"
        error = f"{100 * self.error:+.2f} %"
        return [self.what, written(self.expected), written(self.found), f"{error}{sign}", limit]


def written(value: float) -> str:
    return f"{value:.5g}"


"""Five digits: the tables are compared with four."""
