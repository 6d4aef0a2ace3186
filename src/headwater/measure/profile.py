"""The gradient along the trunk: the places on its way to the first layer that it cannot go around."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from scipy import stats

from headwater.measure.layers import Use, width
from headwater.measure.structure import Structure, is_layer
from headwater.records import Profile, ProfilePoint, Trace


def profile(trace: Trace, structure: Structure, used: tuple[Use, ...]) -> Profile:
    """Returns the profile of the trunk that leads to the deepest first layer."""
    return summarise(places(trace, structure, used))


def places(trace: Trace, structure: Structure, used: tuple[Use, ...]) -> Profile:
    """Returns the places along the trunk that leads to the deepest first layer, without what `summarise` adds.

    Points are the layers on the trunk and, between them, the places where branches meet (one for each depth).
    A weight that is used again along the trunk (a loop) stands at its use nearest the loss only.
    """
    names = {use.op: use.layer for use in used}
    bottom = _deepest_start(trace, structure)
    path = structure.trunk(bottom) if bottom is not None else []
    points, recurrent = _points(trace, structure, path, names)
    lost = [i for i in reversed(path) if trace.ops[i].underflow]
    place = (
        next((names[i] for i in lost if i in names), trace.ops[lost[0]].module or trace.ops[lost[0]].kind)
        if lost
        else None
    )
    return Profile(
        tuple(points),
        attenuation=None,
        slope=None,
        gain=None,
        noise=noise(trace, path),
        recurrent=recurrent,
        underflow_at=place,
    )


def summarise(record: Profile) -> Profile:
    """Adds attenuation and the Theil-Sen slope (Sen 1968) of ``ln signal`` against depth."""
    points = record.points
    live = [(p.depth, math.log(p.signal)) for p in points if p.signal > 0 and math.isfinite(p.signal)]
    slope = None
    if len({depth for depth, _ in live}) > 1:
        slope = float(cast(Any, stats).theilslopes([s for _, s in live], [d for d, _ in live])[0])
    attenuation = None
    if len(points) > 1 and points[-1].signal > 0:
        attenuation = points[0].signal / points[-1].signal
    gain = math.exp(-slope) if slope is not None else None
    return replace(record, attenuation=attenuation, slope=slope, gain=gain)


def noise(trace: Trace, path: Sequence[int]) -> float:
    """Standard deviation of ``ln attenuation`` at random initialisation: ``0.5 sqrt(5 sum_l 1 / N_l)``.

    Hanin and Nica 2018, "Products of many large random matrices and gradients in deep neural networks" (for ReLU and
    fully connected layers of N_l units); channels stand for units in convolutions, which errs on the cautious side.
    """
    widths = [width(trace.ops[i]) for i in path if is_layer(trace.ops[i])][1:]  # the output's own width adds nothing
    return 0.5 * math.sqrt(5.0 * sum(1.0 / n for n in widths if n > 0))


def _deepest_start(trace: Trace, structure: Structure) -> int | None:
    """The layer on the longest path that has no layer below it."""
    index = 0
    if not trace.ops or structure.depth[0] == 0:
        return None
    last_layer: int | None = None
    while True:
        if is_layer(trace.ops[index]):
            last_layer = index
        edges = [edge for edge in trace.ops[index].edges if structure.depth[edge.to] > 0]
        if not edges:
            return last_layer
        index = max(edges, key=lambda e: (structure.depth[e.to], e.norm)).to


def _points(
    trace: Trace, structure: Structure, path: list[int], names: dict[int, str]
) -> tuple[list[ProfilePoint], bool]:
    """Points input to output, from a path that runs from the first layer to the loss."""
    normalised = _normalised_depths(trace, structure)
    points: dict[str, ProfilePoint] = {}
    depths: set[int] = set()
    recurrent = False
    for index in reversed(path):  # loss to input, so that the use nearest the loss comes first
        op, depth = trace.ops[index], structure.depth[index]
        meets = len(structure.sources[index]) > 1
        if is_layer(op):
            name = names[index]
            recurrent = recurrent or name in points
        elif meets and depth > 0 and depth not in depths and depth < _top(trace, structure, path):
            name = f"{op.module or op.kind}@{depth}"
        else:
            continue
        depths.add(depth)
        points.setdefault(name, ProfilePoint(name, depth, op.norm_in, is_layer(op), depth in normalised))
    ordered = sorted(points.values(), key=lambda p: p.depth)
    return _without_stream_beside_layers(ordered), recurrent


def _top(trace: Trace, structure: Structure, path: list[int]) -> int:
    """Depth of the last layer on the trunk; what meets above it belongs to the loss."""
    tops = [structure.depth[i] for i in path if is_layer(trace.ops[i])]
    return max(tops) if len(tops) > 1 else structure.depth[0] + 1


def _without_stream_beside_layers(points: list[ProfilePoint]) -> list[ProfilePoint]:
    """Drops points of the stream at a depth where a layer of the trunk stands as well."""
    taken = {p.depth for p in points if p.is_layer}
    return [p for p in points if p.is_layer or p.depth not in taken]


def _normalised_depths(trace: Trace, structure: Structure) -> set[int]:
    return {structure.depth[op.index] for op in trace.ops if op.role == "normalisation"}
