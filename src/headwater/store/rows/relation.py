"""The rows of some segments as a table of SQL, whatever version wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headwater.records import RunInfo
from headwater.store.rows.duck import Columns, literal, query
from headwater.store.rows.parts import Part
from headwater.store.segments import SCHEMA

NORMS = ("grad_norm", "weight_norm")
"""Statistics that each parameter has one of; a layer's is the root of the sum of their squares."""
_KEYS = ("step", "rank", "track", "layer", "parameter")
_SQL = {"int64": "BIGINT", "string": "VARCHAR", "double": "DOUBLE", "bool": "BOOLEAN"}


@dataclass(frozen=True)
class Relation:
    """Rows as SQL: a sub-query, the values that it names, and the folder from which it reads."""

    sql: str
    values: dict[str, Any]
    folder: str

    def ask(self, sql: str, **values: Any) -> Columns:
        """Answers a statement in which ``{rows}`` stands for the rows."""
        return query(self.folder, sql.replace("{rows}", f"({self.sql})"), self.values | values)


def relation(
    root: str, parts: Sequence[Part], columns: Sequence[str], info: RunInfo | None = None, *, numbered: bool = False
) -> Relation:
    """Returns the rows of segments of one run.

    Args:
        root: folder of the run.
        parts: its segments, at least one.
        columns: names besides the keys.
        info: what the run is, where norms of what is sharded shall be joined over the ranks.
        numbered: whether a column ``file_row_number`` tells the order within a file.
    """
    wanted = [*_KEYS, *columns]
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for part in parts:
        alike.setdefault(part.columns, []).append(literal(part.path))
    values: dict[str, Any] = {f"files{i}": paths for i, paths in enumerate(alike.values())}
    number, more = (", file_row_number", ", file_row_number = true") if numbered else ("", "")
    sql = " UNION ALL ".join(
        f"SELECT {_selected(dict(known), wanted)}{number} FROM read_parquet($files{i}, hive_partitioning = false{more})"
        for i, known in enumerate(alike)
    )
    if info is not None and info.sharded:
        sql = _joined(sql, [name for name in NORMS if name in columns])
        values |= {"sharded": list(info.sharded), "copies": [float(each) for each in info.sharded.values()]}
        values |= {"ranks": info.world_size}
    return Relation(sql, values, root)


def _selected(known: dict[str, str], wanted: Sequence[str]) -> str:
    """Columns by name; one that an older version did not write is empty."""
    found: list[str] = []
    for name in wanted:
        kind = str(SCHEMA.field(name).type)
        if name not in known:
            found.append(f"CAST(NULL AS {_SQL[kind]}) AS {name}")
        else:
            found.append(name if known[name] == kind else f"CAST({name} AS {_SQL[kind]}) AS {name}")
    return ", ".join(found)


def _joined(raw: str, norms: Sequence[str]) -> str:
    """As `headwater.store.joined`, in SQL: ``|g|^2 = sum_r |g_r|^2 / c``, and nothing where a rank is missing."""
    path = "CASE WHEN layer = '' THEN parameter ELSE layer || '.' || parameter END"
    whole = ", ".join(
        f"CASE WHEN count({name}) = $ranks THEN sqrt(sum({name} * {name} / c)) END AS {name}" for name in norms
    )
    totals = (
        ", totals AS (SELECT step, track, bool_or(part) AS of_parts, "
        "CASE WHEN bool_or(n <> $ranks OR g IS NULL) THEN NULL ELSE sqrt(sum(g * g)) END AS total FROM ("
        "SELECT step, track, true AS part, n, grad_norm AS g FROM whole UNION ALL "
        "SELECT step, track, false, $ranks, grad_norm FROM one WHERE parameter IS NOT NULL) GROUP BY step, track)"
    )
    network = (
        "SELECT one.* REPLACE (CASE WHEN layer = '' AND parameter IS NULL AND of_parts THEN total ELSE grad_norm END "
        "AS grad_norm) FROM one LEFT JOIN totals USING (step, track)"
    )
    has_gradients = "grad_norm" in norms
    return (
        f"WITH raw AS ({raw}), copies AS (SELECT unnest($sharded) AS name, unnest($copies) AS c), "
        f"parted AS (SELECT raw.*, c FROM raw LEFT JOIN copies ON copies.name = {path}), "
        f"whole AS (SELECT step, track, layer, parameter, count(*) AS n{', ' if whole else ''}{whole} FROM parted "
        "WHERE c IS NOT NULL GROUP BY step, track, layer, parameter), "
        "one AS (SELECT * EXCLUDE (c) FROM parted WHERE c IS NULL AND rank = (SELECT min(rank) FROM raw))"
        f"{totals if has_gradients else ''} "
        f"{network if has_gradients else 'SELECT * FROM one'} UNION ALL BY NAME "
        "SELECT * EXCLUDE (n) FROM whole WHERE n = $ranks"
    )
