"""Hand-built measurements and findings, for tests of everything that reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headwater.records import (
    CostlyLine,
    Explanation,
    Finding,
    GainParts,
    HeadRecord,
    Layer,
    Measurement,
    OptimizerRecord,
    ParameterRecord,
    PartExplained,
    Profile,
    ProfilePoint,
    Severity,
    SourceLine,
    StepRecord,
    Where,
)


def layer(
    name: str = "0", depth: int = 1, signal: float | None = 1.0, gain: float | None = None, **other: Any
) -> Layer:
    """A layer; without `gain_parts` a gain is due to the weights."""
    if gain is not None and "gain_parts" not in other:
        other["gain_parts"] = GainParts(1.0, gain, 1.0, 1.0)
    defaults: dict[str, Any] = {
        "kind": "Linear",
        "weight": f"{name}.weight",
        "shape": (64, 64),
        "update_ratio": 1e-3,
        "weight_norm": 4.6,
    }
    return Layer(name=name, depth=depth, signal=signal, gain=gain, **(defaults | other))


def chain(signals: Sequence[float], activation: float = 1.0, prefix: str = "") -> tuple[Layer, ...]:
    """Layers one above the other, input to output, with these gradients; `activation` is that part of each gain."""
    found: list[Layer] = []
    for i, signal in enumerate(signals):
        gain = signals[i - 1] / signal if i and signal else None
        parts = GainParts(activation, gain / activation, 1.0, 1.0) if gain is not None else None
        toward = f"{prefix}{i - 1}" if i else None
        made = layer(f"{prefix}{i}", i + 1, signal, gain, gain_parts=parts, toward=toward, loss_share=1 / len(signals))
        found.append(replace(made, file="train.py", line=12 + i))
    return tuple(found)


def profile(points: Sequence[ProfilePoint], **other: Any) -> Profile:
    """A profile whose gain is that between its ends."""
    attenuation = points[0].signal / points[-1].signal if len(points) > 1 and points[-1].signal else None
    slope = None
    if attenuation and math.isfinite(attenuation):
        slope = -math.log(attenuation) / (points[-1].depth - points[0].depth)
    gain = None if slope is None else math.exp(-slope)
    return replace(Profile(tuple(points), attenuation, slope, gain, noise=0.5), **other)


def measurement(layers: Sequence[Layer] = (), **other: Any) -> Measurement:
    """A measurement of these layers; all that lie in no branch form the trunk, unless a profile is given."""
    points = [ProfilePoint(each.name, each.depth, each.signal or 0.0) for each in layers if not each.branch]
    parameters = [
        ParameterRecord(each.weight, each.shape, each.name, True, "nonzero", True, True, 4.6, each.update_ratio)
        for each in layers
    ]
    defaults: dict[str, Any] = {
        "model": "Sequential",
        "parameters_total": sum(math.prod(each.shape) for each in layers),
        "batch_size": 64,
        "batches": 9,
        "judged_steps": (3, 4, 5, 6, 7),
        "steps": tuple(StepRecord(i, 2.31 - 0.01 * i) for i in range(8)),
        "layers": tuple(layers),
        "profile": profile(points),
        "parameters": tuple(parameters),
        "units": (),
        "spreads": (),
        "inputs": (),
        "head": HeadRecord(),
        "optimizer": OptimizerRecord("SGD", (0.01,), given=True),
        "versions": {"torch": "2.6.0", "python": "3.11.2"},
    }
    return Measurement(**(defaults | other))


def vanishing(depth: int = 50, gain: float = 0.141) -> Measurement:
    """A chain of sigmoid layers: a quarter of the gradient passes each activation at best."""
    signals = [1.3 * gain ** (depth - 1 - i) for i in range(depth)]
    return measurement(chain(signals, activation=0.24))


def residual(blocks: int = 4) -> Measurement:
    """A healthy residual network: a stem, blocks of two layers in a branch, a head; 10 layers for 4 blocks."""
    stem = layer("stem", 1, 1.05, kind="Conv2d", weight="stem.weight", update_ratio=2e-3)
    layers, points = [stem], [ProfilePoint("stem", 1, 1.05)]
    for i in range(blocks):
        low, high, stream = 2 + 2 * i, 3 + 2 * i, 1.04 - 0.01 * i
        parts = GainParts(0.71, 1.36, 1.02, 1.0)
        convs = [
            layer(f"blocks.{i}.conv1", low, 0.41, 1.9, branch=True, stream=stream, toward="stem", kind="Conv2d"),
            layer(f"blocks.{i}.conv2", high, 0.42, 0.985, branch=True, stream=stream, gain_parts=parts, kind="Conv2d"),
        ]
        layers += convs
        points.append(ProfilePoint(f"blocks.{i}@{high}", high, stream, is_layer=False, normalised=True))
    top = 2 + 2 * blocks
    layers.append(layer("head", top, 0.9, 1.12, toward=f"blocks.{blocks - 1}.conv2"))
    points.append(ProfilePoint("head", top, 0.9))
    return measurement(layers, model="ResNet", profile=profile(points))


def finding(
    code: str = "HW101", name: str = "vanishing-gradient", severity: Severity = "error", **other: Any
) -> Finding:
    """A finding as the rule for vanishing gradients words it."""
    defaults: dict[str, Any] = {
        "where": Where("0", ("0",), "train.py", 12),
        "message": "Of the gradient that reaches 49, a share of 2.1e-42 arrives at 0: each layer keeps 14 %.",
        "cause": "A layer on average: the activation keeps 24 % of the gradient, the weights 59 %. As a result the "
        "lower third moves 1.9e-30 times as far as the upper.",
        "evidence": {
            "attenuation": 2.1e-42,
            "noise": 0.5,
            "points": 50,
            "gain per layer": 0.141,
            "activation gain": 0.24,
            "weights gain": 0.5875,
            "update contrast": 1.9e-30,
        },
        "remedies": ("activation-swap", "residual", "normalisation"),
    }
    return Finding(code, name, severity, **(defaults | other))


def explanation(**other: Any) -> Explanation:
    """The account of `vanishing`, with the lines of its parts."""
    built = SourceLine("train.py", 8)
    parts = (PartExplained("activation", 0.24, 0.245, 0.73), PartExplained("weights", 0.5875, 0.577, 0.27))
    lines = (
        CostlyLine("sigmoid", "activation", tuple(f"{i}" for i in range(49)), 0.24, 0.73, built, "train.py", 12),
        CostlyLine("Linear", "weights", ("7",), 0.31, 0.02, None, "train.py", 19),
    )
    made = Explanation(49, 0.141, 0.1414, parts, lines, 0.354, 1.53, 2.1e-42, 4.4e-84)
    return replace(made, **other)


def findings() -> tuple[Finding, ...]:
    """A vanishing gradient, explained, and two findings that follow from it."""
    collapsed = finding(
        "HW103",
        "collapsed-signal",
        "warning",
        message="Of the spread between samples, 3.1e-9 is left at 49: the last layers see one input.",
        where=Where("49", ("49",), "train.py", 61),
        under="HW101",
    )
    saturated = finding(
        "HW302",
        "saturated-units",
        "warning",
        message="64 of 64 units of 1 are saturated.",
        where=Where("1", ("1", "3", "5"), "train.py", 13),
        under="HW101",
    )
    return (finding(explanation=explanation()), collapsed, saturated)
