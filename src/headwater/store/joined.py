"""Norms of sharded parameters, joined over the ranks that hold their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.store.arrow import Table, pa, pc

_Key = tuple[int, str | None]
"""Step and track."""
_PARAMETER = ["step", "track", "layer", "parameter"]
_NORMS = ("grad_norm", "weight_norm")


def joined(rows: Table, sharded: Mapping[str, int], ranks: int) -> tuple[Table, int]:
    """Puts one row for each sharded parameter and step in place of those of its parts, and sorts all by step.

    The Frobenius norm of the whole is that of its parts, each of which lies on c ranks: ``|g|^2 = sum_r |g_r|^2 / c``.
    So is the norm of all gradients together, in the rows of the whole network. All other rows stay as they are.

    Args:
        rows: of all columns, of all ranks.
        sharded: the number of equal copies c of each part, by parameter (`headwater.records.RunInfo`).
        ranks: how many ranks there are.

    Returns:
        The rows, with an empty rank where ranks were joined, and the number of steps for which the row of a part is
        missing. There rows of parameters are left out, and the norm of all is empty: part of a norm is none.
    """
    copies = _copies(rows, sharded)
    is_part = pc.is_valid(copies)
    parts, others = rows.filter(is_part), rows.filter(pc.invert(is_part))
    groups = (
        _squares(parts, copies.drop_null())
        .group_by(_PARAMETER)
        .aggregate([("rank", "count")] + [(name, kind) for name in _NORMS for kind in ("sum", "count")])
    )
    torn = set(_keys(groups.filter(pc.not_equal(groups["rank_count"], ranks))))
    whole = groups.filter(pa.array([key not in torn for key in _keys(groups)], pa.bool_()))
    norms = {
        name: pc.sqrt(pc.if_else(pc.equal(whole[f"{name}_count"], ranks), whole[f"{name}_sum"], None))
        for name in _NORMS
    }
    columns = {name: whole[name] for name in _PARAMETER} | norms
    found = _filled(columns, rows.schema, len(whole))
    everything = pa.concat_tables([_with_totals(others, found, torn), found])
    return everything.take(pc.sort_indices(everything["step"])), len(torn)


def _copies(rows: Table, sharded: Mapping[str, int]) -> Any:
    """The number of copies of what each row is about; empty for what is no part."""
    path = pc.if_else(pc.equal(rows["layer"], ""), "", pc.binary_join_element_wise(rows["layer"], "", "."))
    name = pc.binary_join_element_wise(path, rows["parameter"], "")
    place = pc.index_in(name, value_set=pa.array(list(sharded), pa.string()), skip_nulls=True)
    return pc.take(pa.array(list(sharded.values()), pa.float64()), place)


def _squares(parts: Table, copies: Any) -> Table:
    for name in _NORMS:
        square = pc.divide(pc.multiply(parts[name], parts[name]), copies)
        parts = parts.set_column(parts.column_names.index(name), name, square)
    return parts


def _with_totals(others: Table, whole: Table, torn: set[_Key]) -> Table:
    """Gives rows of the network the norm of all gradients: joined ones, and unsharded ones as the first rank has them.

    It is empty at steps that lack a norm, and stays as it is at those of an optimizer that holds no parts.
    """
    known = others.filter(pc.is_valid(others["parameter"]))
    first = known.filter(pc.equal(known["rank"], pc.min(others["rank"])))
    squares: dict[_Key, float] = {}
    lacking = set(torn)
    for rows in (whole, first):
        for key, norm in zip(_keys(rows), rows["grad_norm"].to_pylist(), strict=True):
            if norm is None:
                lacking.add(key)
            else:
                squares[key] = squares.get(key, 0.0) + norm * norm
    touched = set(_keys(whole)) | torn
    total = [None if key in lacking else squares.get(key, 0.0) ** 0.5 for key in _keys(others)]
    is_network = pc.and_(pc.equal(others["layer"], ""), pc.is_null(others["parameter"]))
    is_new = pc.and_(is_network, pa.array([key in touched for key in _keys(others)], pa.bool_()))
    norm = pc.if_else(is_new, pa.array(total, pa.float64()), others["grad_norm"])
    return others.set_column(others.column_names.index("grad_norm"), "grad_norm", norm)


def _keys(rows: Table) -> list[_Key]:
    return list(zip(rows["step"].to_pylist(), rows["track"].to_pylist(), strict=True))


def _filled(columns: Mapping[str, Any], schema: Any, length: int) -> Table:
    """A table of this schema; columns that are not given are empty."""
    arrays = [columns[field.name] if field.name in columns else pa.nulls(length, field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
