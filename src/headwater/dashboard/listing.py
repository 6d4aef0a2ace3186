"""The list of runs: each in a few words, searched and cut here and not in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from headwater.dashboard.shelf import NoSuchRunError, Shelf
from headwater.errors import HeadwaterError, StoreError
from headwater.records import gravity
from headwater.report import Report
from headwater.report.verdict import verdict
from headwater.store import StoredRun
from headwater.store.rows.parts import parts

MOST = 500
_LETTERS = 300
"""Of a string that a run brings, in the list."""


def listing(shelf: Shelf, search: str = "", limit: int = 200, offset: int = 0) -> dict[str, Any]:
    """Returns the runs, the newest first.

    Args:
        shelf: where they lie.
        search: words, all of which must be in a run's name, models, optimizers, command, host, commit, status or
            verdict.
        limit: so many at most; `total` says how many there are.
        offset: so many of them are left out first.
    """
    found = [_opened(shelf, name) for name in shelf.names()]
    words = search.lower().split()
    kept = [(run, brief) for run, brief in found if brief and _matches(run, brief, words)]
    kept.sort(key=lambda each: (str(each[1]["started"]), each[1]["id"]), reverse=True)
    offset, limit = max(0, offset), max(0, min(limit, MOST))
    shown = [brief | _judged(run) for run, brief in kept[offset : offset + limit]]
    return {"root": str(shelf.root).encode(errors="replace").decode(), "total": len(kept), "runs": shown}


def brief(name: str, run: StoredRun) -> dict[str, Any]:
    """What a run is, without its rows and its verdict."""
    info = run.info
    return {
        "id": name,
        "name": info.name[:_LETTERS] or name,
        "status": status(run),
        "live": info.status == "running" and not run.orphaned,
        "started": info.started[:_LETTERS],
        "ended": None if info.ended is None else info.ended[:_LETTERS],
        "steps": info.steps,
        "models": [{"name": m.name, "kind": m.kind, "parameters": m.parameters} for m in info.models[:20]],
        "optimizers": dict(list(info.optimizers.items())[:20]),
        "verdict": None,
        "notes": run.notes,
    }


def status(run: StoredRun) -> str:
    """How the run ended, or that it goes on."""
    return "not closed" if run.orphaned else run.info.status


def steps(run: StoredRun) -> int:
    """Optimizer steps: those that were counted, or those that are on disk of a run that is under way."""
    return run.info.steps or max((part.last + 1 for part in parts(run)), default=0)


def reports(run: StoredRun) -> list[Report]:
    """The newest diagnosis of each optimizer, the worst first; one that cannot be read is said and left out."""
    try:
        texts: Sequence[str] = run.report_texts()
    except StoreError as error:
        run.note(f"The diagnosis cannot be read: {str(error)[:_LETTERS]}")
        return []
    found: list[Report] = []
    for text in texts:
        report = _parsed(text)
        if isinstance(report, Report):
            found.append(report)
        else:
            run.note(f"A diagnosis cannot be read and is left out: {report}")
    return sorted(found, key=lambda report: gravity(report.findings))


@lru_cache(maxsize=3)
def _parsed(text: str) -> Report | str:
    """A report, or why it is none."""
    try:
        return Report.from_json(text)
    except (HeadwaterError, ValueError, RecursionError, OverflowError) as error:
        return str(error)[:_LETTERS]


def _opened(shelf: Shelf, name: str) -> tuple[StoredRun | None, dict[str, Any]]:
    """The run with its brief; one that cannot be read is shown with the reason, one that is gone is not."""
    try:
        run = shelf.open(name)
        return run, brief(name, run)
    except NoSuchRunError:
        return None, {}
    except StoreError as error:
        unreadable = {"id": name, "name": name, "status": "unreadable", "live": False, "started": "", "ended": None}
        nothing: dict[str, Any] = {"steps": 0, "models": [], "optimizers": {}, "verdict": None}
        return None, unreadable | nothing | {"notes": [str(error)[:_LETTERS]]}


def _matches(run: StoredRun | None, brief: dict[str, Any], words: Sequence[str]) -> bool:
    """Whether it has all words. A verdict, which takes reading a file, is looked at for what stands nowhere else."""
    text = _text(run, brief)
    left = [word for word in words if word not in text]
    if not left or run is None:
        return not left
    told = (_told(run) or {}).get("headline", "").lower()
    return all(word in told for word in left)


def _text(run: StoredRun | None, brief: dict[str, Any]) -> str:
    models = [word for model in brief["models"] for word in (model["name"], model["kind"])]
    parts_ = [brief["id"], brief["name"], brief["status"], *models, *brief["optimizers"].values()]
    if run is not None:
        parts_ += [*run.info.command, run.info.host, run.info.git_commit or ""]
    return "\n".join(map(str, parts_)).lower()


def _judged(run: StoredRun | None) -> dict[str, Any]:
    """What takes reading a run's files to know."""
    if run is None:
        return {}
    try:
        counted = steps(run)
    except StoreError as error:
        run.note(str(error)[:_LETTERS])
        counted = 0
    return {"steps": counted, "verdict": _told(run), "notes": run.notes}


def _told(run: StoredRun) -> dict[str, str] | None:
    """Tone and headline of its verdict; ``None`` where there is none yet, or it is being replaced or deleted."""
    path = Path(run.files.path("report.json"))
    try:
        found = path.stat()
        return _verdict(path, (found.st_mtime_ns, found.st_size, found.st_ino))
    except OSError:
        return None


@lru_cache(maxsize=2048)
def _verdict(path: Path, stamp: tuple[int, int, int]) -> dict[str, str] | None:
    """Of one version of a report."""
    report = _parsed(path.read_text(encoding="utf-8", errors="replace"))
    if not isinstance(report, Report):
        return None
    told = verdict(report)
    return {"tone": told.tone, "headline": told.headline}
