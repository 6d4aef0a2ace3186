"""The page that is served, and what it draws: `headwater.report.page`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.report import Report
from headwater.report.verdict import verdict
from headwater.store import StoredRun

# A stand-in with the names of `headwater.report.page`, until that is there.
ASSETS = ("index.html",)


def asset(name: str) -> bytes:
    """A file of the page."""
    assert name in ASSETS
    return b"<!doctype html><title>Headwater</title><p>The page is not built yet; the data are under /api/runs."


def overview(reports: Sequence[Report], run: StoredRun | None = None) -> dict[str, Any]:
    """What is drawn of a run."""
    told = verdict(reports[0]) if reports else None
    return {"verdict": None if told is None else {"tone": told.tone, "headline": told.headline}}
