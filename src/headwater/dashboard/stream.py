"""What changes in a run while somebody looks on, as server-sent events."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from headwater.dashboard.listing import brief, steps
from headwater.dashboard.shelf import NoSuchRunError, Shelf
from headwater.errors import StoreError
from headwater.store.following import follow

POLL, IDLE_POLL, BEAT = 0.25, 2.0, 15.0
"""Seconds between two looks at a run that is under way, and at one that has ended; and seconds after which something is
sent in any case, without which a closed window would not be noticed."""


Stamp = tuple[int, int, int]
"""Time, size and number of a file: two writes within one tick of the clock differ in the others."""


@dataclass(frozen=True)
class _Seen:
    """State of a run's files."""

    rows: str = ""
    report: str = ""
    events: str = ""
    info: str = ""
    live: bool = False
    odd: str = ""


def mark(folder: Path) -> str:
    """What was seen of a run, in a word: news since then are told, and nothing that was known."""
    seen = _seen(folder)
    return ".".join((seen.rows, seen.report, seen.events))


async def changes(shelf: Shelf, name: str, since: str = "") -> AsyncGenerator[str]:
    """Yields an event for each change, one at once, until the run is gone.

    Args:
        shelf: where the run lies.
        name: of the run.
        since: the `mark` of what is known already; empty: nothing is.
    """
    seen = _Seen()
    if since.count(".") == 2:  # else it is no mark, and nothing is known
        rows, report, events = since.split(".")
        seen = _Seen(rows, report, events)
    spoke = -BEAT
    while True:
        now, said = await to_thread.run_sync(_look, shelf, name, seen)
        if said is not None or time.monotonic() - spoke > BEAT:
            spoke = time.monotonic()
            yield said or ": still here\n\n"
        if now is None:
            return
        seen = now
        await anyio.sleep(POLL if now.live else IDLE_POLL)


def _look(shelf: Shelf, name: str, before: _Seen) -> tuple[_Seen | None, str | None]:
    """What is there now, ``None`` when it is gone; and the event that tells it, when it is something else."""
    try:
        folder = shelf.folder(name)
        run = shelf.open(name)
        told = brief(name, run)
        now = replace(_seen(folder), live=told["live"])
        if now.live:
            follow(folder)
        if now == before:
            return now, None
        last = steps(run) - 1
    except NoSuchRunError:
        gone = {"last_step": None, "status": "deleted", "rows": False, "report": False, "events": False}
        return None, _event(gone)
    except StoreError as error:  # half-written, or a file that is none of ours: it may become one
        now, told, last = _Seen(odd=str(error)), {"status": "unreadable"}, None
        if now == before:
            return now, None
    changed = {name: getattr(now, name) != getattr(before, name) for name in ("rows", "report", "events")}
    return now, _event({"last_step": last, "status": told["status"], **changed})


def _event(data: dict[str, Any]) -> str:
    return f"event: changed\ndata: {json.dumps(data)}\n\n"


def _seen(folder: Path) -> _Seen:
    return _Seen(
        rows=_word(_listed(folder / "segments")),
        report=_word((*_listed(folder / "reports"), _stamp(folder / "report.json"), _stamp(folder / "fix.json"))),
        events=_word(_stamp(folder / "findings.jsonl")),
        info=_word(_stamp(folder / "run.json")),
    )


def _word(found: tuple[Any, ...]) -> str:
    return hashlib.sha256(repr(found).encode(errors="replace")).hexdigest()[:16]


def _listed(folder: Path) -> tuple[tuple[str, Stamp], ...]:
    try:
        with os.scandir(folder) as entries:
            named = [(each.name, each.path) for each in entries if not each.name.startswith(".")]
    except OSError:
        return ()
    return tuple(sorted((name, _stamp(Path(path))) for name, path in named))


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
