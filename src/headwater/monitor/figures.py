"""Norms of every parameter's gradient at a step, kept where they arise until a whole block of them is fetched.

Nothing here makes the device wait: a block is copied without blocking, and read once the copy has arrived.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn

from headwater.measure.norms import dense, vector_norm

BLOCK = 32
"""Steps that are fetched together."""
MISSING = -1.0
"""Stands for a parameter without a gradient: no norm is negative."""
_SCALARS = ("loss", "clip", "skipped")


@dataclass(frozen=True)
class StepFigures:
    """What was noted of one optimizer step.

    Attributes:
        step: number of the step, from 0.
        gradients: Frobenius norm of the gradient that the optimizer consumed, by parameter; ``None`` without one.
        weights: Frobenius norm of the weights before the step; empty unless it opens a block.
        loss: of the last backward pass before the step, unscaled.
        clip: factor by which clipping shortened the gradient; ``None`` when nothing clipped.
        skipped: whether a gradient scaler told the optimizer to leave the weights alone.
        learning_rate: the largest of the groups.
    """

    step: int
    gradients: Mapping[str, float | None]
    weights: Mapping[str, float]
    loss: float | None
    clip: float | None
    skipped: bool
    learning_rate: float | None


@dataclass(frozen=True)
class Notes:
    """What belongs to a step besides its gradients: tensors on any device, or numbers.

    Attributes:
        loss: as the backward pass saw it.
        loss_scale: by which that loss was multiplied.
        gradient_scale: by which the gradients still are multiplied.
        clip, skipped, learning_rate: as in `StepFigures`.
    """

    loss: Any = None
    loss_scale: Any = None
    gradient_scale: Any = None
    clip: Any = None
    skipped: Any = None
    learning_rate: float | None = None


@dataclass
class _Block:
    """Rows on their way to the host."""

    steps: list[tuple[int, float | None]]
    numbers: torch.Tensor
    weights: torch.Tensor
    arrived: Any


class Figures:
    """Collects figures of a fixed set of parameters: `take` at a step, `collect` now and then."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self._names = tuple(parameters)
        self._parameters = tuple(parameters.values())
        self._device = dense(self._parameters[0]).device if parameters else torch.device("cpu")
        self._rows = self._new_rows()
        self._weights: torch.Tensor | None = None
        self._steps: list[tuple[int, float | None]] = []
        self._underway: list[_Block] = []
        wide = any(dense(p).dtype is torch.float64 for p in self._parameters)  # a norm may not narrow its input
        self._dtype = torch.float64 if wide else torch.float32

    def take(self, step: int, notes: Notes) -> None:
        """Notes the gradients of a step, as the optimizer is about to consume them; of several calls the last counts.

        Nothing is read: no device is waited for.
        """
        if self._steps and self._steps[-1][0] == step:
            self._steps.pop()
        elif len(self._steps) == BLOCK:
            self._send()
        if not self._steps:
            self._weights = self._norms(list(self._parameters))
        row = self._rows[len(self._steps)]
        present = [i for i, p in enumerate(self._parameters) if p.grad is not None]
        norms = self._norms([cast(torch.Tensor, self._parameters[i].grad) for i in present])
        if notes.gradient_scale is not None:
            norms = norms / notes.gradient_scale
        count = len(self._names)
        if len(present) == count:
            row[:count].copy_(norms)
        else:
            row[:count].fill_(MISSING)
            row[torch.tensor(present, device=row.device, dtype=torch.long)] = norms
        loss = notes.loss
        if loss is not None and notes.loss_scale is not None:
            loss = loss / notes.loss_scale.to(loss.device, non_blocking=True)
        for place, value in enumerate((loss, notes.clip, notes.skipped)):
            _put(row, count + place, value)
        self._steps.append((step, notes.learning_rate))

    def collect(self, *, everything: bool = False) -> list[StepFigures]:
        """Returns the figures that have arrived; with `everything` all, for which a device may have to be waited."""
        if everything and self._steps:
            self._send()
        found: list[StepFigures] = []
        while self._underway and (everything or _has_arrived(self._underway[0])):
            found += self._read(self._underway.pop(0))
        return found

    def retire(self) -> None:
        """Lets go of the parameters, for good; what was noted of them stays."""
        self._parameters = ()

    def total(self) -> torch.Tensor:
        """Returns the norm of all gradients together, as they are now, on their device."""
        norms = self._norms([p.grad for p in self._parameters if p.grad is not None])
        return vector_norm(norms, torch.float32)

    def _norms(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Norms of all tensors, in their order, on the device of the first parameter."""
        if not tensors:
            return torch.empty(0, device=self._device)
        numbers = [dense(tensor) for tensor in tensors]
        norms = cast("list[torch.Tensor]", cast(Any, torch)._foreach_norm(numbers, 2, dtype=self._dtype))
        return torch.stack([norm.to(self._device, torch.float32, non_blocking=True) for norm in norms])

    def _new_rows(self) -> torch.Tensor:
        return torch.empty(BLOCK, len(self._names) + len(_SCALARS), device=self._device, dtype=torch.float32)

    def _send(self) -> None:
        """Starts the copy of the filled rows to the host, and goes on with the next block."""
        assert self._weights is not None
        rows, weights, arrived = self._rows[: len(self._steps)], self._weights, None
        if self._device.type == "cuda":
            rows, weights = (_pinned(tensor) for tensor in (rows, weights))
            arrived = torch.cuda.Event()
            arrived.record(torch.cuda.current_stream(self._device))
        self._underway.append(_Block(self._steps, rows, weights, arrived))
        self._steps, self._rows = [], self._new_rows()

    def _read(self, block: _Block) -> list[StepFigures]:
        if block.arrived is not None:
            block.arrived.synchronize()
        weights = dict(zip(self._names, cast("list[float]", block.weights.tolist()), strict=True))
        rows = cast("list[list[float]]", block.numbers.tolist())
        found = [self._figures(at, row, {}) for at, row in zip(block.steps, rows, strict=True)]
        found[0] = replace(found[0], weights=weights)
        if any(norm == 0.0 for row in rows for norm in row[: len(self._names)]):
            self._dtype = torch.float64  # squares of less than 1e-38 are zero in float32: from now on look closer
        return found

    def _figures(self, at: tuple[int, float | None], row: Sequence[float], weights: Mapping[str, float]) -> StepFigures:
        count = len(self._names)
        loss, clip, skipped = row[count:]
        return StepFigures(
            step=at[0],
            gradients={name: None if norm == MISSING else norm for name, norm in zip(self._names, row, strict=False)},
            weights=weights,
            loss=None if math.isnan(loss) else loss,
            clip=None if math.isnan(clip) else clip,
            skipped=skipped > 0,
            learning_rate=at[1],
        )


def _put(row: torch.Tensor, place: int, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        row[place].copy_(value.detach().reshape(()), non_blocking=True)
    else:
        row[place].fill_(math.nan if value is None else float(value))


def _has_arrived(block: _Block) -> bool:
    return block.arrived is None or bool(block.arrived.query())


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
