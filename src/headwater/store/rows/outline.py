"""What a run's rows are about: its optimizers, its layers in order, its first and last step."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from headwater.errors import StoreError
from headwater.store.reader import StoredRun
from headwater.store.rows.cache import CACHE
from headwater.store.rows.parts import Part, is_kept, parts, units
from headwater.store.rows.relation import Relation, relation

T = TypeVar("T")

MOST_LAYERS, LONGEST = 20_000, 500
"""Layers that are shown, and letters of a name. Real networks have fewer; a file that has more is not one of ours."""
_SAMPLE, _FIRST_ROWS = 50_000, 200_000
"""Rows that are looked at for names."""


@dataclass(frozen=True)
class Outline:
    """What rows there are.

    Attributes:
        parts: segments that can be read.
        tracks: names of the optimizers.
        layers: paths, input to output as far as it is known.
        weighted: those with rows of their own parameters.
        probed: those with rows of itemised steps.
        first_step, last_step: ``None`` where there are no rows.
    """

    parts: tuple[Part, ...] = ()
    tracks: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    weighted: frozenset[str] = frozenset()
    probed: frozenset[str] = frozenset()
    first_step: int | None = None
    last_step: int | None = None


def outline(run: StoredRun) -> Outline:
    """Looks through a run.

    Raises:
        MissingDependencyError: DuckDB is not installed.
        StoreError: the rows cannot be read.
    """
    return steadily(lambda: _outline(run))


def _outline(run: StoredRun) -> Outline:
    found = tuple(parts(run))
    if not found:
        return Outline(tracks=tuple(run.info.optimizers))
    told, left_out = _told(folder(run), found)
    if left_out:
        run.note("Layers with names that are too long, or more of them than can be shown, are left out.")
    return told


@lru_cache(maxsize=16)
def _told(root: str, found: tuple[Part, ...]) -> tuple[Outline, bool]:
    """What these segments say, and whether something of it is left out."""
    tracks: dict[str, None] = {}
    names: dict[str, None] = {}
    for unit in units(found, joined=False):
        some = _named(root, unit)
        tracks |= dict.fromkeys(some[0])
        names |= dict.fromkeys(some[1])
    weighted, probed = _orders(relation(root, found[:1], ["probe"], numbered=True), found[0])
    kept = [name for name in names if len(name) <= LONGEST and (name or name in weighted or name in probed)]
    layers = _in_order(probed, weighted, kept)[:MOST_LAYERS]
    known = set(layers)
    told = Outline(
        found,
        tuple(sorted(name for name in tracks if len(name) <= LONGEST)),
        tuple(layers),
        frozenset(weighted) & known,
        frozenset(probed) & known,
        min(part.first for part in found),
        max(part.last for part in found),
    )
    return told, len(kept) < len(names) - 1 or len(kept) > MOST_LAYERS


def steadily(ask: Callable[[], T]) -> T:
    """Asks again where the first answer failed: a training joins segments, and a file may go while it is read."""
    try:
        return ask()
    except StoreError:
        return ask()


def folder(run: StoredRun) -> str:
    """The folder in which queries may read."""
    return os.path.dirname(os.path.realpath(run.files.root))


def _named(root: str, unit: Sequence[Part]) -> tuple[list[str], list[str]]:
    """Names of optimizers and of layers.

    Of a large segment its first and last rows are looked at: who joins a training stays, and all rows repeat the names.
    """
    where = ""
    if is_kept(unit):
        (part,) = unit
        share = math.ceil((part.last - part.first + 1) * min(1.0, _SAMPLE / part.rows))
        where = f"WHERE step < {part.first + share} OR step > {part.last - share}"

    def ask() -> dict[str, Any]:
        return relation(root, unit, []).ask(f"SELECT DISTINCT track, layer FROM {{rows}} {where}")

    found = CACHE.get(("names", *unit), ask) if is_kept(unit) else ask()
    tracks, layers = ([name for name in found[key].tolist() if isinstance(name, str)] for key in ("track", "layer"))
    return tracks, layers


def _orders(rows: Relation, part: Part) -> tuple[list[str], list[str]]:
    """Layers in the order of their rows at the first step with figures, and at the first itemised one."""

    def ask() -> dict[str, Any]:
        until = f"(SELECT min(step) FROM {{rows}} WHERE probe AND file_row_number < {_FIRST_ROWS})"
        return rows.ask(
            f"SELECT layer, parameter IS NULL AS whole, coalesce(probe, false) AS probe FROM {{rows}} "
            f"WHERE file_row_number < {_FIRST_ROWS} AND step IN ({part.first}, {until}) ORDER BY file_row_number"
        )

    found = CACHE.get(("orders", part), ask)
    named = list(zip(found["layer"].tolist(), found["whole"].tolist(), found["probe"].tolist(), strict=True))
    weighted = dict.fromkeys(name for name, whole, _ in named if not whole and isinstance(name, str))
    probed = dict.fromkeys(name for name, whole, probe in named if whole and probe and isinstance(name, str))
    return list(weighted), list(probed)


def _in_order(probed: Iterable[str], weighted: Iterable[str], names: Sequence[str]) -> list[str]:
    """Layers as the network runs them; others, which it was not seen to run, behind the one that was built before."""
    run, known = set(probed), set(names)
    behind: dict[str | None, list[str]] = {None: []}
    before: str | None = None
    for name in weighted:
        if name in run:
            before = name
        else:
            behind.setdefault(before, []).append(name)
    order = behind[None] + [name for each in probed for name in (each, *behind.get(each, ()))]
    seen = set(order)
    rest = sorted((name for name in names if name not in seen), key=_natural)
    return [name for name in (*order, *rest) if name in known]


def _natural(name: str) -> list[tuple[str, int]]:
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d{0,9})", name)]
