"""The history of a run that travels inside a page: few columns, few digits, with what the core alone can read.

The dashboard asks its server instead, which zooms; the form is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.store.arrow import pc
from headwater.store.segments import MOST_STEPS

if TYPE_CHECKING:
    from headwater.store import StoredRun

STEPS, LAYERS = 160, 200
"""Most columns and rows of a history: five of them in a page then take a megabyte."""
POINTS = 400
"""Most points of a curve."""
OF_LAYERS = ("signal", "update_ratio", "grad_norm", "weight_norm", "loss_share")
OF_NETWORK = ("loss", "learning_rate", "clip", "grad_norm")
_NORMS = ("grad_norm", "weight_norm")
"""Of a layer: the root of the sum of the squares of its parameters' norms."""

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class _Rows:
    """Rows of one optimizer: `layer` counts in `names`, and `parameter` tells which rows are about one."""

    step: Places
    layer: Places
    parameter: NDArray[np.bool_]
    names: list[str]
    columns: dict[str, Numbers]
    flags: dict[str, NDArray[np.bool_]]


def history_of(run: StoredRun) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the histories of all layers, one for each statistic, and the curves of the network, for each optimizer.

    Norms of layers are root mean squares over the steps and layers of a cell, as `headwater.store.rows` has them; all
    else are means. ``None`` where nothing was recorded. NaN and infinity stay.
    """
    histories: list[dict[str, Any]] = []
    series: list[dict[str, Any]] = []
    tracks = list(run.info.optimizers) or [""]
    for track in tracks:
        rows = _read(run, track)
        if not len(rows.step):
            continue
        histories += [made for name in OF_LAYERS if (made := _history(rows, name, track)) is not None]
        series.append(_series(rows, track))
    return histories, series


def _read(run: StoredRun, track: str) -> _Rows:
    wanted = dict.fromkeys((*OF_LAYERS, *OF_NETWORK))
    table = run.table(["step", "rank", "layer", "parameter", *wanted, "skipped", "probe"], track=track, joined=True)
    # of several ranks the first one's rows, and those that are joined of all, which name none
    table = table.filter(pc.equal(pc.fill_null(table["rank"], 0), 0))
    step = table["step"]  # of a file that is none of ours it may be anything
    table = table.filter(pc.fill_null(pc.and_(pc.greater_equal(step, 0), pc.less(step, MOST_STEPS)), False))
    layers = table["layer"].combine_chunks().dictionary_encode()
    return _Rows(
        step=np.asarray(table["step"].to_numpy(), np.int64),
        layer=np.asarray(layers.indices.to_numpy(zero_copy_only=False), np.int64),
        parameter=np.asarray(table["parameter"].is_valid().to_numpy(), np.bool_),
        names=[str(name) for name in layers.dictionary.to_pylist()],
        # a missing number and a NaN are told apart by the mask: NumPy has no word for the former
        columns={name: _numbers(table[name]) for name in wanted},
        flags={name: np.asarray(table[name].fill_null(False).to_numpy(), np.bool_) for name in ("skipped", "probe")},
    )


_MISSING = -1.2345678e300
"""Stands for what was not recorded: a NaN that was recorded must stay one."""


def _numbers(column: Any) -> Numbers:
    return np.asarray(column.fill_null(_MISSING).to_numpy(), np.float64)


def _history(rows: _Rows, name: str, track: str) -> dict[str, Any] | None:
    """Layers by steps, in means over few enough columns and rows; nothing where nothing was recorded."""
    values = rows.columns[name]
    network = rows.names.index("") if "" in rows.names else -1
    kept = (values != _MISSING) & (rows.layer != network) & (rows.parameter == (name in _NORMS))
    if not kept.any():
        return None
    step, layer, value = rows.step[kept], rows.layer[kept], values[kept]
    if name in _NORMS:
        step, layer, value = _joined(step, layer, value)
    order = list(dict.fromkeys(layer.tolist()))
    place = np.full(len(rows.names), -1, np.int64)
    place[order] = np.arange(len(order)) * min(LAYERS, len(order)) // len(order)
    first, last = int(step.min()), int(step.max())
    columns = min(STEPS, last - first + 1)
    column = (step - first) * columns // (last - first + 1)
    shape = (int(place.max()) + 1, columns)
    if name in _NORMS:
        squares = _means(place[layer], column, value * value, shape, digits=6)
        table = [[None if each is None else float(f"{math.sqrt(each):.3g}") for each in row] for row in squares]
    else:
        table = _means(place[layer], column, value, shape)
    return {
        "statistic": name,
        "track": track,
        "first": first,
        "last": last,
        "steps": [first + -(-i * (last - first + 1) // columns) for i in range(columns)],
        "layers": _grouped([rows.names[i] for i in order], place[order]),
        "values": table,
    }


def _joined(step: Places, layer: Places, norm: Numbers) -> tuple[Places, Places, Numbers]:
    """One norm for each layer and step, in the order of the layers' first rows."""
    keys, inverse = np.unique(np.stack((step, layer)), axis=1, return_inverse=True)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.bincount(inverse.ravel(), norm * norm, keys.shape[1])
    return keys[0], keys[1], np.sqrt(squares)


def _means(
    row: Places, column: Places, value: Numbers, shape: tuple[int, int], digits: int = 3
) -> list[list[float | None]]:
    cell = row * shape[1] + column
    amount = np.bincount(cell, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.bincount(cell, value, shape[0] * shape[1]) / amount
    found = [
        float(f"{each:.{digits}g}") if some else None for each, some in zip(mean.tolist(), amount.tolist(), strict=True)
    ]
    return [found[i * shape[1] : (i + 1) * shape[1]] for i in range(shape[0])]


def _grouped(names: list[str], place: Places) -> list[str]:
    """The name of each row; of several layers that of the first and the last."""
    groups: dict[int, list[str]] = {}
    for name, at in zip(names, place.tolist(), strict=True):
        groups.setdefault(at, []).append(name)
    return [group[0] if len(group) == 1 else f"{group[0]} … {group[-1]}" for group in groups.values()]


def _series(rows: _Rows, track: str) -> dict[str, Any]:
    """The curves of the whole network."""
    network = rows.names.index("") if "" in rows.names else -1
    own = (rows.layer == network) & ~rows.parameter
    first, last = int(rows.step.min()), int(rows.step.max())
    buckets = min(POINTS, last - first + 1)
    found: dict[str, Any] = {}
    for name in OF_NETWORK:
        kept = own & (rows.columns[name] != _MISSING)
        if kept.any():
            bucket = (rows.step[kept] - first) * buckets // (last - first + 1)
            found[name] = _curve(bucket, rows.columns[name][kept], buckets)
    return {
        "layer": "",
        "track": track,
        "first": first,
        "last": last,
        "steps": [first + -(-i * (last - first + 1) // buckets) for i in range(buckets)],
        "series": found,
        "flags": {name: sorted(set(rows.step[flag].tolist()))[:POINTS] for name, flag in rows.flags.items()},
    }


def _curve(bucket: Places, value: Numbers, buckets: int) -> dict[str, list[float | None]]:
    low, high = np.full(buckets, np.inf), np.full(buckets, -np.inf)
    np.minimum.at(low, bucket, value)
    np.maximum.at(high, bucket, value)
    mean = _means(np.zeros_like(bucket), bucket, value, (1, buckets), digits=5)[0]
    known = [each is not None for each in mean]
    return {"mean": mean} | {
        name: [float(f"{each:.5g}") if there else None for each, there in zip(found.tolist(), known, strict=True)]
        for name, found in (("min", low), ("max", high))
    }
