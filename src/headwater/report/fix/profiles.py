"""The gradient along the trunk, before and after the fix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.records import FixRecord, Profile, TrialResult
from headwater.report.fix.words import longest
from headwater.report.words import count

Shares = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Seen:
    """A profile, and when in its training it was taken."""

    profile: Profile
    when: str


def profiles(record: FixRecord) -> dict[str, Seen]:
    """The gradient of the original and that under the recommendation, both at the end of the longest training.

    Where the original has none there, as it was lost, it is that of the diagnosis.
    """
    original = _at_the_end(record.original)
    if original is None and record.before is not None:
        original = Seen(record.before, "in the first steps, as diagnosed")
    found = {"original": original, "recommended": _at_the_end(record.best.trials) if record.best else None}
    return {kind: seen for kind, seen in found.items() if seen is not None and len(shares(seen.profile)) > 1}


def _at_the_end(trials: Sequence[TrialResult]) -> Seen | None:
    trial = next((each for each in longest(trials) if each.profile is not None), None)
    return Seen(trial.profile, f"after {count(trial.steps, 'step')}") if trial and trial.profile else None


def moments(shown: dict[str, Seen]) -> str:
    """Says when each profile was taken."""
    said = {"original": "the original", "recommended": "the recommended one"}
    text = "; ".join(f"{said[kind]} {seen.when}" for kind, seen in shown.items())
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def shares(profile: Profile) -> Shares:
    """Depth of each place, and the gradient there as a share of the last: the size of the loss plays no part."""
    last = profile.points[-1].signal if profile.points else 0.0
    if not (last > 0 and math.isfinite(last)):
        return ()
    return tuple((p.depth, p.signal / last) for p in profile.points if math.isfinite(p.signal))
