"""What changes in a run while somebody looks on, as server-sent events."""

from __future__ import annotations

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


@dataclass(frozen=True)
class _Seen:
    """State of a run's files."""

    rows: tuple[tuple[str, int], ...] = ()
    report: tuple[tuple[str, int], ...] = ()
    events: int = 0
    info: int = 0
    live: bool = False
    odd: str = ""


async def changes(shelf: Shelf, name: str) -> AsyncGenerator[str]:
    """Yields an event for each change, one at once, until the run is gone."""
    seen = _Seen()
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
    reports = _listed(folder / "reports")
    return _Seen(
        rows=_listed(folder / "segments"),
        report=(*reports, ("report.json", _time(folder / "report.json"))),
        events=_time(folder / "findings.jsonl"),
        info=_time(folder / "run.json"),
    )


def _listed(folder: Path) -> tuple[tuple[str, int], ...]:
    try:
        with os.scandir(folder) as entries:
            named = [(each.name, each.path) for each in entries if not each.name.startswith(".")]
    except OSError:
        return ()
    return tuple(sorted((name, _time(Path(path))) for name, path in named))


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
