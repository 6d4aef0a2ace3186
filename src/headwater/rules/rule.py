"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headwater.records import Finding, Measurement

Check = Callable[[Measurement], Finding | None]


@dataclass(frozen=True)
class Rule:
    """A check with a code.

    Attributes:
        code: e.g. ``"HW101"``.
        name: the fault that it finds, e.g. ``"vanishing-gradient"``; never the cure.
        check: looks for the fault in a measurement; ``None`` when it is not there.
        page: what ``headwater explain`` shows, in Markdown: the docstring of the rule's module.
    """

    code: str
    name: str
    check: Check
    page: str

    @property
    def summary(self) -> str:
        """The fault in one sentence: the first line of the page, behind code and name."""
        return self.page.strip().splitlines()[0].partition(": ")[2]
