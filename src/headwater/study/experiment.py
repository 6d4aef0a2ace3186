"""What an experiment is: points to measure, a function that measures one, figures, and what the numbers say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, TypeVar

Value = str | int | float | bool | None
P = TypeVar("P")
"""A point, which is measured once: a frozen dataclass of plain values, its seed among them. Equal points have equal
rows."""
Row = dict[str, Value]
"""One line of an experiment's table; what is ``None`` is missing. Rows of different kinds tell themselves apart by a
column ``part``."""
Verdict = Literal["holds", "does not hold", "cannot be said"]


@dataclass(frozen=True)
class Column:
    """A column of the table, as it is shown.

    Attributes:
        name: of the column.
        label: what the reader sees, with the unit: ``"hidden layers"``, ``"time (steps)"``.
        log: whether its axis is logarithmic.
        limits: ends of its axis, where the data should not choose them.
        digits: significant digits in which its numbers are written.
        order: its values in the order in which they are shown, where that is not the order of the rows; others follow.
    """

    name: str
    label: str
    log: bool = False
    limits: tuple[float, float] | None = None
    digits: int = 2
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A picture or a table, declared: what is drawn from which rows.

    Rows that agree in all that is drawn but `y` (seeds) are one point: their median, within their range.

    Attributes:
        name: short and unique in its experiment: of the file, and of the place on the page.
        kind: ``"lines"``: `y` over `x`, a line for each value of `series`; ``"points"``: the same without the lines;
            ``"heatmap"``: `value` as a colour and a number, over `x` and `y`; ``"bars"``: `y` at each value of `x`, a
            group of bars for `series`; ``"table"``: the rows, in `columns`.
        title: what it shows.
        definition: how the quantity is measured, with its formula and unit.
        caption: what to look at. It holds no results: those are in the picture and in the statements.
        x, y, value, columns: what is drawn, as the kind says.
        series: the column that tells lines, or bars of a group, apart.
        panels: the column that has a panel for each of its values.
        where: only rows with these values; a tuple holds several.
        expected: a column of what theory says of `y`, drawn dashed (heatmap: in brackets under the value).
        neutral: of a heat map, the value that is neither good nor bad, such as a gain of one; the two sides of it have
            different colours.
        levels: values of `y` at which a thin line with a label helps, such as chance.
    """

    name: str
    kind: Literal["lines", "points", "heatmap", "bars", "table"]
    title: str
    definition: str
    caption: str
    x: Column | None = None
    y: Column | None = None
    value: Column | None = None
    columns: tuple[Column, ...] = ()
    series: Column | None = None
    panels: Column | None = None
    where: Mapping[str, Value | tuple[Value, ...]] = field(default_factory=dict[str, "Value | tuple[Value, ...]"])
    expected: str | None = None
    neutral: float | None = None
    levels: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Statement:
    """A claim, and what the numbers say to it.

    Attributes:
        claim: a sentence that the numbers can bear out or refute; it holds no results.
        found: a sentence made from the numbers.
        verdict: whether the numbers bear the claim out.
        source: who published it (authors, year, title), where somebody did.
    """

    claim: str
    found: str
    verdict: Verdict
    source: str = ""


@dataclass(frozen=True)
class Together(Generic[P]):
    """How points that differ in few things are measured at once, where that was measured to be faster.

    Attributes:
        differ: fields in which the points of one call may differ; all others are equal.
        measure: several points to the rows of each, in their order; the same rows as one by one.
        most: points of one call; more give a cluster too few tasks to share out.
    """

    differ: tuple[str, ...]
    measure: Callable[[Sequence[P]], Sequence[Sequence[Row]]]
    most: int = 12


@dataclass(frozen=True)
class Experiment(Generic[P]):
    """One experiment, declared in a file of its own in `headwater.study.experiments`.

    Attributes:
        name: as it is asked for on the command line.
        title, question: what it is about, and what it asks; one sentence each.
        points: ``points(quick, seeds)`` gives what is measured. `quick`: a smaller grid that shows the same.
        measure: a point to its rows; the fields of the point are added to each. A pure function that can be imported by
            name, since it runs in other processes. It imports torch inside, so that the list of experiments needs none,
            and draws every random number from the point's seed.
        figures: what is drawn.
        says: the table to statements. A part of it may be missing: a point that failed has no rows.
        derive: the table to further rows, such as the best of several rates, which figures and statements can use; the
            table may have gaps. ``None``: there are none.
        cost: how long a point takes relative to others, in any unit: the longest begin first, and the time that is
            left is told from it. ``None``: all alike.
        together: how points are measured at once; ``None``: one by one.
        setting: in a few sentences how it is done: data, networks, training.
    """

    name: str
    title: str
    question: str
    points: Callable[[bool, int], Sequence[P]]
    measure: Callable[[P], Sequence[Row]]
    figures: tuple[Figure, ...]
    says: Callable[[Table], Sequence[Statement]]
    derive: Callable[[Table], Sequence[Row]] | None = None
    cost: Callable[[P], float] | None = None
    together: Together[P] | None = None
    setting: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of an experiment, with what statements are made of."""

    rows: tuple[Row, ...]

    def where(self, **values: Value | tuple[Value, ...]) -> Table:
        """Returns the rows that have these values; a tuple holds several."""
        return Table(tuple(selected(self.rows, values)))

    def column(self, name: str) -> list[Value]:
        """Returns the values of a column, without those that are missing."""
        return [value for row in self.rows if (value := row.get(name)) is not None]

    def numbers(self, name: str) -> list[float]:
        """Returns the numbers of a column; one that is NaN stays, one that is missing does not."""
        return [number_in(row, name) for row in self.rows if not isinstance(row.get(name), str | None)]

    def median(self, name: str) -> float:
        """Returns the median of a column; NaN where there is no number, or one of them is NaN."""
        numbers = self.numbers(name)
        return statistics.median(numbers) if numbers and not any(map(math.isnan, numbers)) else math.nan

    def distinct(self, name: str) -> list[Value]:
        """Returns the different values of a column, in the order in which they come."""
        return list(dict.fromkeys(self.column(name)))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def selected(rows: Iterable[Row], values: Mapping[str, Value | tuple[Value, ...]]) -> Iterator[Row]:
    """Yields the rows that have these values."""
    wanted = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
    return (row for row in rows if all(row.get(name) in some for name, some in wanted.items()))


def number_in(row: Row, name: str) -> float:
    """Returns a number of a row; NaN where it is missing."""
    value = row.get(name)
    return math.nan if value is None or isinstance(value, str) else float(value)


def values(point: Any) -> Row:
    """Returns the fields of a point."""
    return asdict(point)


def verdict(holds: bool | None) -> Verdict:
    """``None``: what it would take to say is missing."""
    return "cannot be said" if holds is None else "holds" if holds else "does not hold"
