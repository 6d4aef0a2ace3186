"""What a run on disk adds: what it was, and its findings as they rose and healed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater.report import words
from headwater.report.words import printable

if TYPE_CHECKING:
    from headwater.store import StoredRun


def run_of(run: StoredRun | None) -> dict[str, Any] | None:
    """What the run was, and what is missing of it."""
    if run is None:
        return None
    info = run.info
    return {
        "name": printable(info.name),
        "status": "not closed" if run.orphaned else info.status,
        "started": info.started,
        "ended": info.ended,
        "steps": info.steps,
        "models": [{"name": m.name, "kind": m.kind, "parameters": m.parameters} for m in info.models],
        "optimizers": dict(info.optimizers),
        "command": [printable(each) for each in info.command],
        "git": info.git_commit,
        "ranks": info.world_size,
        "budget": info.budget,
        "spent": info.spent,
    }


def events_of(run: StoredRun | None) -> list[dict[str, Any]]:
    """The findings that were raised or have healed, in order."""
    return [
        {
            "event": event.event,
            "step": event.step,
            "time": event.time,
            "track": event.track,
            "code": event.finding.code,
            "name": event.finding.name,
            "severity": event.finding.severity,
            "message": printable(event.finding.message),
            "module": words.module(event.finding.where),
        }
        for event in (run.events() if run is not None else ())
    ]
