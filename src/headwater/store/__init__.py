"""Runs on disk: written whole piece by piece, and read whatever became of them. Needs no torch."""

from headwater.store.reader import StoredEvent, StoredRun, list_runs, open_run
from headwater.store.retention import prune
from headwater.store.writer import RunWriter, free_name

__all__ = ["RunWriter", "StoredEvent", "StoredRun", "free_name", "list_runs", "open_run", "prune"]
