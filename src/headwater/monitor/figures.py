"""Norms of every parameter's gradient at a step, kept where they arise until a whole block of them is fetched.

Nothing here makes the device wait: a block is copied without blocking, and read once the copy has arrived.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn

from headwater.measure import tiny_numbers_as_zero
from headwater.measure.norms import dense, vector_norm

BLOCK = 32
"""Steps with figures that are fetched together at most, and after which the weights are looked at again."""
AGE = 0.5
"""Seconds after which what was noted is fetched in any case: somebody may be about to look."""
MISSING = -1.0
"""Stands for a parameter without a gradient: no norm is negative."""
_COARSE = 1e-15
"""Norms below it lose something in float32, where squares of less than 1e-38 are zero: of a hundred million equal
numbers with this norm each square is 1e-38."""
_SCALARS = ("loss", "clip", "skipped")


_Taken = tuple[int, float | None, bool]
"""Number of a step, its rate, and whether it had a loss, which may be NaN."""


@dataclass(frozen=True)
class StepFigures:
    """What was noted of one optimizer step.

    Attributes:
        step: number of the step, from 0.
        gradients: Frobenius norm of the gradient that the optimizer consumed, by parameter; ``None`` without one, or
            where loss and rate alone were noted.
        weights: Frobenius norm of the weights before the step; empty but for one in `BLOCK` steps with figures.
        loss: of the last backward pass before the step, unscaled.
        clip: factor by which clipping shortened the gradient; ``None`` when nothing clipped, or where it was not
            looked at as loss and rate alone were noted.
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

    steps: list[_Taken]
    numbers: torch.Tensor
    weights: torch.Tensor | None
    arrived: Any


class Figures:
    """Collects figures of a fixed set of parameters: `take` at a step, `collect` now and then.

    Args:
        parameters: by name.
        age: seconds after which what was noted is fetched in any case.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], age: Callable[[], float] = lambda: AGE) -> None:
        self._names = tuple(parameters)
        self._parameters = tuple(parameters.values())
        self._device = dense(self._parameters[0]).device if parameters else torch.device("cpu")
        self._rows = self._new_rows()
        self._weights: torch.Tensor | None = None
        self._steps: list[_Taken] = []
        self._taken, self._since = 0, 0.0
        self._age = age
        self._underway: list[_Block] = []
        self._placed: tuple[tuple[int, ...], torch.Tensor] | None = None
        self._wide = [dense(p).dtype is torch.float64 for p in self._parameters]  # a norm may not narrow its input

    def take(self, step: int, notes: Notes, *, whole: bool = True) -> None:
        """Notes the gradients of a step, as the optimizer is about to consume them; of several calls the last counts.

        Nothing is read: no device is waited for. What is not `whole` has notes and no gradients.
        """
        if self._steps and self._steps[-1][0] == step:
            self._steps.pop()
            self._taken -= whole
        elif len(self._steps) == BLOCK or (self._steps and not self._taken % BLOCK):
            self._send()
        if not self._steps:
            self._since = time.monotonic()
            self._weights = None
        if whole and not self._taken % BLOCK:
            self._weights = self._norms(dict(enumerate(self._parameters)))
        row, count = self._rows[len(self._steps)], len(self._names)
        present = self._gradients() if whole else {}
        if len(present) < count:
            row[:count].fill_(MISSING)
        if present:
            self._note(row, present, notes.gradient_scale)
        loss = notes.loss
        if loss is not None and notes.loss_scale is not None:
            loss = loss / notes.loss_scale.to(loss.device, non_blocking=True)
        for place, value in enumerate((loss, notes.clip, notes.skipped)):
            _put(row, count + place, value)
        self._steps.append((step, notes.learning_rate, notes.loss is not None))
        self._taken += whole

    def collect(self, *, everything: bool = False) -> list[StepFigures]:
        """Returns the figures that have arrived; with `everything` all, for which a device may have to be waited."""
        if self._steps and (everything or self._is_old()):
            self._send()
        found: list[StepFigures] = []
        while self._underway and (everything or _has_arrived(self._underway[0])):
            found += self._read(self._underway.pop(0))
        return found

    @property
    def due(self) -> bool:
        """Whether there is something to collect, or to send on its way."""
        return bool(self._underway) or (bool(self._steps) and self._is_old())

    def retire(self) -> None:
        """Lets go of the parameters, for good; what was noted of them stays."""
        self._parameters = ()

    def total(self) -> torch.Tensor:
        """Returns the norm of all gradients together, as they are now, on their device."""
        return vector_norm(self._norms(self._gradients()), torch.float32)

    def _is_old(self) -> bool:
        return time.monotonic() - self._since > self._age()

    def _note(self, row: torch.Tensor, gradients: Mapping[int, torch.Tensor], scale: Any) -> None:
        """Writes the norms of gradients into a row."""
        norms = self._norms(gradients)
        if scale is not None:
            norms = norms / scale.to(norms.device, non_blocking=True)
        if len(gradients) == len(self._names):
            row[: len(self._names)].copy_(norms)
        else:
            row.index_copy_(0, self._places(tuple(gradients)), norms)

    def _places(self, numbers: tuple[int, ...]) -> torch.Tensor:
        """The numbers on the device, kept for the next step: at each copy from the host it would be waited for."""
        if self._placed is None or self._placed[0] != numbers:
            self._placed = numbers, torch.tensor(numbers, device=self._device, dtype=torch.long)
        return self._placed[1]

    def _gradients(self) -> dict[int, torch.Tensor]:
        """Those that are there, by the number of the parameter."""
        return {i: p.grad for i, p in enumerate(self._parameters) if p.grad is not None}

    def _norms(self, tensors: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Norms of all tensors, in their order, on the device of the first parameter."""
        if not tensors:
            return torch.empty(0, device=self._device)
        norms: dict[int, torch.Tensor] = {}
        # Squares too small for a float would take a processor ten times as long, and be of no use: see `_read`.
        with tiny_numbers_as_zero() if self._device.type == "cpu" else nullcontext():
            for dtype in (torch.float32, torch.float64):
                some = [i for i in tensors if self._wide[i] is (dtype is torch.float64)]
                if some:
                    numbers = [dense(tensors[i]) for i in some]
                    norms.update(zip(some, cast(Any, torch)._foreach_norm(numbers, 2, dtype=dtype), strict=True))
        return torch.stack([norms[i].to(self._device, torch.float32, non_blocking=True) for i in tensors])

    def _new_rows(self) -> torch.Tensor:
        return torch.empty(BLOCK, len(self._names) + len(_SCALARS), device=self._device, dtype=torch.float32)

    def _send(self) -> None:
        """Starts the copy of the filled rows to the host, and goes on with the next block."""
        rows, weights, arrived = self._rows[: len(self._steps)], self._weights, None
        if self._device.type == "cuda":
            rows, weights = _pinned(rows), None if weights is None else _pinned(weights)
            arrived = torch.cuda.Event()
            arrived.record(torch.cuda.current_stream(self._device))
        self._underway.append(_Block(self._steps, rows, weights, arrived))
        self._steps, self._rows = [], self._new_rows()

    def _read(self, block: _Block) -> list[StepFigures]:
        if block.arrived is not None:
            block.arrived.synchronize()
        rows = cast("list[list[float]]", block.numbers.tolist())
        found = [self._figures(at, row, {}) for at, row in zip(block.steps, rows, strict=True)]
        if block.weights is not None:
            weights = dict(zip(self._names, cast("list[float]", block.weights.tolist()), strict=True))
            found[0] = replace(found[0], weights=weights)
        for i, norms in enumerate(zip(*rows, strict=True)):
            if i < len(self._names) and any(0.0 <= norm < _COARSE for norm in norms):
                self._wide[i] = True  # from now on it is looked at more closely
        return found

    def _figures(self, at: _Taken, row: Sequence[float], weights: Mapping[str, float]) -> StepFigures:
        count = len(self._names)
        loss, clip, skipped = row[count:]
        return StepFigures(
            step=at[0],
            gradients={name: None if norm == MISSING else norm for name, norm in zip(self._names, row, strict=False)},
            weights=weights,
            loss=loss if at[2] else None,
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
