"""The account of a gradient in words, for every rendering alike."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.records import CostlyLine, Explanation, Finding
from headwater.records.numbers import number
from headwater.report import words
from headwater.report.view import PARTS

_ALL = 0.9
"""Share of a part's effect from which on one line stands for all of it."""


@dataclass(frozen=True)
class AccountRow:
    """One part of the gain, or their product: measurement beside theory.

    Attributes:
        name: the part; the product has none of the names in `PARTS`.
        measured, predicted: its factor.
        share: of the whole; ``None`` for the product.
        line: the line of source behind it, when one is known.
        alone: whether that line stands for all of the part.
    """

    name: str
    measured: float
    predicted: float | None
    share: float | None = None
    line: CostlyLine | None = None
    alone: bool = True


def account_rows(explanation: Explanation) -> list[AccountRow]:
    """Returns the parts, the decisive one first, and their product where there are several."""
    rows: list[AccountRow] = []
    for part in explanation.parts:
        line = next((line for line in explanation.lines if line.part == part.part), None)
        alone = line is not None and line.share > _ALL * part.share
        rows.append(AccountRow(part.part, part.measured, part.predicted, part.share, line, alone))
    if len(rows) > 1:
        name = "mean layer" if explanation.layers > 1 else "together"
        rows.append(AccountRow(name, explanation.measured, explanation.predicted))
    return rows


def depth_words(explanation: Explanation) -> str:
    """What depth makes of the gain; nothing for a fault in one place."""
    half, reach, twice = explanation.half_depth, explanation.reach, explanation.attenuation_at_twice_the_depth
    if half is None or reach is None:
        return ""
    if explanation.measured < 1:
        said = f"Half of it is gone after {_layers(half)}, 95 % after {number(reach)}"
        left = number(twice) if twice else "nothing"
        return said + (f"; twice as deep, {left} would arrive." if twice is not None else ".")
    said = f"It doubles every {_layers(half)} and grows twentyfold in {number(reach)}"
    return said + (f"; twice as deep, it would grow {number(twice)} times." if twice is not None else ".")


def line_words(row: AccountRow) -> tuple[str, str]:
    """The operation and its place: ``("sigmoid", "mine.py:7")``; of several lines the worst, with its layer."""
    line = row.line
    if line is None:
        return "", ""
    place = words.source(line.built.file, line.built.line) if line.built else words.source(line.file, line.line)
    if row.alone:
        return words.printable(line.what if line.what != line.part else ""), place
    return "most" + (f" in {words.printable(line.layers[0])}" if len(line.layers) == 1 else ""), place


def share_words(share: float | None) -> str:
    """A share of the whole in per cent; negative where the part works against the rest."""
    return "" if share is None else f"{100 * share:.0f} %"


def other_evidence(finding: Finding) -> dict[str, float | int | str]:
    """The evidence that the account does not show."""
    told = [f"{part} gain" for part in PARTS] if finding.explanation is not None else []
    return {name: value for name, value in finding.evidence.items() if name not in told}


def _layers(amount: float) -> str:
    return f"{number(amount)} layer" + ("" if number(amount) == "1" else "s")
