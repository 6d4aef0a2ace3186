"""What is seen, on TensorBoard.

headwater.watch(model, optimizer, sinks=[TensorBoardSink("runs/tensorboard")])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headwater.integrations.missing import missing
from headwater.integrations.scalars import scalars
from headwater.monitor import Event, Sink, StepFigures
from headwater.records import Finding, Measurement

try:
    from torch.utils.tensorboard.writer import SummaryWriter
except ImportError as error:
    raise missing("TensorBoard", "tensorboard") from error


class TensorBoardSink(Sink):
    """Writes scalars and findings.

    Args:
        target: a ``SummaryWriter`` of yours, which is left open at the end, or a folder to make one for: one of its
            own, since TensorBoard may read no further in an older file beside a newer one.
    """

    def __init__(self, target: str | Path | SummaryWriter) -> None:
        self._own = not isinstance(target, SummaryWriter)
        self._writer: Any = SummaryWriter(str(target)) if not isinstance(target, SummaryWriter) else target

    def figures(self, track: str, figures: Sequence[StepFigures]) -> None:
        """Writes the loss and the norm of the whole gradient: where FSDP2 shards it, of the part of this process."""
        prefix = f"headwater/{track}/" if track else "headwater/"
        for each in figures:
            norms = [norm for norm in each.gradients.values() if norm is not None]
            if norms:
                self._writer.add_scalar(prefix + "gradient norm", sum(n * n for n in norms) ** 0.5, each.step)
            if each.loss is not None:
                self._writer.add_scalar(prefix + "loss", each.loss, each.step)

    def probe(self, track: str, step: int, measurement: Measurement, findings: Sequence[Finding]) -> None:
        """Writes the figures of a probe."""
        for name, value in scalars(track, measurement, findings).items():
            self._writer.add_scalar(name, value, step)

    def event(self, event: Event) -> None:
        """Writes a finding as text."""
        finding = event.finding
        text = f"**{finding.code} {finding.name}** {event.event}: {finding.message} {finding.cause}"
        self._writer.add_text("headwater/findings", text, event.step)

    def close(self) -> None:
        """Writes what waits."""
        if self._own:
            self._writer.close()
        else:
            self._writer.flush()
