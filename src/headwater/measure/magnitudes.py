"""Histograms of magnitudes: the gradient at each layer's output, its weight, and what it applies it to.

A few numbers of each tensor tell where it stands in the range of a number format. They are taken during the backward
pass, and counted together behind it: one pass over one array, whatever the number of layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch

from headwater.graph import GraphOp
from headwater.measure.norms import dense
from headwater.measure.saved import layer_input
from headwater.measure.units import applies_weight
from headwater.records import Layer, MagnitudesRecord, Quantity

SAMPLE = 1024
"""Numbers of a tensor that are looked at: a bin that holds three thousandths of them is seen nearly always."""
_LOWEST, _HIGHEST = -149, 127
"""Powers of two of float32, its subnormal numbers among them; what float64 holds beyond them counts with the last."""
_ZERO = _HIGHEST - _LOWEST + 1
_NON_FINITE = _ZERO + 1
_BINS = _NON_FINITE + 1

Samples = list[tuple[int, Quantity, torch.Tensor]]


class Magnitudes:
    """Keeps the histograms of the newest pass with a finite loss."""

    def __init__(self) -> None:
        self._samples: Samples = []
        self._counts: dict[tuple[str, Quantity], list[int]] = {}

    def observe(self, op: GraphOp, gradients: Sequence[torch.Tensor | None]) -> None:
        """Takes a sample of one operation that applies a weight, while its saved tensors can still be read."""
        if not applies_weight(op):
            return
        weight = next(parameter for parameter in op.parameters if parameter.dim() > 1)
        found: tuple[tuple[Quantity, torch.Tensor | None], ...] = (
            ("gradient", next((each for each in gradients if each is not None), None)),
            ("weight", weight),
            ("activation", layer_input(op)),
        )
        for quantity, tensor in found:
            if tensor is not None and tensor.is_floating_point():
                self._samples.append((op.index, quantity, _sample(tensor)))

    def attribute(self, names: Mapping[int, str], *, finite: bool) -> None:
        """Counts what this pass showed under the layers' names; nothing when its loss was not finite."""
        samples, self._samples = self._samples, []
        if not finite or not samples:
            return
        self._counts = {}
        for (index, quantity, _), counts in zip(samples, _counted([each for *_, each in samples]), strict=True):
            so_far = self._counts.setdefault((names[index], quantity), [0] * _BINS)
            self._counts[names[index], quantity] = [a + b for a, b in zip(so_far, counts, strict=True)]

    def rescale(self, scale: float) -> None:
        """Divides the gradients that were filed last, to the nearest power of two."""
        power = round(math.log2(scale))
        for (_, quantity), counts in self._counts.items():
            if quantity == "gradient":
                counts[:_ZERO] = _moved(counts[:_ZERO], -power)

    def records(self, layers: Sequence[Layer]) -> tuple[MagnitudesRecord, ...]:
        """Returns the histograms of each layer, input to output."""
        place = {layer.name: depth for depth, layer in enumerate(layers)}
        known = sorted((key for key in self._counts if key[0] in place), key=lambda key: place[key[0]])
        return tuple(_record(*key, self._counts[key]) for key in known)


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    """Evenly spaced numbers of it, in a new tensor; the gradient may be overwritten behind the hook.

    Their distance is odd: the sizes of networks are mostly even, and one column alone would tell little.
    """
    numbers = dense(tensor).reshape(-1)
    return numbers[:: -(-numbers.numel() // SAMPLE) | 1].to(torch.float32, copy=True)


def _counted(samples: Sequence[torch.Tensor]) -> list[list[int]]:
    """The numbers of each sample in each bin."""
    device = samples[0].device
    numbers = torch.cat([each.to(device) for each in samples])
    sizes = torch.tensor([each.numel() for each in samples], device=device)
    rows = torch.repeat_interleave(torch.arange(len(samples), device=device), sizes)
    powers = torch.frexp(numbers).exponent.long() - 1  # frexp's mantissa lies between a half and one
    places = (powers - _LOWEST).clamp(0, _ZERO - 1)
    places[numbers == 0] = _ZERO
    places[~numbers.isfinite()] = _NON_FINITE
    counts = torch.bincount(rows * _BINS + places, minlength=len(samples) * _BINS)
    return cast("list[list[int]]", counts.view(-1, _BINS).tolist())


def _moved(counts: Sequence[int], by: int) -> list[int]:
    """Counts at other powers; what leaves the range counts with the last one."""
    moved = [0] * len(counts)
    for place, count in enumerate(counts):
        moved[min(max(place + by, 0), len(counts) - 1)] += count
    return moved


def _record(layer: str, quantity: Quantity, counts: Sequence[int]) -> MagnitudesRecord:
    there = [place for place in range(_ZERO) if counts[place]]
    first, last = (there[0], there[-1] + 1) if there else (0, 0)
    return MagnitudesRecord(
        layer, quantity, _LOWEST + first, tuple(counts[first:last]), counts[_ZERO], counts[_NON_FINITE]
    )
