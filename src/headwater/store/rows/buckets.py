"""Steps in buckets, and values in few digits: what history and series have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from headwater.errors import InputError
from headwater.records.numbers import in_json
from headwater.store.rows.outline import Outline

DIRECT = 500_000
"""Rows up to which a look goes to the files. Beyond it is answered from buckets that are kept."""
_DIGITS = 5
_np: Any = np
"""Without its types, which say of sums and products of arrays that they may be anything."""


def stride(first: int, last: int, most: int) -> int:
    """Steps in a bucket, a power of two, so that there are at most so many of them: ``2^k >= n / most``."""
    return 1 << (max(1, -(-(last - first + 1) // most)) - 1).bit_length()


def span(found: Outline, first: int | None, last: int | None) -> tuple[int, int]:
    """The steps that are looked at, inside those that there are."""
    low, high = found.first_step or 0, found.last_step or 0
    low = low if first is None else min(max(low, first), high)
    return low, max(low, high if last is None else min(high, last))


def track_of(found: Outline, track: str) -> str:
    """The optimizer that is meant: an empty name is the only one, or the first of several.

    Raises:
        InputError: there is none of this name.
    """
    if track in found.tracks or not found.tracks:
        return track
    if not track:
        return found.tracks[0]
    raise InputError(f"No optimizer of this run is named {track!r}. There are: {', '.join(map(repr, found.tracks))}.")


def known(statistic: str, names: Any) -> str:
    """The statistic, if there is such a one: names stand in statements.

    Raises:
        InputError: there is none.
    """
    if statistic not in names:
        raise InputError(f"No statistic is named {statistic[:80]!r}. There are: {', '.join(names)}.")
    return statistic


def is_small(found: Outline, first: int, last: int) -> bool:
    """Whether so few rows lie between two steps that they are read anew."""
    return sum(part.rows_between(first, last) for part in found.parts) <= DIRECT


def words(values: Any, present: Any) -> list[Any]:
    """Numbers as JSON has them, in few digits; ``None`` where nothing is present."""
    with _np.errstate(all="ignore"):
        scale = 10.0 ** (_DIGITS - 1 - _np.floor(_np.log10(_np.abs(values))))
        short = _np.where(values == 0, 0.0, _np.round(values * scale) / scale)
    plain = _np.isfinite(short) & present
    told: list[Any] = _np.where(plain, short, 0.0).tolist()
    for i in _np.flatnonzero(~plain).tolist():
        told[i] = in_json(float(values[i])) if present[i] else None
    return told
