"""Passes that are judged together, and what the optimizer did between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from headwater.measure import Passes, ThroughTime, Updates, measurement, optimizer_record
from headwater.measure.norms import dense
from headwater.measure.probe import SETTLED
from headwater.monitor.probing import PASSES
from headwater.records import ClipRecord, Measurement, PrecisionRecord
from headwater.source import with_origins

FOLLOWED, FOLLOWED_ON_DEVICE = 1 << 22, 1 << 16
"""Elements of all weights together that are followed through an optimizer step: on a CPU, and in a device's memory,
where the two copies and the difference of 65,536 numbers stay below one megabyte."""

ENOUGH = 3
"""Passes of a new window from which on it is judged in place of the one before: a median of fewer is none."""


class Window:
    """At most `PASSES` itemised steps of one optimizer.

    Args:
        model: that it trains.
        optimizer: as it is before the first of the steps.
        parameters: that it holds.
        sequences: batches of sequences that windows share, to ask whether the data need a long memory.

    Attributes:
        passes: that were heard.
        updates: what the optimizer did in the steps.
        numbers: of the steps.
        clips: what clipping did in them.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        parameters: Iterable[nn.Parameter],
        sequences: list[tuple[torch.Tensor, torch.Tensor]],
    ) -> None:
        on_device = any(dense(p).device.type != "cpu" for p in parameters)
        most = FOLLOWED_ON_DEVICE if on_device else FOLLOWED
        self.passes = Passes(through_time=ThroughTime(PASSES, live=True), batches=sequences)
        self.updates = Updates(dict(model.named_parameters()), optimizer, most=most)
        self._record = optimizer_record(optimizer, model, given=True)
        self.numbers: list[int] = []
        self.clips: list[ClipRecord] = []

    @property
    def is_full(self) -> bool:
        """Whether the next pass belongs to another window, so that what has healed is seen to."""
        return len(self.passes.steps) >= PASSES

    @property
    def is_enough(self) -> bool:
        """Whether it says as much as the window before it."""
        return len(self.numbers) >= ENOUGH

    def measured(self, model: nn.Module, held: frozenset[str], batch: int) -> Measurement:
        """The window so far. Passes before the network has settled are judged only when there are no others.

        Args:
            model: as it is now.
            held: names of its parameters that any optimizer holds.
            batch: number of samples in a batch; 0 when unknown.
        """
        settled = [i for i, number in enumerate(self.numbers) if number >= SETTLED]
        found = measurement(
            model,
            self.passes,
            self.updates,
            self._record,
            held,
            batch_size=batch,
            batches=len(self.passes.steps),
            steps=settled or None,
        )
        found = with_origins(found, model)
        return replace(
            found,
            precision=PrecisionRecord(clips=tuple(c for c in self.clips if c.step in found.judged_steps)),
            judged_steps=tuple(self.numbers[i] for i in found.judged_steps),
            steps=tuple(replace(record, step=self.numbers[record.step]) for record in found.steps),
        )

    def retire(self) -> None:
        """Lets go of the parameters: the optimizer is gone."""
        self.passes = Passes()
        self.updates.retire()
