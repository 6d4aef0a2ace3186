"""A statistic of all layers over the steps, as a picture of depth against time shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.records import STATISTICS
from headwater.store.reader import StoredRun
from headwater.store.rows import buckets
from headwater.store.rows.cache import CACHE
from headwater.store.rows.outline import Outline, folder, outline, steadily
from headwater.store.rows.parts import Part, is_kept, units
from headwater.store.rows.relation import NORMS, Relation, relation

MOST = 1000
"""Buckets and layers that are answered at most, whatever is asked."""
_CELLS, _BUCKETS = 1 << 20, 4096
"""Of what is kept: at most so many cells, and buckets."""
_NETWORK = -1
"""Place of the rows of the whole network."""


@dataclass(frozen=True)
class _Question:
    statistic: str
    track: str | None
    """``None`` where there is one only."""
    layers: tuple[str, ...]
    size: int
    """Layers in a group."""


def history(
    run: StoredRun,
    statistic: str,
    track: str = "",
    first: int | None = None,
    last: int | None = None,
    width: int = 600,
    height: int = 200,
) -> dict[str, Any]:
    """Returns a statistic by layer and bucket of steps.

    A norm is the root mean square over the steps of its bucket and the layers of its group, ``sqrt(sum g^2 / (n m))``;
    any other statistic is the mean. One value that is not finite shows.

    Args:
        run: as `headwater.store.open_run` gives it.
        statistic: a name in `headwater.records.STATISTICS`.
        track: the optimizer; empty: the only one, or the first.
        first: step; ``None``: from the beginning.
        last: step; ``None``: to the end.
        width: buckets at most.
        height: layers at most; more are grouped with their neighbours.

    Returns:
        `statistic`, `track`, `first`, `last`, `steps` (the first step of each bucket that has values), `layers` (names,
        input to output), and `values` (a list for each layer).

    Raises:
        InputError: there is no such statistic or optimizer.
        MissingDependencyError: DuckDB is not installed.
        StoreError: the rows cannot be read.
    """
    buckets.known(statistic, STATISTICS)
    width, height = (max(1, min(each, MOST)) for each in (width, height))
    return steadily(lambda: _history(run, statistic, track, (first, last), width, height))


def _history(
    run: StoredRun, statistic: str, track: str, between: tuple[int | None, int | None], width: int, height: int
) -> dict[str, Any]:
    found = outline(run)
    track = buckets.track_of(found, track)
    asked = _question(found, statistic, track if len(found.tracks) > 1 else None, height)
    first, last = buckets.span(found, *between)
    answer = {"statistic": statistic, "track": track, "first": first, "last": last}
    if not found.parts or not asked.layers:
        return answer | {"steps": [], "layers": [], "values": []}
    stride = buckets.stride(first, last, width)
    if buckets.is_small(found, first, last):
        cells = [_cells(_rows(run, found.parts, statistic), asked, stride, (first, last))]
    else:
        finest = min(_BUCKETS, max(width, _CELLS // len(_labels(asked))))
        kept = buckets.stride(found.first_step or 0, found.last_step or 0, finest)
        stride = max(stride, kept)
        cells = [_kept(run, unit, asked, kept) for unit in units(found.parts, joined=bool(run.info.sharded))]
        cells = [_folded(each, stride // kept) for each in cells]
    return answer | _drawn(cells, asked, first // stride, last // stride)


def _question(found: Outline, statistic: str, track: str | None, height: int) -> _Question:
    own, others = (found.weighted, found.probed) if statistic in NORMS else (found.probed, found.weighted)
    layers = tuple(name for name in found.layers if name in own or name not in others)
    return _Question(statistic, track, layers, max(1, -(-len(layers) // height)))


def _labels(asked: _Question) -> list[str]:
    groups = [asked.layers[i : i + asked.size] for i in range(0, len(asked.layers), asked.size)]
    return [group[0] if len(group) == 1 else f"{group[0]} … {group[-1]}" for group in groups]


def _rows(run: StoredRun, parts: Sequence[Part], statistic: str) -> Relation:
    return relation(folder(run), parts, [*dict.fromkeys([statistic, "grad_norm", "probe"])], run.info)


def _kept(run: StoredRun, unit: tuple[Part, ...], asked: _Question, stride: int) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        return _cells(_rows(run, unit, asked.statistic), asked, stride, None)

    return CACHE.get((unit, asked, stride), ask) if is_kept(unit) else ask()


def _cells(rows: Relation, asked: _Question, stride: int, span: tuple[int, int] | None) -> dict[str, Any]:
    """Sums by group and bucket, and the steps of each bucket."""
    where = f"{asked.statistic} IS NOT NULL" + (" AND coalesce(track, '') = $track" if asked.track is not None else "")
    values: dict[str, Any] = {} if asked.track is None else {"track": asked.track}
    if span is not None:
        where += " AND step BETWEEN $first AND $last"
        values |= {"first": span[0], "last": span[1]}
    values |= {"layers": list(asked.layers), "places": [i // asked.size for i in range(len(asked.layers))]}
    ask = _gradients if asked.statistic == "grad_norm" else _others
    return {key: np.asarray(column) for key, column in ask(rows, asked, stride, where, values).items()}


_PLACES = "WITH places AS (SELECT unnest($layers::VARCHAR[]) AS layer, unnest($places::SMALLINT[]) AS place)"


def _gradients(rows: Relation, asked: _Question, stride: int, where: str, values: dict[str, Any]) -> dict[str, Any]:
    """In one pass over all rows: every step that has gradients has one row of the network, which counts it."""
    values = values | {"layers": ["", *asked.layers], "places": [_NETWORK, *values["places"]]}
    place = "place"
    if "" in asked.layers:  # the model itself is a layer
        values = values | {"layers": ["", *asked.layers[1:]], "places": [_NETWORK, *values["places"][2:]]}
        place = "CASE WHEN layer = '' AND parameter IS NOT NULL THEN 0 ELSE place END"
    found = rows.ask(
        f"{_PLACES} SELECT {place} AS place, CAST(step // {stride} AS BIGINT) AS bucket, "
        "sum(grad_norm * grad_norm) AS total, CAST(count(*) AS INTEGER) AS count, min(step) AS first "
        f"FROM {{rows}} JOIN places USING (layer) WHERE {where} GROUP BY ALL",
        **values,
    )
    network = found["place"] == _NETWORK
    first = found.pop("first")[network]
    counted = {"at": found["bucket"][network], "steps": found["count"][network], "first": first}
    return {key: column[~network] for key, column in found.items()} | counted


def _others(rows: Relation, asked: _Question, stride: int, where: str, values: dict[str, Any]) -> dict[str, Any]:
    name = asked.statistic
    is_norm = name in NORMS
    value, which = (f"{name} * {name}", "parameter IS NOT NULL") if is_norm else (name, "parameter IS NULL AND probe")
    bucket = f"CAST(step // {stride} AS BIGINT)"
    cells = rows.ask(
        f"{_PLACES} SELECT place, {bucket} AS bucket, sum({value}) AS total, CAST(count(*) AS INTEGER) AS count "
        f"FROM {{rows}} JOIN places USING (layer) WHERE {which} AND {where} GROUP BY ALL",
        **values,
    )
    steps = rows.ask(
        f"SELECT {bucket} AS at, CAST(count(DISTINCT step) AS INTEGER) AS steps, min(step) AS first "
        f"FROM {{rows}} WHERE {which} AND {where} GROUP BY ALL",
        **{key: value for key, value in values.items() if key not in ("layers", "places")},
    )
    return cells | steps


def _folded(cells: dict[str, Any], by: int) -> dict[str, Any]:
    return cells if by == 1 else cells | {"bucket": cells["bucket"] // by, "at": cells["at"] // by}


def _drawn(cells: list[dict[str, Any]], asked: _Question, low: int, high: int) -> dict[str, Any]:
    """The cells of all parts as rows of a picture."""
    labels, width = _labels(asked), high - low + 1
    sums, counts = np.zeros(len(labels) * width), np.zeros(len(labels) * width)
    steps, firsts = np.zeros(width), np.full(width, np.inf)
    for each in cells:
        inside = (each["bucket"] >= low) & (each["bucket"] <= high)
        at = each["place"][inside].astype(np.int64) * width + (each["bucket"][inside] - low)
        with np.errstate(invalid="ignore"):
            sums += np.bincount(at, each["total"][inside].astype(float), len(sums))
        counts += np.bincount(at, each["count"][inside], len(counts))
        inside = (each["at"] >= low) & (each["at"] <= high)
        steps += np.bincount(each["at"][inside] - low, each["steps"][inside], width)
        np.minimum.at(firsts, each["at"][inside] - low, each["first"][inside].astype(float))
    sums, counts = sums.reshape(len(labels), width), counts.reshape(len(labels), width)
    has_values, is_shown = counts.any(axis=0) & (steps > 0), np.asarray(counts.any(axis=1))
    with np.errstate(all="ignore"):
        if asked.statistic in NORMS:
            members = np.array([min(asked.size, len(asked.layers) - i * asked.size) for i in range(len(labels))])
            values = np.sqrt(sums / steps / members[:, None])
        else:
            values = sums / counts
    values, present = values[is_shown][:, has_values], counts[is_shown][:, has_values] > 0
    return {
        "steps": firsts[has_values].astype(np.int64).tolist(),
        "layers": [label for label, shown in zip(labels, is_shown.tolist(), strict=True) if shown],
        "values": [buckets.words(row, given) for row, given in zip(values, present, strict=True)],
    }
