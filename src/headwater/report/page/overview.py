"""All that the page draws, but what was recorded step by step: records in, plain data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headwater.records import FixRecord, RangeTest
from headwater.report import words
from headwater.report.lines import source_of, texts_now
from headwater.report.page.flow import flow_of, layers_of, magnitudes_of, units_of
from headwater.report.page.found import findings_of, verdict_of
from headwater.report.page.measured import facts_of, range_of, rate_of, time_of
from headwater.report.page.plain import plain
from headwater.report.page.recorded import events_of, run_of
from headwater.report.page.statistics import statistics
from headwater.report.page.tried import fix_of

if TYPE_CHECKING:
    from headwater.report.report import Report
    from headwater.store import StoredRun


def overview(
    reports: Sequence[Report],
    run: StoredRun | None = None,
    fix: FixRecord | None = None,
    range_test: RangeTest | None = None,
    *,
    titles: Sequence[str] | None = None,
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns what the page draws, in the types of JSON (`plain`).

    Args:
        reports: the worst first; one for each optimizer, or for each network that is compared.
        run: the training that they are about.
        fix: a search for a fix.
        range_test: the learning-rate range test.
        titles: a name for each report; ``None``: what was diagnosed.
        texts: the source files as they were, by name. ``None``: of a run those that it holds, and no file of this
            machine, which its report might name; of a live report as Python would show them in a traceback now.
    """
    if texts is None:
        texts = texts_now([report.measurement for report in reports]) if run is None else run.sources()
    named = list(titles) if titles is not None else [words.subject(report.measurement) for report in reports]
    drawn = {
        "title": named[0] if named else words.printable(run.info.name) if run is not None else "fix",
        "reports": [_report(report, title, texts) for report, title in zip(reports, _unique(named), strict=True)],
        "run": run_of(run),
        "notes": run.notes if run is not None else [],
        "events": events_of(run),
        "fix": fix_of(fix),
        "fix_findings": findings_of(fix.findings) if fix is not None else [],
        "range_test": range_of(range_test),
        "statistics": statistics(),
        "versions": _versions(reports, fix),
    }
    return plain(drawn)


def _report(report: Report, title: str, texts: Mapping[str, str]) -> dict[str, Any]:
    measurement = report.measurement
    return {
        "title": title,
        "track": measurement.track or "",
        "watched": measurement.track is not None,
        "verdict": verdict_of(report),
        "facts": facts_of(measurement),
        "findings": findings_of(report.findings),
        "flow": flow_of(measurement),
        "layers": layers_of(measurement),
        "units": units_of(measurement),
        "magnitudes": magnitudes_of(measurement),
        "source": source_of(measurement, texts),
        "time": time_of(report),
        "rate": rate_of(measurement.rate),
    }


def _unique(names: Sequence[str]) -> list[str]:
    """Numbers what has one name."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _versions(reports: Sequence[Report], fix: FixRecord | None) -> dict[str, str]:
    versions = reports[0].measurement.versions if reports else fix.versions if fix is not None else None
    return versions or {}
