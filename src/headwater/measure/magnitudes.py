"""Histograms of magnitudes: the gradient at each layer's output, its weight, and what it applies it to.

A few numbers of each tensor tell where it stands in the range of a number format. They are taken during the backward
pass, and counted together behind it: one pass over one array, whatever the number of layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from headwater.graph import GraphOp
from headwater.measure.sampling import evenly
from headwater.measure.saved import layer_input
from headwater.measure.units import applies_weight
from headwater.records import Layer, MagnitudesRecord, Quantity

SAMPLE, USES = 1024, 16
"""Numbers of a tensor that are looked at, at least: a bin that holds half a per cent of them is seen nearly always. And
uses of one weight in a pass, the last ones."""
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
        self._uses: dict[int, int] = {}
        self._counts: dict[tuple[str, Quantity], list[int]] = {}
        self._filed = False

    def observe(self, op: GraphOp, gradients: Sequence[torch.Tensor | None]) -> None:
        """Takes a sample of one operation that applies a weight, while its saved tensors can still be read."""
        if not applies_weight(op):
            return
        weight = next(parameter for parameter in op.parameters if parameter.dim() > 1)
        uses = self._uses[id(weight)] = self._uses.get(id(weight), 0) + 1
        if uses > USES:
            return
        found: tuple[tuple[Quantity, torch.Tensor | None], ...] = (
            ("gradient", next((each for each in gradients if each is not None), None)),
            ("weight", weight if uses == 1 else None),
            ("activation", layer_input(op)),
        )
        for quantity, tensor in found:
            if tensor is not None and tensor.is_floating_point():
                self._samples.append((op.index, quantity, _sample(tensor)))

    def attribute(self, names: Mapping[int, str], *, finite: bool) -> None:
        """Counts what this pass showed under the layers' names; nothing when its loss was not finite."""
        samples, self._samples, self._uses = self._samples, [], {}
        self._filed = finite and bool(samples)
        if not self._filed:
            return
        keys: list[tuple[str, Quantity]] = [(names[index], quantity) for index, quantity, _ in samples]
        rows = {key: row for row, key in enumerate(dict.fromkeys(keys))}
        counts = _counted([each for *_, each in samples], [rows[key] for key in keys])
        self._counts = dict(zip(rows, counts, strict=True))

    def rescale(self, scale: float) -> None:
        """Divides the gradients of this pass, to the nearest power of two."""
        if not self._filed:
            return
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
    """Some numbers of it, in a new tensor; the gradient may be overwritten behind the hook."""
    some = evenly(tensor, SAMPLE)
    return some.to(torch.promote_types(some.dtype, torch.float32), copy=True)


def _counted(samples: Sequence[torch.Tensor], rows: Sequence[int]) -> list[list[int]]:
    """The numbers in each bin, of all samples that have the same row."""
    numbers = torch.cat([each.to(samples[0].device) for each in samples]).cpu().numpy()
    row = np.repeat(rows, [each.numel() for each in samples])
    powers = np.frexp(numbers)[1] - 1  # its mantissa lies between a half and one
    places = np.clip(powers - _LOWEST, 0, _ZERO - 1)
    places[numbers == 0] = _ZERO
    places[~np.isfinite(numbers)] = _NON_FINITE
    counts = np.bincount(row * _BINS + places, minlength=(max(rows) + 1) * _BINS)
    return counts.reshape(-1, _BINS).tolist()


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
