"""A user's script, run unchanged under watch: its diagnosis at the end, however it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.errors import StoreError
from headwater.script import Ended, Target, after_import, execute

if TYPE_CHECKING:
    from headwater.monitor import Monitor, Recorder, Session
    from headwater.report import Report

log = logging.getLogger("headwater")


@dataclass(frozen=True)
class Outcome:
    """How a script ended and what was seen.

    Attributes:
        ended: the script's own end.
        run_dir: the folder in which the run is recorded; ``None`` when nothing was, or when it is at a URL.
        reports: newest diagnosis of each optimizer's training, the worst first; empty when nothing was measured.
        steps: optimizer steps that were seen.
        spent: seconds that watching took.
        fault: Headwater's own failure that ended watching, if there was one.
    """

    ended: Ended
    run_dir: str | None = None
    reports: tuple[Report, ...] = ()
    steps: int = 0
    spent: float = 0.0
    fault: Exception | None = None


def run_script(target: Target, *, run_dir: str | None = None, steps: int | None = None, budget: float) -> Outcome:
    """Runs the target under watch.

    PyTorch is not imported before the script does it, so that what the script sets before counts.

    Args:
        target: script or module, with its arguments.
        run_dir: folder to record the run in, whole, since the script may change the current one; or a URL; ``None``:
            nothing is written.
        steps: optimizer steps after which the script is stopped; ``None``: it runs to its end.
        budget: share of the training's time that watching may take; the first steps are probed besides.

    Raises:
        InputError: there is no such script.
    """
    sessions: list[Session] = []
    recorders: list[Recorder] = []

    def begin() -> None:
        from headwater.monitor import OF_A_SCRIPT, Session, Settings
        from headwater.watch import record

        def opened(monitor: Monitor) -> None:
            if run_dir is None:
                return
            try:
                recorders.append(record(monitor, run_dir, budget, lambda: session.steps))
            except StoreError as error:  # a report at the end needs no disk
                log.warning("This training is watched and not recorded. %s", error)

        session = Session(Settings(budget=budget, first=OF_A_SCRIPT), most=steps, opened=opened)
        session.begin()
        sessions.append(session)

    try:
        with after_import("torch", begin):
            ended = execute(target)
            for recorder in recorders:
                recorder.status = "finished" if ended.status == "stopped" else ended.status
    finally:
        for session in sessions:
            session.end()
    folder = next((recorder.writer.files.root for recorder in recorders if recorder.writer.files.is_local), None)
    return _outcome(ended, folder, sessions[0]) if sessions else Outcome(ended)


def _outcome(ended: Ended, run_dir: str | None, session: Session) -> Outcome:
    from headwater.watch import reports

    monitors = session.monitors.values()
    seconds = sum(monitor.spent for monitor in monitors)
    return Outcome(ended, run_dir, tuple(reports(*monitors)), session.steps, seconds, session.fault)
