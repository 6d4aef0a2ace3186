"""The units of each activation over many samples: which never have a slope, and which hardly have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import torch

from headwater.graph import Graph, GraphOp, Owners
from headwater.graph.kinds import WEIGHTED
from headwater.measure.gates import LIKE_THE_GATE, weighs
from headwater.measure.norms import dense
from headwater.measure.slopes import EXACT, ONE_SIDED, SLOPES, slope
from headwater.records import Trace, UnitsRecord

SATURATED = 0.01
"""A unit is saturated when ``E[phi'^2] / max phi'^2`` is below this: it passes less than a tenth of the gradient."""

OFF = 0.01
"""A unit of a one-sided activation is flat on a sample when its slope is below this share of the largest. With a tenth
networks that Adam trains well would count (measured: three layers of SiLU with biases of -3); at a hundredth a unit is
as good as dead."""

_ENOUGH = 4096
"""Samples of one pass that a smooth activation is judged on; slopes that are exactly zero are looked for on all."""

_LARGE = 2**16
"""Truth values from which on adding eight at once takes less time than converting them (measured on one core)."""
_LANES, _BYTE = 8, 255
"""Bytes of an integer of 64 bits, and the largest number that a byte holds."""


@dataclass
class _Tally:
    """Running sums over samples, by unit."""

    name: str
    kind: str
    role: str
    squares: torch.Tensor
    alive: torch.Tensor
    steep: torch.Tensor
    seen: int = 0
    samples: int = 0
    layers: dict[str, None] = field(default_factory=dict[str, None])
    file: str | None = None
    line: int | None = None


Key = tuple[str, str, int, str]
"""Module path, kind, number among those of its kind in one call of the module, and role."""


class Units:
    """Adds up the slopes of every activation, pass after pass: `prepare`, then `observe` each operation."""

    def __init__(self) -> None:
        self._tallies: dict[Key, _Tally] = {}
        self._keys: dict[int, Key] = {}
        self._roles: list[str] = []
        self._feeders: list[Feeder] = []
        self._fresh = True

    def prepare(self, graph: Graph, places: Callable[[GraphOp], tuple[str, int]], *, fresh: bool) -> None:
        """Reads a new graph.

        Args:
            graph: of this forward pass.
            places: gives module path and call number of an operation.
            fresh: whether the batch was not seen before; samples seen twice count once.
        """
        self._fresh = fresh
        self._feeders = feeders(graph)
        self._roles = roles(graph)
        self._keys = {}
        numbers: Counter[tuple[str, int, str]] = Counter()
        for op in reversed(graph.ops):  # input to output, as a reader numbers them
            if op.kind in SLOPES:
                path, call = places(op)
                self._keys[op.index] = (path, op.kind, numbers[path, call, op.kind], self._roles[op.index])
                numbers[path, call, op.kind] += 1

    def observe(self, op: GraphOp) -> None:
        """Adds one activation's slopes, while its saved tensors can still be read."""
        key = self._keys.get(op.index)
        if key is None:
            return
        images = self._feeders[op.index].channels_first
        found = _sums(op, channels_first=images)
        if found is None:
            return
        squares, steepest, seen = found
        tally = self._tallies.get(key)
        if tally is None or tally.squares.shape != squares.shape:
            zeros = torch.zeros_like(squares)
            tally = _Tally(_name(key), op.kind, key[-1], zeros, zeros.bool(), zeros.bool())
            self._tallies[key] = tally
        tally.squares += squares
        tally.alive |= ~(steepest == 0)  # what is not a number is not dead
        tally.steep |= ~(steepest <= OFF)
        tally.seen += seen
        tally.samples += seen if self._fresh else 0

    def look(self, graph: Graph, learned: Owners) -> None:
        """Adds the slopes of a forward pass over new samples that has no backward pass."""
        self.prepare(graph, lambda op: learned.module(op.node) if op.kind != "Input" else ("", 0), fresh=True)
        for op in graph.ops:
            self.observe(op)

    def attribute(self, trace: Trace, names: Mapping[int, str]) -> None:
        """Adds the names of the feeding layers and source lines from the trace of the same pass."""
        for index, key in self._keys.items():
            if key in self._tallies:
                tally, feeder = self._tallies[key], self._feeders[index].layer
                if feeder is not None and feeder in names:
                    tally.layers[names[feeder]] = None
                tally.file = trace.ops[index].file or tally.file
                tally.line = trace.ops[index].line or tally.line

    def records(self) -> tuple[UnitsRecord, ...]:
        """Returns one record an activation, input to output."""
        return tuple(_record(tally) for tally in self._tallies.values() if tally.seen)[::-1]


def _sums(op: GraphOp, *, channels_first: bool) -> tuple[torch.Tensor, torch.Tensor, int] | None:
    """Sum of the squared slopes of each unit and its steepest, over so many samples; ``None`` where there are none.

    A slope that is one or zero is only counted, in the layout that it has.
    """
    if op.kind not in EXACT:
        found = slope(op, partial(_samples, channels_first=channels_first, most=_ENOUGH))
        if found is None or found.dim() < 2:
            return None
        by_unit = found.flatten(end_dim=-2)
        squares, steepest = by_unit.square().sum(dim=0, dtype=torch.float64), by_unit.abs().amax(dim=0)
        return squares.cpu(), steepest.cpu(), by_unit.shape[0]
    active = slope(op, dense)
    if active is None or active.dim() < 2:
        return None
    units = 1 if channels_first and active.dim() > 2 else active.dim() - 1
    positions = [dim for dim in range(1, active.dim()) if dim != units]
    samples = active.numel() // max(1, active.shape[units])
    count = _true_of_batch(active)
    if positions:
        count = count.sum(dim=[dim - 1 for dim in positions])  # exact, up to 2^24 samples of a unit
    count = count.cpu().double()
    return count, count, samples


def _true_of_batch(mask: torch.Tensor) -> torch.Tensor:
    """How often each element is true over the first dimension, as float32 of shape ``mask.shape[1:]``.

    Activations of images are large, and counting is most of what looking at them costs. So eight truth values, which
    lie in a byte each, are added as one integer of 64 bits. A byte holds the sum of 255: so many rows go together.
    """
    if mask.numel() < _LARGE or mask[:1].numel() % _LANES or not mask.is_contiguous():
        return mask.float().sum(dim=0)
    rows = mask.flatten(1).view(torch.int64)
    sums = [rows[at : at + _BYTE].sum(dim=0).view(torch.uint8).float() for at in range(0, len(rows), _BYTE)]
    return torch.stack(sums).sum(dim=0).view(mask.shape[1:])


def _samples(tensor: torch.Tensor, *, channels_first: bool, most: int) -> torch.Tensor:
    """Lays units out along the last dimension; leaves positions out, evenly, where there are far more than `most`."""
    tensor = dense(tensor)
    if tensor.dim() < 2:
        return tensor
    moved = tensor.movedim(1 if channels_first and tensor.dim() > 2 else -1, -1)
    if moved.dim() < 3:
        return moved
    stride = max(1, moved[..., 0].numel() // most)
    return moved[:, ::stride]


def _name(key: Key) -> str:
    path, kind, number, _ = key
    return (path or kind.lower()) + (f"#{number}" if number else "")


def _record(tally: _Tally) -> UnitsRecord:
    mean_squares = tally.squares / tally.seen
    dead = ~tally.alive
    flat = ~tally.steep if tally.kind in ONE_SIDED else mean_squares < SATURATED
    return UnitsRecord(
        name=tally.name,
        kind=tally.kind.lower(),
        role=tally.role,
        units=len(mean_squares),
        samples=tally.samples,
        dead=int(dead.sum()),
        saturated=int(flat.sum()),
        mean_square_slope=float(mean_squares.mean()),
        layer=next(reversed(tally.layers), None),
        layers=tuple(tally.layers),
        file=tally.file,
        line=tally.line,
        dead_units=_indices(dead),
        saturated_units=_indices(flat),
    )


def _indices(mask: torch.Tensor) -> tuple[int, ...]:
    return tuple(cast("list[int]", mask.nonzero().flatten().tolist()))


@dataclass(frozen=True)
class Feeder:
    """The layer nearest below an operation, and whether units lie along dimension 1 (an image's channels)."""

    layer: int | None
    channels_first: bool


def feeders(graph: Graph) -> list[Feeder]:
    """Returns the feeder of each operation."""
    found = [Feeder(None, False)] * len(graph.ops)
    for op in reversed(graph.ops):
        if applies_weight(op):
            found[op.index] = Feeder(op.index, op.kind.endswith("Convolution"))
            continue
        below = next((found[to] for _, to in op.edges if found[to].layer is not None), Feeder(None, False))
        moved = op.kind in ("Permute", "Transpose", "Movedim")
        found[op.index] = Feeder(below.layer, below.channels_first and not moved)
    return found


def applies_weight(op: GraphOp) -> bool:
    """Whether the operation applies a weight matrix: it is, or is part of, a layer."""
    return op.kind in WEIGHTED and any(parameter.dim() > 1 for parameter in op.parameters)


def roles(graph: Graph) -> list[str]:
    """Tells gates (they multiply or weigh another signal) and outputs (no layer above) from hidden activations."""
    consumers: list[list[tuple[GraphOp, int]]] = [[] for _ in graph.ops]
    below_layer = [False] * len(graph.ops)
    for op in graph.ops:
        for slot, to in op.edges:
            consumers[to].append((op, slot))
            below_layer[to] = below_layer[to] or below_layer[op.index] or applies_weight(op)
    gates = [False] * len(graph.ops)
    for op in graph.ops:
        gates[op.index] = any(_gated(user, gates) for user, _ in consumers[op.index])
    return [
        "output" if not below else "gate" if gate or weighs(op, consumers) else "hidden"
        for op, below, gate in zip(graph.ops, below_layer, gates, strict=True)
    ]


def _gated(consumer: GraphOp, gates: list[bool]) -> bool:
    """A product of two signals, reached directly, through a new layout, or as ``1 - gate``."""
    if consumer.kind == "Mul" and len(consumer.edges) > 1:
        return True
    return gates[consumer.index] and consumer.kind in LIKE_THE_GATE
