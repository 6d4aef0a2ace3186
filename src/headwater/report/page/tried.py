"""The search for a fix, as the page draws it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headwater.records import FixRecord
from headwater.records.numbers import number
from headwater.report.fix.curves import curves
from headwater.report.fix.diff import diff_lines
from headwater.report.fix.profiles import profiles, shares
from headwater.report.fix.words import cost, outcome, ranking, sentence, untried
from headwater.report.words import code_lines, count, printable


def fix_of(record: FixRecord | None) -> dict[str, Any] | None:
    """What was tried, what came of it, and the change."""
    if record is None:
        return None
    return {
        "outcome": asdict(outcome(record)),
        "facts": _facts(record),
        "measure": record.measure,
        "ranking": [asdict(row) | {"says": sentence(row.says), "why": sentence(row.why)} for row in ranking(record)],
        "untried": untried(record),
        "cost": cost(record),
        "curves": _curves(record),
        "profiles": {
            kind: {"when": seen.when, "points": shares(seen.profile)} for kind, seen in profiles(record).items()
        },
        "diff": diff_lines(record.diff),
        "snippet": code_lines(record.snippet),
        "not_written": [printable(said) for said in record.not_written],
        "remedies": list(record.best.remedies) if record.best else [],
    }


def _facts(record: FixRecord) -> list[tuple[str, str]]:
    facts = {
        "compared": record.measure,
        "longest training": f"{count(record.steps, 'step')}, {count(record.seeds, 'seed')}" if record.steps else "",
        "candidates": f"{len(record.candidates):,}" if record.candidates else "",
        "time": f"{number(record.seconds)} s" if record.seconds else "",
    }
    return [(name, value) for name, value in facts.items() if value]


def _curves(record: FixRecord) -> list[dict[str, Any]]:
    return [
        {
            "kind": curve.kind,
            "name": curve.name,
            "step": [point[0] for point in curve.points],
            "mean": [point[1] for point in curve.points],
            "low": [point[2] for point in curve.points],
            "high": [point[3] for point in curve.points],
        }
        for curve in curves(record)
    ]
