"""Watching under Accelerate: models and optimizers as ``accelerator.prepare`` returns them.

    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    with watch(accelerator, model, optimizer, run_dir="runs/x") as monitor:
        ...

Figures of each probe go to the accelerator's own trackers, when it has some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.integrations.scalars import scalars
from headwater.monitor import Sink
from headwater.records import Finding, Measurement
from headwater.watch import Watch
from headwater.watch import watch as _watch


class _Trackers(Sink):
    """Logs to whatever ``accelerator.init_trackers`` has set up."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Logs the figures of a probe."""
        if self._accelerator.trackers:
            self._accelerator.log(scalars(track, measurement, findings), step=step)


def watch(accelerator: Any, model: Any, optimizer: Any, **options: Any) -> Watch:
    """Watches a training under Accelerate.

    Args:
        accelerator: whose trackers get the figures.
        model: as for `headwater.watch`; prepared ones are taken out of their wrappers.
        optimizer: likewise.
        options: `run_dir`, `budget`, `on_event`, `sinks`.
    """
    sinks = [*options.pop("sinks", ()), _Trackers(accelerator)]
    return _watch(model, optimizer, sinks=sinks, **options)
