"""Layers and the profile that they form."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headwater.records.source import SourceLine


@dataclass(frozen=True)
class GainParts:
    """How the parts of a layer multiply to its gain: ``activation * weights * normalisation * other``.

    ``other`` holds what is neither: sums where branches meet, pooling, dropout, attention, slices.
    """

    activation: float
    weights: float
    normalisation: float
    other: float


@dataclass(frozen=True)
class Layer:
    """The operations that apply one weight.

    Attributes:
        name: path of the module that owns the weight (or of the weight itself, when a module owns several).
        kind: what applies the weight, e.g. ``"Linear"``, ``"Conv2d"``, ``"Embedding"``, ``"LSTM"``.
        depth: number of layers on the longest path from the input to this one, from 1.
        signal: Frobenius norm, over the whole batch, of the gradient with respect to the layer's output.
        gain: signal of the next layer toward the input (named by `toward`) divided by the signal of this one;
            ``None`` for a layer that has none below it, or that no gradient reaches.
        gain_parts: the factors of `gain`.
        predicted_gain, predicted_parts: what theory says of them, from the norms of the weights and the mean and the
            variance of what enters each activation; ``None`` where it has no formula (attention, where branches meet).
        toward: name of that next layer.
        update_ratio: ``|change of the weight in one optimizer step, less weight decay| / |weight|``; ``None`` when
            the weight is frozen or its rate is zero.
        loss_share: the layer's share of the first-order decrease of the loss on a fresh batch; the shares of all
            layers sum to one in absolute value; negative where the update raises the loss.
        branch: whether another path leads around the layer (it lies in a residual or parallel branch).
        stream: for a layer in a branch, norm of the gradient on the stream where the branch rejoins it.
        rejoins: whether it is the last layer of a branch: its output, or what follows it, is added to the stream.
        zero_initialised: whether the layer stands in a branch (or under a head) that a weight of zeros cuts off at
            the first step, by design.
        weight: name of the parameter that it applies.
        trainable: whether its weight asks for a gradient.
        calls: how often the weight is applied in one forward pass.
        weight_norm: Frobenius norm of the weight.
        shape: shape of the weight.
        activation: kind of the activation that follows it nearest, as in `UnitsRecord`; ``None`` where none does before
            the next layer, or before its output is added to another.
        underflow: whether the gradient that reaches it is lost in its dtype's rounding, or to exact zero.
        file, line: the user's source line that applies it, when known.
        called_inside: the line of the library that applies it for the user, when one does.
        built: the user's source line that built it, when known.
        built_inside: the line of the library that built it for the user, when one did.
    """

    name: str
    kind: str
    depth: int
    signal: float | None
    gain: float | None = None
    gain_parts: GainParts | None = None
    predicted_gain: float | None = None
    predicted_parts: GainParts | None = None
    toward: str | None = None
    update_ratio: float | None = None
    loss_share: float | None = None
    branch: bool = False
    stream: float | None = None
    rejoins: bool = False
    zero_initialised: bool = False
    weight: str = ""
    trainable: bool = True
    calls: int = 1
    weight_norm: float | None = None
    shape: tuple[int, ...] = ()
    activation: str | None = None
    underflow: bool = False
    file: str | None = None
    line: int | None = None
    called_inside: SourceLine | None = None
    built: SourceLine | None = None
    built_inside: SourceLine | None = None


@dataclass(frozen=True)
class ProfilePoint:
    """A place that the gradient must pass on its way to the first layer.

    Attributes:
        name: the layer, or the module whose output it is where branches meet.
        depth: as in `Layer`.
        signal: Frobenius norm of the gradient there.
        is_layer: whether it is a layer or a point of the stream between blocks.
        normalised: whether a normalisation stands between this point and the next one toward the input.
    """

    name: str
    depth: int
    signal: float
    is_layer: bool = True
    normalised: bool = False


@dataclass(frozen=True)
class Profile:
    """The gradient along the trunk: the places that it cannot go around, from the input to the output.

    Attributes:
        points: the places, input to output.
        attenuation: signal at the first point divided by the signal at the last; below one, the gradient vanishes.
        slope: Theil-Sen slope of ``ln signal`` against depth, per layer; negative when the gradient grows toward
            the input, positive when it vanishes.
        gain: ``exp(-slope)``, the robust gain per layer toward the input.
        noise: standard deviation of ``ln attenuation`` that a network of these widths shows by chance.
        recurrent: whether a weight is used more than once along the trunk (a loop over time or over depth).
        underflow_at: name of the point, seen from the output, from which on the gradient is lost to rounding.
    """

    points: tuple[ProfilePoint, ...]
    attenuation: float | None
    slope: float | None
    gain: float | None
    noise: float
    recurrent: bool = False
    underflow_at: str | None = None

    @property
    def per_layer(self) -> float | None:
        """`gain` where it speaks for the chain: over the depth it makes up the attenuation, but for half of ``ln A``.

        The typical layer of a network with a few costly places (bottlenecks, branches that meet) says nothing of them.
        """
        if self.gain is None or not self.attenuation or self.underflow_at or not math.isfinite(self.attenuation):
            return self.gain
        lost = math.log(self.attenuation)
        compounded = (self.points[-1].depth - self.points[0].depth) * math.log(self.gain)
        return self.gain if abs(compounded - lost) <= 0.5 * abs(lost) else None
