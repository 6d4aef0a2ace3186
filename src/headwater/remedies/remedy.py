"""What a remedy is, and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from headwater.records import Change, Finding, Measurement, Safety, SourceLine


@dataclass
class Training:
    """The live objects of a training that has not begun.

    A remedy changes `model` and `optimizer` in place, root and all: a script holds them, and may build its own schedule
    on the optimizer afterwards.

    Attributes:
        model: the network.
        optimizer: over its parameters, built a moment ago.
        measurement: of the original, by a diagnosis; paths in it are those of `model`.
        findings: what the rules said of it, root cause first.
        steps: optimizer steps that the training will take.
        scheduler: to be stepped after each optimizer step; set by a remedy, ``None`` before.
        built: the user's source line that built the optimizer, and none for another network, when known.
        scheduled: whether the user's own code will set the learning rate by a schedule, as far as known.
        loss_fn: ``loss_fn(outputs, targets)``, where it is known; a remedy may set another one.
        step: ``step(model, batch)`` that returns the loss, where it is known; as `loss_fn`.
        rehearse: trains a fresh twin, changed as this one is so far, with a rate for each step, and returns the losses;
            ``None`` where no batches are at hand.
        applied: keys of the remedies that have changed it since the measurement, in order.
    """

    model: nn.Module
    optimizer: Optimizer
    measurement: Measurement
    findings: tuple[Finding, ...]
    steps: int
    scheduler: LRScheduler | ReduceLROnPlateau | None = None
    built: SourceLine | None = None
    scheduled: bool = False
    loss_fn: Any = None
    step: Any = None
    rehearse: Callable[[Sequence[float]], Sequence[float]] | None = None
    applied: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Remedy:
    """One change that can be tried, and written as source.

    Attributes:
        code: what findings call it (`headwater.records.REMEDIES`).
        variant: tells several ways of one code apart: ``"relu"``; empty where there is one.
        safety: of the change.
        size: how much of the training it changes: 1 a number or the initial weights, 2 the optimizer or its schedule,
            3 operations, 4 the structure. The smallest of equally good changes is recommended.
        refusal: says why it does not apply to a training, in one sentence; ``None`` when it does.
        apply: changes the training and says what; raises `RemedyError` when it matched nothing.
        page: what it does, when not, and references.
    """

    code: str
    variant: str
    safety: Safety
    size: int
    refusal: Callable[[Training], str | None]
    apply: Callable[[Training], Change]
    page: str

    @property
    def key(self) -> str:
        """Its name among all: ``"activation-swap:relu"``."""
        return f"{self.code}:{self.variant}" if self.variant else self.code
