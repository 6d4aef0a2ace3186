"""Few large segments in place of many small ones, while a run goes on.

Segments are joined in tiers: `FAN` neighbours with as many flushes in each become one of the next tier. So each row is
written again once for each tier, and after n flushes there are at most ``FAN log(n) / log(FAN)`` files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headwater.store.arrow import Table, pa
from headwater.store.files import Files
from headwater.store.segments import FOLDER, Segment, covered, decoded, encoded, valid

FAN = 32
JOINED = 1 << 26
"""Bytes up to which segments are joined."""


def merge_once(files: Files, rank: int, known: Mapping[str, Table]) -> bool:
    """Joins some neighbours of a rank if there are enough of them; whether it did.

    Args:
        files: of the run.
        rank: whose segments.
        known: the rows of some of them, which then need not be read.

    Raises:
        StoreError, ValueError: one cannot be read, or the whole cannot be written; all stays as it was.
    """
    own = [each for each in valid(files.names(FOLDER)) if each.rank == rank]
    group = _group(own)
    if not group or sum(files.size(each.name) for each in group) > JOINED:
        return False
    join(files, group, known)
    return True


def join(files: Files, group: Sequence[Segment], known: Mapping[str, Table]) -> None:
    """Writes neighbours as one, then deletes what went into it: at no moment a reader finds something twice."""
    whole = Segment(group[0].rank, group[0].first, group[-1].last)
    rows = pa.concat_tables(
        known[part.name] if part.name in known else decoded(files.read(part.name)) for part in group
    )
    files.write(whole.name, encoded(rows))
    sweep(files, whole.rank)


def sweep(files: Files, rank: int) -> None:
    """Deletes segments of a rank that another one replaces."""
    for part in covered(files.names(FOLDER)):
        if part.rank == rank:
            files.delete(part.name)


def _group(own: Sequence[Segment]) -> list[Segment]:
    """The first `FAN` neighbours of one tier."""
    found: list[Segment] = []
    for each in own:
        if found and (_tier(each) != _tier(found[0]) or each.first != found[-1].last + 1):
            found = []
        found.append(each)
        if len(found) == FAN:
            return found
    return []


def _tier(segment: Segment) -> int:
    tier, flushes = 0, segment.last - segment.first + 1
    while flushes >= FAN:
        tier, flushes = tier + 1, flushes // FAN
    return tier
