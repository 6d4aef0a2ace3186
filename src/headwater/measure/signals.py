"""The forward signal at the inputs of the layers: what the data bring in, and how much of it survives."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

import torch

from headwater.graph import Graph, GraphOp
from headwater.graph.kinds import DATA_SLOT, NORMALISATIONS
from headwater.measure.norms import dense, frobenius
from headwater.measure.saved import layer_input
from headwater.measure.units import applies_weight
from headwater.records import InputRecord, Layer, SpreadRecord

_CLEAR = 0.01
"""A squared spread above it is right to a thousandth of itself: norms of many random numbers are right to 2e-6."""


class Signals:
    """Collects spreads and input statistics, pass after pass."""

    def __init__(self) -> None:
        self._spreads: dict[str, list[float]] = {}
        self._inputs: dict[str, InputRecord] = {}
        self._varying: set[str] = set()
        self._pass_spreads: dict[int, float] = {}
        self._pass_inputs: dict[int, tuple[float, float, float, float]] = {}

    def observe(self, op: GraphOp) -> None:
        """Reads the input of one layer, while its saved tensors can still be read."""
        if not applies_weight(op):
            return
        tensor = layer_input(op)
        if tensor is None or not tensor.is_floating_point() or tensor.dim() < 2:
            return
        if tensor.shape[0] > 1:
            self._pass_spreads[op.index] = spread(tensor)
        if DATA_SLOT.get(op.kind) in op.outside:
            self._pass_inputs[op.index] = _range(tensor)

    def attribute(self, graph: Graph, names: Mapping[int, str], *, finite: bool) -> None:
        """Files what this pass showed under the layers' names; nothing when its loss was not finite."""
        if not finite:
            self._pass_spreads, self._pass_inputs = {}, {}
            return
        normalised = _feeds_normalisation(graph)
        for index, value in self._pass_spreads.items():
            self._spreads.setdefault(names[index], []).append(value)
        for index, numbers in self._pass_inputs.items():
            record = InputRecord(names[index], *numbers, normalised[index])
            if self._inputs.setdefault(names[index], record) != record:
                self._varying.add(names[index])
        self._pass_spreads, self._pass_inputs = {}, {}

    def spreads(self, layers: tuple[Layer, ...]) -> tuple[SpreadRecord, ...]:
        """Returns the median spread at the input of each layer, input to output."""
        return tuple(
            SpreadRecord(layer.name, layer.depth, statistics.median(self._spreads[layer.name]))
            for layer in layers
            if layer.name in self._spreads
        )

    def inputs(self) -> tuple[InputRecord, ...]:
        """Returns what each layer that reads the data received in the first pass.

        What is the same for every batch is no data (a grid of positions, a mask), where several batches can tell.
        """
        return tuple(r for r in self._inputs.values() if not self._varying or r.layer in self._varying)


def spread(tensor: torch.Tensor) -> float:
    """Returns ``R = |h - mean over the batch|_F / |h|_F`` of a tensor whose first dimension is the batch.

    ``R^2 = 1 - n |mean|^2 / |h|^2`` takes half of the time, and loses every digit once R is below 1e-4: where R is
    small the centred tensor is formed explicitly.
    """
    tensor = dense(tensor)
    numbers = tensor if tensor.dtype is torch.float64 else tensor.float()
    norm = frobenius(numbers)
    if not norm > 0:
        return 0.0
    mean = numbers.mean(dim=0, keepdim=True)
    square = 1.0 - len(numbers) * (frobenius(mean) / norm) ** 2
    return math.sqrt(square) if square > _CLEAR else frobenius(numbers - mean) / norm


def _range(tensor: torch.Tensor) -> tuple[float, float, float, float]:
    rms = frobenius(tensor) / max(tensor.numel(), 1) ** 0.5
    low, high = tensor.aminmax()
    return rms, float(tensor.float().mean()), float(low), float(high)


def _feeds_normalisation(graph: Graph) -> list[bool]:
    """Whether what leaves each operation is normalised before the next layer."""
    normalised = [False] * len(graph.ops)
    for op in graph.ops:
        onward = op.kind in NORMALISATIONS or (normalised[op.index] and not applies_weight(op))
        for _, to in op.edges:
            normalised[to] = normalised[to] or onward
    return normalised
