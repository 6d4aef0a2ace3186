"""How values, verdicts and settings are written, in every rendering alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from headwater.records.numbers import count, number
from headwater.study.experiment import Column, Statement, Value, Verdict
from headwater.study.results import Results

MARKS: dict[Verdict, str] = {"holds": "✓", "does not hold": "✗", "cannot be said": "?"}


def word(value: Value) -> str:
    """A value as it is shown: whole numbers in full, others in two digits, words without underscores."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return value.replace("_", " ") if isinstance(value, str) else number(value)


def ordered(values: Iterable[Value], column: Column | None) -> list[Value]:
    """Returns different values in the order of the column; the others by their size, or as they come."""
    found = list(dict.fromkeys(values))
    first = [value for value in (column.order if column else ()) if value in found]
    others = [value for value in found if value not in first]
    if all(isinstance(value, int | float) for value in others):
        others = sorted(cast("list[float]", others))
    return [*first, *others]


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
