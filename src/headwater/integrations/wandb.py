"""What is seen, in Weights & Biases.

    wandb.init(project="x")
    headwater.watch(model, optimizer, sinks=[WandbSink()])

Headwater counts optimizer steps and Weights & Biases its own: the figures are drawn over ``headwater/step``. They join
the row that is open and never end it, so that the count of Weights & Biases stays yours: it throws away what is logged
for a step that has passed. Each row keeps the newest figures; where nothing else is logged, there is one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.errors import InputError
from headwater.integrations.missing import missing
from headwater.integrations.scalars import scalars
from headwater.monitor import Event, Sink
from headwater.records import Finding, Measurement

try:
    import wandb
except ImportError as error:
    raise missing("wandb", "wandb") from error


class WandbSink(Sink):
    """Logs the figures of each probe, and findings as alerts.

    Args:
        run: of ``wandb.init``; ``None``: the present one.

    Raises:
        InputError: there is none.
    """

    def __init__(self, run: Any = None) -> None:
        self._run: Any = run if run is not None else wandb.run
        if self._run is None:
            raise InputError("Expected a run of Weights & Biases: call wandb.init() first, or pass run=.")
        self._run.define_metric("headwater/step")
        self._run.define_metric("headwater/*", step_metric="headwater/step")

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Logs the figures of a probe, into the row that is open."""
        self._run.log({"headwater/step": step, **scalars(track, measurement, findings)}, commit=False)

    def event(self, event: Event) -> None:
        """Sends an alert for a finding that was raised."""
        finding = event.finding
        if event.event == "raised":
            level = "ERROR" if finding.severity == "error" else "WARN"
            text = f"step {event.step}: {finding.message}"
            self._run.alert(title=f"{finding.code} {finding.name}", text=text, level=level)
