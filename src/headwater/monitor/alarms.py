"""Findings as they arise: each is told once, and once more when it has healed."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headwater.records import Finding

PATIENCE = 2
"""Verdicts in a row that must agree before a finding is raised or healed: one odd batch is no news."""
AT_ONCE = frozenset({"HW701"})
"""Codes that are raised at the first sight: the training may not live to see the second."""


@dataclass(frozen=True)
class Event:
    """A finding that was raised, or has healed.

    Attributes:
        event: ``"raised"`` or ``"healed"``.
        step: number of the optimizer step, from 0.
        time: UTC, ISO 8601.
        finding: as it was seen last.
        track: name of the optimizer; empty for the only one without a name.
    """

    event: Literal["raised", "healed"]
    step: int
    time: str
    finding: Finding
    track: str = ""


class Alarms:
    """Follows the verdicts of one optimizer's training.

    Attributes:
        standing: the findings that are raised and not healed, by code.
    """

    def __init__(self, track: str = "") -> None:
        self._track = track
        self._seen: dict[str, int] = {}
        self._missed: dict[str, int] = {}
        self.standing: dict[str, Finding] = {}

    def judge(self, findings: Iterable[Finding], step: int) -> list[Event]:
        """Takes the verdict of a probe and returns what is news. Findings of severity ``"info"`` are none."""
        present = {finding.code: finding for finding in findings if finding.severity != "info"}
        self._seen = {code: self._seen.get(code, 0) + 1 for code in present}
        events: list[Event] = []
        for code, finding in present.items():
            self._missed.pop(code, None)
            known = code in self.standing
            if known or self._seen[code] >= (1 if code in AT_ONCE else PATIENCE):
                self.standing[code] = finding
            if code in self.standing and not known:
                events.append(self._event("raised", step, finding))
        for code in [code for code in self.standing if code not in present]:
            self._missed[code] = self._missed.get(code, 0) + 1
            if self._missed[code] >= PATIENCE:
                del self._missed[code]
                events.append(self._event("healed", step, self.standing.pop(code)))
        return events

    def _event(self, kind: Literal["raised", "healed"], step: int, finding: Finding) -> Event:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return Event(kind, step, now, finding, self._track)
