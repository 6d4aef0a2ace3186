"""A user's script, run unchanged under watch: its diagnosis at the end, however it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.script import Ended, Target, after_import, execute

if TYPE_CHECKING:
    from headwater.monitor import Session
    from headwater.report import Report

FIRST = 8
"""Steps that are probed one after the other at the beginning, whatever it costs, as a diagnosis takes them."""


@dataclass(frozen=True)
class Outcome:
    """How a script ended and what was seen.

    Attributes:
        ended: the script's own end.
        reports: newest diagnosis of each optimizer's training, the worst first; empty when nothing was measured.
        steps: optimizer steps that were seen.
        spent: share of the training's time that watching took.
        fault: Headwater's own failure that ended watching, if there was one.
    """

    ended: Ended
    reports: tuple[Report, ...] = ()
    steps: int = 0
    spent: float = 0.0
    fault: Exception | None = None


def run_script(target: Target, *, steps: int | None = None, budget: float) -> Outcome:
    """Runs the target under watch.

    PyTorch is not imported before the script does it, so that what the script sets before counts.

    Args:
        target: script or module, with its arguments.
        steps: optimizer steps after which the script is stopped; ``None``: it runs to its end.
        budget: share of the training's time that watching may take; the first steps are probed besides.

    Raises:
        InputError: there is no such script.
    """
    sessions: list[Session] = []

    def begin() -> None:
        from headwater.monitor import Session, Settings

        session = Session(Settings(budget=budget, first=tuple(range(FIRST + 1))), most=steps)
        session.begin()
        sessions.append(session)

    try:
        with after_import("torch", begin):
            ended = execute(target)
    finally:
        for session in sessions:
            session.end()
    return _outcome(ended, sessions[0]) if sessions else Outcome(ended)


def _outcome(ended: Ended, session: Session) -> Outcome:
    from headwater.watch import reports, spent

    if session.monitor is None:
        return Outcome(ended, steps=session.steps, fault=session.fault)
    return Outcome(ended, tuple(reports(session.monitor)), session.steps, spent(session.monitor), session.fault)
