"""The segments of a run that can be queried: those that are what they should be, and lie where they should."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from headwater.errors import StoreError
from headwater.records import STATISTICS
from headwater.store.arrow import pa, pq
from headwater.store.reader import StoredRun
from headwater.store.segments import FOLDER, MOST_STEPS, SCHEMA, valid

LARGE = 100_000
"""Rows of a segment from which on what it says is kept."""


@dataclass(frozen=True)
class Part:
    """A segment.

    Attributes:
        path: of the file.
        stamp: time, size and number of the file: another file has another one.
        rank: that wrote it.
        rows: how many it says it has.
        first, last: steps between which its own lie.
        columns: those of ours that it has values in, with the names of their types.
    """

    path: str
    stamp: tuple[int, int, int]
    rank: int
    rows: int
    first: int
    last: int
    columns: tuple[tuple[str, str], ...]

    def rows_between(self, first: int, last: int) -> float:
        """About how many of its rows have such a step."""
        share = (min(last, self.last) - max(first, self.first) + 1) / (self.last - self.first + 1)
        return self.rows * max(0.0, share)


def parts(run: StoredRun) -> list[Part]:
    """Returns the segments of a run in the order of their writing; what is left out is said in its notes.

    Raises:
        StoreError: the run is not in a local folder.
    """
    if not run.files.is_local:
        raise StoreError(
            f"Pictures of rows are drawn of runs in a local folder, and {run.files.root} is none. Copy it."
        )
    found, gone = _looked_at(run)
    if gone:  # a running training joins segments: what is gone now is part of another one
        found, _ = _looked_at(run)
    if not run.info.sharded:
        found = [part for part in found if part.rank == min(each.rank for each in found)]
    return found


def units(found: Sequence[Part], *, joined: bool) -> list[tuple[Part, ...]]:
    """What is asked in one query: a large segment for itself, so that its answer can be kept; all small ones together.

    Where ranks are joined it is all at once.
    """
    if joined:
        return [tuple(found)]
    small = tuple(part for part in found if part.rows < LARGE)
    return [(part,) for part in found if part.rows >= LARGE] + ([small] if small else [])


def is_kept(unit: Sequence[Part]) -> bool:
    """Whether an answer to it is worth keeping."""
    return sum(part.rows for part in unit) >= LARGE


def _looked_at(run: StoredRun) -> tuple[list[Part], bool]:
    found: list[Part] = []
    gone = False
    for segment in valid(run.files.names(FOLDER)):
        path = run.files.path(segment.name)
        try:
            if not _inside(path, run.files.root):
                raise ValueError("it is a link that leads out of the run")
            status = os.stat(path)
            part = _part(path, (status.st_mtime_ns, status.st_size, status.st_ino), segment.rank)
        except FileNotFoundError:
            gone = True
            continue
        except (ValueError, OSError, MemoryError, KeyError, NotImplementedError, pa.ArrowException) as error:
            said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            run.note(f"{segment.name} cannot be read and is left out: {said}")
            continue
        if part.rows:
            found.append(part)
    return found, gone


def _inside(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


@lru_cache(maxsize=4096)
def _part(path: str, stamp: tuple[int, int, int], rank: int) -> Part:
    metadata = pq.read_metadata(path)
    columns = _columns(metadata.schema.to_arrow_schema())
    empty = _empty(metadata)
    first, last = _steps(metadata)
    found = tuple(column for column in columns if column[0] not in empty)
    return Part(path, stamp, rank, int(metadata.num_rows), first, last, found)


def _columns(schema: Any) -> tuple[tuple[str, str], ...]:
    names: list[str] = list(schema.names)
    known = [(name, str(schema.field(name).type)) for name in SCHEMA.names if names.count(name) == 1]
    for name, kind in known:
        if kind not in _ACCEPTED[str(SCHEMA.field(name).type)]:
            raise ValueError(f"its column {name} holds {kind} and not {SCHEMA.field(name).type}")
    if missing := [name for name in ("step", "layer", "parameter") if name not in dict(known)]:
        raise ValueError(f"it has no column {missing[0]}")
    return tuple(known)


_ACCEPTED = {
    "int64": ("int64", "int32"),
    "string": ("string", "large_string", "dictionary<values=string, indices=int32, ordered=0>"),
    "double": ("double", "float"),
    "bool": ("bool",),
}


def _empty(metadata: Any) -> set[str]:
    """Statistics without any value, as the file says: to read ten million times nothing takes time, too."""
    found = set(STATISTICS)
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        for j in range(metadata.num_columns):
            column = group.column(j)
            nothing = column.statistics is not None and column.statistics.null_count == group.num_rows
            if not nothing:
                found.discard(column.path_in_schema)
    return found


def _steps(metadata: Any) -> tuple[int, int]:
    """First and last step, as the file says."""
    lows: list[int] = []
    highs: list[int] = []
    place = [metadata.schema.column(i).path for i in range(metadata.num_columns)].index("step")
    for i in range(metadata.num_row_groups):
        statistics = metadata.row_group(i).column(place).statistics
        if statistics is None or not statistics.has_min_max or statistics.null_count:
            raise ValueError("it does not say which steps it holds, or has rows without one")
        lows.append(statistics.min)
        highs.append(statistics.max)
    first, last = min(lows, default=0), max(highs, default=0)
    if not 0 <= first <= last < MOST_STEPS:
        raise ValueError(f"its steps go from {first} to {last}")
    return first, last
