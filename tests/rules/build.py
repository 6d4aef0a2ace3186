"""Hand-built measurements: a healthy chain of layers, and what to change in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headwater.records import (
    GainParts,
    HeadOp,
    HeadRecord,
    InputRecord,
    Layer,
    Measurement,
    OptimizerRecord,
    ParameterRecord,
    Profile,
    ProfilePoint,
    SpreadRecord,
    StepRecord,
    UnitsRecord,
)

DEPTH = 12


def chain(depth: int = DEPTH, gain: float = 1.0, **changes: Any) -> Measurement:
    """A plain chain whose layers each multiply the gradient by `gain`, and whose layers all move by 1e-3 a step."""
    signals = [gain ** (depth - 1 - i) for i in range(depth)]
    layers = tuple(
        Layer(
            name=f"fc{i + 1}",
            weight=f"fc{i + 1}.weight",
            kind="Linear",
            depth=i + 1,
            signal=signals[i],
            gain=gain if i else None,
            gain_parts=GainParts(1.0, gain, 1.0, 1.0) if i else None,
            toward=f"fc{i}" if i else None,
            update_ratio=1e-3,
            loss_share=1 / depth,
            shape=(64, 64),
            file="net.py",
            line=10 + i,
        )
        for i in range(depth)
    )
    measurement = Measurement(
        model="Chain",
        parameters_total=depth * 64 * 64,
        batch_size=32,
        batches=8,
        judged_steps=(3, 4, 5, 6, 7),
        steps=tuple(StepRecord(i, 2.3 - 0.01 * i) for i in range(8)),
        layers=layers,
        profile=profile(signals),
        parameters=tuple(weight(layer.name) for layer in layers),
        units=(),
        spreads=tuple(SpreadRecord(layer.name, layer.depth, 0.6) for layer in layers),
        inputs=(InputRecord("fc1", 1.0, 0.0, -3.0, 3.0, normalised=False),),
        head=HeadRecord(),
        optimizer=OptimizerRecord("SGD", (0.01,), given=True),
    )
    return replace(measurement, **changes)


def profile(signals: Sequence[float], **changes: Any) -> Profile:
    """The profile of a chain; its slope is that of its two ends, as it is for an even one."""
    points = tuple(ProfilePoint(f"fc{i + 1}", i + 1, signal) for i, signal in enumerate(signals))
    live = [p for p in points if p.signal > 0]
    slope = None
    if len(live) > 1:
        slope = (math.log(live[-1].signal) - math.log(live[0].signal)) / (live[-1].depth - live[0].depth)
    made = Profile(
        points=points,
        attenuation=signals[0] / signals[-1] if signals[-1] > 0 else None,
        slope=slope,
        gain=math.exp(-slope) if slope is not None else None,
        noise=0.3,
    )
    return replace(made, **changes)


def weight(module: str, **changes: Any) -> ParameterRecord:
    """The weight of a linear layer that gets a gradient and is trained."""
    made = ParameterRecord(
        name=f"{module}.weight",
        shape=(64, 64),
        module=module,
        trainable=True,
        gradient="nonzero",
        called=True,
        in_optimizer=True,
        norm=4.0,
        update_ratio=1e-3,
    )
    return replace(made, **changes)


def with_updates(measurement: Measurement, ratios: Sequence[float | None]) -> Measurement:
    """The same with other relative updates, first layer first; shares of the loss in proportion to their squares."""
    total = sum((r or 0.0) ** 2 for r in ratios) or 1.0
    layers = tuple(
        replace(layer, update_ratio=r, loss_share=None if r is None else r * r / total)
        for layer, r in zip(measurement.layers, ratios, strict=True)
    )
    return replace(measurement, layers=layers)


def with_layers(measurement: Measurement, **changes: Any) -> Measurement:
    """The same with a change to every layer."""
    return replace(measurement, layers=tuple(replace(layer, **changes) for layer in measurement.layers))


def with_parameters(measurement: Measurement, names: Sequence[str], **changes: Any) -> Measurement:
    """The same with a change to the weights of the modules named."""
    parameters = tuple(replace(p, **changes) if p.module in names else p for p in measurement.parameters)
    return replace(measurement, parameters=parameters)


def with_spreads(measurement: Measurement, spreads: Sequence[float]) -> Measurement:
    """The same with other spreads, first layer first."""
    return replace(measurement, spreads=tuple(SpreadRecord(f"fc{i + 1}", i + 1, s) for i, s in enumerate(spreads)))


def units(layer: str = "fc2", kind: str = "relu", **changes: Any) -> UnitsRecord:
    """The units of a hidden activation, all of them fit."""
    made = UnitsRecord(
        name=f"{layer}.act",
        kind=kind,
        role="hidden",
        units=100,
        samples=2048,
        dead=0,
        saturated=0,
        mean_square_slope=0.5,
        layer=layer,
    )
    return replace(made, **changes)


def head(*kinds: str, shape: tuple[int, ...] = (32, 10), **changes: Any) -> HeadRecord:
    """A head of operations in a row, from the loss downward, all but the loss of one shape."""
    ops = tuple(
        HeadOp(kind, "other", () if i == 0 else shape, (shape,), file="train.py", line=5)
        for i, kind in enumerate(kinds)
    )
    made = HeadRecord(ops=ops, output_shape=shape, output_min=-2.0, output_max=2.0, output_spread=0.5)
    return replace(made, **changes)


NAMES = tuple(f"fc{i + 1}" for i in range(DEPTH))
