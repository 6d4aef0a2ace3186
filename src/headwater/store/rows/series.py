"""Statistics of one layer, or of the whole network, over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.records import FLAGS, STATISTICS
from headwater.store.reader import StoredRun
from headwater.store.rows import buckets
from headwater.store.rows.cache import CACHE
from headwater.store.rows.duck import Columns
from headwater.store.rows.outline import folder, outline, steadily
from headwater.store.rows.parts import Part, is_kept, units
from headwater.store.rows.relation import NORMS, Relation, relation

MOST, MOST_FLAGS = 4000, 1000
"""Points, and steps of a kind, that are answered at most."""
_KEPT = 8192
"""Buckets of what is kept."""


def series(
    run: StoredRun,
    layer: str,
    statistics: Sequence[str],
    track: str = "",
    first: int | None = None,
    last: int | None = None,
    points: int = 800,
) -> dict[str, Any]:
    """Returns mean, least and largest value of each statistic by bucket of steps.

    A NaN is larger than any number: it shows in the mean and as the largest.

    Args:
        run: as `headwater.store.open_run` gives it.
        layer: its path; ``""`` is the whole network.
        statistics: names in `headwater.records.STATISTICS`.
        track: the optimizer; empty: the only one, or the first.
        first: step; ``None``: from the beginning.
        last: step; ``None``: to the end.
        points: buckets at most.

    Returns:
        `layer`, `track`, `first`, `last`, `steps` (the first step of each bucket), `series` (lists by statistic and by
        `mean`, `min`, `max`), and `flags` (the newest steps that were skipped, and that were itemised).

    Raises:
        InputError: there is no such statistic or optimizer.
        MissingDependencyError: DuckDB is not installed.
        StoreError: the rows cannot be read.
    """
    names = tuple(dict.fromkeys(buckets.known(name, STATISTICS) for name in statistics))
    return steadily(lambda: _series(run, layer, names, track, (first, last), max(1, min(points, MOST))))


def _series(
    run: StoredRun,
    layer: str,
    names: tuple[str, ...],
    track: str,
    between: tuple[int | None, int | None],
    points: int,
) -> dict[str, Any]:
    found = outline(run)
    track = buckets.track_of(found, track)
    first, last = buckets.span(found, *between)
    asked = _Question(layer, names, track)
    stride = buckets.stride(first, last, points)
    parted = units(found.parts, joined=bool(run.info.sharded))
    if not found.parts or not names:
        columns: list[Columns] = []
    elif buckets.is_small(found, first, last):
        columns = [_columns(_rows(run, found.parts, names), asked, stride, (first, last))]
    else:
        kept = buckets.stride(found.first_step or 0, found.last_step or 0, _KEPT)
        stride = max(stride, kept)
        columns = [_kept(run, unit, asked, kept) for unit in parted]
    flags = _flagged(run, parted, track, first, last)
    answer = {"layer": layer, "track": track, "first": first, "last": last}
    return answer | _drawn(columns, asked, stride, first, last) | {"flags": flags}


@dataclass(frozen=True)
class _Question:
    layer: str
    statistics: tuple[str, ...]
    track: str


def _rows(run: StoredRun, parts: Sequence[Part], statistics: Sequence[str]) -> Relation:
    return relation(folder(run), parts, [*dict.fromkeys([*statistics, "grad_norm"])], run.info)


def _kept(run: StoredRun, unit: tuple[Part, ...], asked: _Question, stride: int) -> Columns:
    def ask() -> Columns:
        return _columns(_rows(run, unit, asked.statistics), asked, stride, None)

    return CACHE.get((unit, asked, stride), ask) if is_kept(unit) else ask()


def _columns(rows: Relation, asked: _Question, stride: int, span: tuple[int, int] | None) -> Columns:
    """By bucket: its first step, and for each statistic sum, count, least and largest value of its steps."""
    values: dict[str, Any] = {"layer": asked.layer, "track": asked.track}
    where = "layer = $layer AND coalesce(track, '') = $track"
    if span is not None:
        where += " AND step BETWEEN $first AND $last"
        values |= {"first": span[0], "last": span[1]}
    each = ", ".join(f"{_of_a_step(name, asked.layer)} AS {name}" for name in asked.statistics)
    over = ", ".join(
        f"sum({name}) AS {name}_sum, CAST(count({name}) AS INTEGER) AS {name}_count, min({name}) AS {name}_min, "
        f"max({name}) AS {name}_max"
        for name in asked.statistics
    )
    found = rows.ask(
        f"SELECT CAST(step // {stride} AS BIGINT) AS bucket, min(step) AS first, {over} FROM "
        f"(SELECT step, {each} FROM {{rows}} WHERE {where} GROUP BY step) GROUP BY bucket ORDER BY bucket",
        **values,
    )
    return {
        name: np.ma.filled(column, np.nan) if column.dtype.kind == "f" else np.asarray(column)
        for name, column in found.items()
    }


def _of_a_step(name: str, layer: str) -> str:
    """One value out of the rows of a step: those of a layer's parameters make up its norm."""
    if name in NORMS and layer:
        return f"sqrt(sum({name} * {name}) FILTER (parameter IS NOT NULL))"
    return f"max({name}) FILTER (parameter IS NULL)"


def _flagged(
    run: StoredRun, parted: Sequence[tuple[Part, ...]], track: str, first: int, last: int
) -> dict[str, list[int]]:
    """Steps with a flag, by its name."""
    steps: dict[str, set[int]] = {flag: set() for flag in FLAGS}
    for unit in parted:

        def ask(unit: tuple[Part, ...] = unit) -> Columns:
            where = f"({' OR '.join(FLAGS)}) AND step IS NOT NULL AND coalesce(track, '') = $track"
            names = ", ".join(f"coalesce({flag}, false) AS {flag}" for flag in FLAGS)
            rows = relation(folder(run), unit, list(FLAGS))
            return rows.ask(f"SELECT DISTINCT step, {names} FROM {{rows}} WHERE {where}", track=track)

        found = CACHE.get((unit, "flags", track), ask) if is_kept(unit) else ask()
        for flag, known in steps.items():
            known.update(found["step"][found[flag].astype(bool)].tolist())
    return {
        flag: sorted(each for each in known if first <= each <= last)[-MOST_FLAGS:] for flag, known in steps.items()
    }


def _drawn(columns: list[Columns], asked: _Question, stride: int, first: int, last: int) -> dict[str, Any]:
    """The buckets of all parts, put together in fewer."""
    low, width = first // stride, last // stride - first // stride + 1
    firsts = np.full(width, np.inf)
    drawn = {name: _Lines(width) for name in asked.statistics}
    for each in columns:
        at = each["first"] // stride - low
        inside = (at >= 0) & (at < width)
        np.minimum.at(firsts, at[inside], each["first"][inside].astype(float))
        for name, lines in drawn.items():
            lines.add(at[inside], {kind: each[f"{name}_{kind}"][inside] for kind in ("sum", "count", "min", "max")})
    shown = np.isfinite(firsts) & np.logical_or.reduce([lines.count > 0 for lines in drawn.values()] or [firsts < 0])
    return {
        "steps": firsts[shown].astype(np.int64).tolist(),
        "series": {name: lines.told(shown) for name, lines in drawn.items()},
    }


class _Lines:
    """Mean, least and largest value by bucket."""

    def __init__(self, width: int) -> None:
        self._sum, self.count = np.zeros(width), np.zeros(width)
        self._min, self._max = np.full(width, np.nan), np.full(width, -np.inf)

    def add(self, at: Any, found: Columns) -> None:
        given = found["count"] > 0
        at, found = at[given], {name: column[given] for name, column in found.items()}
        np.add.at(self.count, at, found["count"])
        with np.errstate(invalid="ignore"):
            np.add.at(self._sum, at, found["sum"])
            np.fmin.at(self._min, at, found["min"])
            np.maximum.at(self._max, at, found["max"])

    def told(self, shown: Any) -> dict[str, list[Any]]:
        with np.errstate(all="ignore"):
            mean = self._sum / self.count
        given = self.count[shown] > 0
        lines = {"mean": mean, "min": self._min, "max": self._max}
        return {kind: buckets.words(line[shown], given) for kind, line in lines.items()}
