"""Whole pages: of reports, of a run, of a search for a fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import InputError
from headwater.records import FixRecord, RangeTest
from headwater.report.fix import json
from headwater.report.page.document import document
from headwater.report.page.history import history_of
from headwater.report.page.overview import overview
from headwater.report.paths import writable

if TYPE_CHECKING:
    from headwater.report.report import Report
    from headwater.store import StoredRun

FIX = "fix.json"
"""Where a run keeps the search for a fix of its training."""


def render(
    *reports: Report,
    run: StoredRun | None = None,
    fix: FixRecord | None = None,
    range_test: RangeTest | None = None,
    titles: Sequence[str] | None = None,
    texts: Mapping[str, str] | None = None,
) -> str:
    """Returns the page of reports, the worst first, with the history of the run that they are about.

    Args as those of `overview`; a run brings the search for a fix that it holds.
    """
    if run is None:
        return document(overview(reports, None, fix, range_test, titles=titles, texts=texts))
    history, series = history_of(run)
    drawn = overview(reports, run, fix or fix_of_run(run), range_test, titles=titles, texts=texts)
    return document(drawn, history, series)


def save(
    reports: Sequence[Report],
    path: str | Path,
    *,
    run: StoredRun | None = None,
    fix: FixRecord | None = None,
    range_test: RangeTest | None = None,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Writes the page and returns its path.

    Raises:
        InputError: the folder does not exist, or nothing can be written there.
    """
    path = writable(Path(path))
    path.write_text(render(*reports, run=run, fix=fix, range_test=range_test, texts=texts), encoding="utf-8")
    return path


def fix_of_run(run: StoredRun) -> FixRecord | None:
    """The search for a fix that stands in a run's folder; ``None`` where there is none, or it cannot be read."""
    if not run.files.exists(FIX):
        return None
    try:
        return json.parse(run.files.read(FIX).decode(errors="replace"))
    except InputError as error:
        run.notes.append(f"{FIX} cannot be read and is left out: {str(error).splitlines()[0][:200]}")
        return None
