"""Deletes old runs."""

from __future__ import annotations

import datetime
from pathlib import Path

from headwater.errors import InputError, StoreError
from headwater.store.files import Files
from headwater.store.reader import list_runs, open_run


def prune(root: str | Path, *, keep: int | None = None, older_than_days: float | None = None) -> list[str]:
    """Deletes whole runs that have ended, never one that is running, and returns their names.

    Args:
        root: the folder of the runs.
        keep: the newest so many stay.
        older_than_days: only runs that began so long ago are deleted.

    Raises:
        InputError: neither was given, or one is negative.
        StoreError: something cannot be deleted.
    """
    if keep is None and older_than_days is None:
        raise InputError("Expected keep or older_than_days: without either every run would be deleted.")
    if (keep or 0) < 0 or (older_than_days or 0) < 0:
        raise InputError(f"Expected numbers of at least 0, got keep={keep!r}, older_than_days={older_than_days!r}.")
    ended: list[tuple[str, str]] = []
    for name in list_runs(root):
        try:
            run = open_run(f"{Files(root).root}/{name}" if Files(root).is_local else f"{root}/{name}")
        except StoreError:
            continue  # not ours to delete
        if run.info.status != "running" or run.orphaned:
            ended.append((run.info.started, name))
    ended.sort(reverse=True)
    candidates = ended[keep:] if keep is not None else ended
    if older_than_days is not None:
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=older_than_days)
        candidates = [each for each in candidates if _before(each[0], limit)]
    files = Files(root)
    for _, name in candidates:
        files.delete(name)
    return [name for _, name in candidates]


def _before(started: str, limit: datetime.datetime) -> bool:
    try:
        return datetime.datetime.fromisoformat(started) < limit
    except ValueError:
        return False
