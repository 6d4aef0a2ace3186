"""From a live training to findings and a report: watching, told from the pieces below."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from headwater.errors import NotMeasuredError
from headwater.monitor import Event, Monitor, Recorder, Settings, Sink, Teller, rank, run_info, world_size
from headwater.monitor.settings import BUDGET
from headwater.records import Finding, Measurement, Status, gravity
from headwater.report import Report
from headwater.store import RunWriter, free_name

log = logging.getLogger("headwater")


class Watch:
    """A training under watch; a context manager.

    Attributes:
        monitor: what is hooked into the training.
    """

    def __init__(self, monitor: Monitor, recorder: Recorder | None = None) -> None:
        self.monitor, self._recorder = monitor, recorder

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recorder is not None:
            self._recorder.status = _ended(kind)
        self.close()

    @property
    def events(self) -> tuple[Event, ...]:
        """What was raised and what has healed so far, in order."""
        return tuple(self.monitor.events)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the newest verdict, root cause first; empty before the first probe."""
        return tuple(finding for track in self.monitor.verdicts for finding in track.findings)

    @property
    def spent(self) -> float:
        """Share of the training's time that watching took so far."""
        return spent(self.monitor)

    def report(self, optimizer: str | None = None) -> Report:
        """Returns the newest diagnosis of the training.

        Args:
            optimizer: its name where several are watched; ``None``: the one with the worst finding.

        Raises:
            NotMeasuredError: no step was probed yet.
        """
        found = reports(self.monitor, optimizer=optimizer)
        if not found:
            raise NotMeasuredError(
                f"Nothing was measured yet: {steps(self.monitor)} optimizer steps were seen, none of them probed. "
                "Call it after the first steps; if there were some, the loss may not depend on the watched model."
            )
        return found[0]

    def close(self) -> None:
        """Stops watching, removes every hook, and closes the run on disk; `report` stays possible."""
        self.monitor.detach()

    @property
    def run_dir(self) -> str | None:
        """The folder in which the run is recorded; ``None`` when it is not."""
        return self._recorder.writer.files.root if self._recorder is not None else None


def watch(
    model: Any,
    optimizer: Any,
    *,
    run_dir: str | Path | None = None,
    budget: float = BUDGET,
    on_event: Callable[[Event], None] | None = None,
    sinks: Iterable[Sink] = (),
) -> Watch:
    """Watches a training from now on, at a bounded cost, and changes nothing in it.

    At each optimizer step the norms of the gradients are noted; now and then a step is a *probe*: its backward pass is
    itemised, as in `headwater.diagnose`. Findings are logged (logger ``"headwater"``) when they arise and when they
    heal. An exception of Headwater's own is logged once and ends watching; the training goes on.

    Of a model that `torch.compile` runs, probes repeat the pass as plain Python, beside the training: what lies between
    its outputs and the loss is not seen. Inside the capture of a CUDA graph, and in its replays, nothing is.

    Args:
        model: the module that is trained; several (a GAN) in a list or dict.
        optimizer: the optimizer over its parameters; several in a list or dict.
        run_dir: folder to record the run in; ``None``: nothing is written.
        budget: share of the training's time that watching may take on average; ``math.inf`` measures everything on
            every step.
        on_event: called with each finding that is raised or has healed.
        sinks: get everything that is seen (`headwater.monitor.Sink`); `headwater.integrations` has some.

    Raises:
        InputError: something passed cannot be used; the subclass and the message say what (`headwater.errors`).
    """
    settings = Settings(budget=budget)
    told = [Teller(on_event)] if on_event is not None else []
    monitor = Monitor(model, optimizer, settings, [*told, *sinks])
    recorder = None
    if run_dir is not None:
        recorder = record(monitor, run_dir, budget)
    monitor.attach()
    return Watch(monitor, recorder)


def record(monitor: Monitor, run_dir: str | Path, budget: float, seen: Callable[[], int] | None = None) -> Recorder:
    """Records what a monitor sees in a new folder, from now on.

    Args:
        monitor: what sees it.
        run_dir: the folder; where there is a run already, one with a number behind its name.
        budget: share of the time that watching may take.
        seen: counts optimizer steps; ``None``: those that the monitor saw.

    Raises:
        StoreError: nothing can be written there.
    """
    optimizers = {track.name: track.optimizer for track in monitor.tracks}
    info = run_info(monitor.models, optimizers, min(budget, 1.0))

    def count() -> int:
        return steps(monitor)

    writer = RunWriter(_free(run_dir), info, rank=rank())
    recorder = Recorder(writer, _rendered, lambda: {"steps": (seen or count)(), "spent": spent(monitor)})
    monitor.sinks.add(recorder)
    return recorder


def _rendered(measurement: Measurement, findings: Sequence[Finding]) -> str:
    return Report(measurement, tuple(findings)).to_json()


def _free(run_dir: str | Path) -> str:
    """The folder, or when it holds a run already the next free one: nothing is overwritten, no training is stopped.

    Processes that train together must agree on the folder without a word between them: they take it as it is given.
    """
    root, _, stem = str(run_dir).rstrip("/").rpartition("/")
    if world_size() > 1:
        return str(run_dir)
    name = free_name(root or ".", stem)
    if name != stem:
        log.warning("%s is there already: the run is recorded in %s", run_dir, f"{root}/{name}" if root else name)
    return f"{root}/{name}" if root else name


def reports(*monitors: Monitor, optimizer: str | None = None) -> list[Report]:
    """Returns the newest diagnosis of each optimizer's training that was probed, the worst first."""
    found = [
        Report(track.measured, track.findings)
        for monitor in monitors
        for track in monitor.verdicts
        if track.measured is not None and optimizer in (None, track.name)
    ]
    return sorted(found, key=lambda report: gravity(report.findings))


def steps(monitor: Monitor) -> int:
    """Returns the optimizer steps that were seen, of all optimizers together."""
    return monitor.steps


def spent(monitor: Monitor) -> float:
    """Returns the share of the training's time that watching took so far."""
    return monitor.spent / monitor.elapsed if monitor.elapsed > 0 else 0.0


def _ended(by: type[BaseException] | None) -> Status:
    """How a run has ended: ``sys.exit`` is an end that the user wrote, whatever its code, as for ``headwater run``."""
    if by is None or issubclass(by, SystemExit):
        return "finished"
    return "interrupted" if issubclass(by, KeyboardInterrupt) else "crashed"
