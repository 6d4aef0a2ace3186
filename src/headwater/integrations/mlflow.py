"""What is seen, in MLflow.

with mlflow.start_run():
headwater.watch(model, optimizer, sinks=[MlflowSink()])
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from headwater.integrations.missing import missing
from headwater.integrations.scalars import scalars
from headwater.monitor import Event, Sink
from headwater.records import Finding, Measurement

try:
    import mlflow
except ImportError as error:
    raise missing("MLflow", "mlflow") from error

_FORBIDDEN = re.compile(r"[^\w\-. /:]")


class MlflowSink(Sink):
    """Logs the figures of each probe, and findings as tags.

    Args:
        run_id: of the run; ``None``: the present one, which MLflow starts if there is none.
    """

    def __init__(self, run_id: str | None = None) -> None:
        self._mlflow: Any = mlflow
        self._run_id: str = run_id or (self._mlflow.active_run() or self._mlflow.start_run()).info.run_id

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Logs the figures of a probe."""
        numbers = {_FORBIDDEN.sub("_", name): value for name, value in scalars(track, measurement, findings).items()}
        self._mlflow.log_metrics(numbers, step=step, run_id=self._run_id)

    def event(self, event: Event) -> None:
        """Sets a tag for the finding, which says since when, or when it healed."""
        value = f"{event.event} at step {event.step}: {event.finding.message}"
        self._mlflow.MlflowClient().set_tag(self._run_id, f"headwater.{event.finding.code}", value)
