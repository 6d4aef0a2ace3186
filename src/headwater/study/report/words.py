"""How verdicts and settings are written, in every rendering alike."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.records.numbers import count
from headwater.study.experiment import Statement, Verdict
from headwater.study.results import Results

MARKS: dict[Verdict, str] = {"holds": "✓", "does not hold": "✗", "cannot be said": "?"}


def tally(said: Sequence[Statement]) -> str:
    """``5 of 6 statements hold``, and what becomes of the others."""
    counts = {verdict: sum(each.verdict == verdict for each in said) for verdict in MARKS}
    text = f"{counts['holds']} of {count(len(said), 'statement')} {'holds' if len(said) == 1 else 'hold'}"
    unknown = counts["cannot be said"]
    return text + (f", {unknown} cannot be said" if unknown else "")


def made(found: Results) -> str:
    """When, with what, and from how many seeds."""
    versions = ", ".join(f"{name} {version}" for name, version in found.made.versions.items())
    seeds = count(found.made.seeds, "seed") + (" (0)" if found.made.seeds == 1 else f" (0 to {found.made.seeds - 1})")
    return f"{found.made.date}; {count(found.made.points, 'point')}, {seeds}; {versions}."


def omitted(amount: int) -> str:
    """What a figure says of values that have no place in it."""
    return (
        f"{count(amount, 'value')} that no axis has a place for (not a number, or zero on a logarithmic axis) left out."
    )
