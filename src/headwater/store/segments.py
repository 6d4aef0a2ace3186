"""Rows as Parquet: the one schema of all segments, their names, and how several become one."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from headwater.records import FLAGS, KEYS, STATISTICS
from headwater.store.arrow import Table, pa, pc, pq

FOLDER, REPORTS, SOURCES = "segments", "reports", "sources"
"""Folders of a run: rows, the report of each optimizer where there are several, and the user's files as they were."""
MOST_STEPS = 1 << 53
"""Numbers from here on are no whole numbers in a browser; a step that is so large is none."""
Columns = Mapping[str, Sequence[Any]]
"""Values by column, all of one length; columns that are left out are empty."""

_STRINGS = ("track", "layer", "parameter")
SCHEMA = pa.schema(
    [(key, pa.string() if key in _STRINGS else pa.int64()) for key in KEYS]
    + [(name, pa.float64()) for name in STATISTICS]
    + [(name, pa.bool_()) for name in FLAGS]
)
_NAME = re.compile(r"rank(\d+)-(\d{8})(?:-(\d{8}))?\.parquet")


@dataclass(frozen=True, order=True)
class Segment:
    """A file of rows: of which rank, and which numbers of flushes went into it."""

    rank: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Its path inside the run."""
        numbers = f"{self.first:08}" if self.first == self.last else f"{self.first:08}-{self.last:08}"
        return f"{FOLDER}/rank{self.rank}-{numbers}.parquet"


def valid(names: Iterable[str]) -> list[Segment]:
    """Returns the segments among file names that count: those whose range lies inside another's do not."""
    found = [
        Segment(int(match[1]), int(match[2]), int(match[3] or match[2]))
        for name in names
        if (match := _NAME.fullmatch(name))
    ]
    return sorted(each for each in found if not any(_inside(each, other) for other in found))


def covered(names: Iterable[str]) -> list[Segment]:
    """Returns those that another one replaces."""
    every = set(valid(names))
    found = [Segment(int(m[1]), int(m[2]), int(m[3] or m[2])) for name in names if (m := _NAME.fullmatch(name))]
    return [each for each in found if each not in every]


def _inside(one: Segment, other: Segment) -> bool:
    return one != other and one.rank == other.rank and other.first <= one.first and one.last <= other.last


def table(columns: Columns, rank: int) -> Table:
    """Puts columns into the form of the schema."""
    length = len(columns["step"])
    arrays: list[Any] = []
    for field in SCHEMA:
        if field.name == "rank":
            arrays.append(pa.array([rank] * length, field.type))
        elif field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))  # a NaN stays one: nothing is empty by it
        else:
            arrays.append(pa.nulls(length, field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def chained(parts: Sequence[Columns]) -> Columns:
    """Puts columns one after the other; what one part lacks is empty there."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: list(chain.from_iterable(part[name] if name in part else [None] * len(part["step"]) for part in parts))
        for name in names
    }


def encoded(rows: Table) -> bytes:
    """The bytes of a Parquet file. What hardly ever repeats gets no dictionary: that takes a quarter of the time."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd", use_dictionary=[*_STRINGS, "step", "learning_rate"])
    return buffer.getvalue()


def decoded(data: bytes, columns: Sequence[str] | None = None, where: Any = None) -> Table:
    """Reads such a file; columns that it lacks, written by an older version, are empty.

    Raises:
        ValueError: these bytes are none (`pyarrow.ArrowInvalid` is one), or hold other things.
    """
    wanted = list(SCHEMA.names if columns is None else columns)
    file = pq.ParquetFile(io.BytesIO(data))
    known = [name for name in wanted if name in file.schema_arrow.names]
    if "step" not in file.schema_arrow.names:
        raise ValueError("it has no column of steps")
    filters = sorted({name for name in KEYS if name in file.schema_arrow.names} | set(known))
    found = file.read(columns=filters)
    if where is not None:
        found = found.filter(where)
    arrays = [
        found[name].cast(SCHEMA.field(name).type)
        if name in found.column_names
        else pa.nulls(len(found), SCHEMA.field(name).type)
        for name in wanted
    ]
    return pa.Table.from_arrays(arrays, names=wanted)


def thinned(rows: Table, every: int) -> Table:
    """Keeps one step in so many; rows of probes stay."""
    kept = pc.equal(pc.subtract(rows["step"], pc.multiply(pc.divide(rows["step"], every), every)), 0)
    return rows.filter(pc.or_(kept, pc.fill_null(rows["probe"], False)))
