"""What the theory predicts of a network, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["ordered", "critical", "chaotic"]


@dataclass(frozen=True)
class CriticalPoint:
    """An initialisation at the edge of chaos.

    Attributes:
        weight_variance, bias_variance: sigma_w^2 and sigma_b^2.
        stable: whether a network that starts there stays there; else its variance drifts away with depth.
    """

    weight_variance: float
    bias_variance: float
    stable: bool


@dataclass(frozen=True)
class PredictionRecord:
    """A plain network of `depth` layers, each a weight matrix and an activation, at initialisation.

    Attributes:
        activation: its name.
        init: the name of the initialisation, or the pair of its standard deviations.
        depth: number of layers.
        width: units of a layer.
        weight_variance: sigma_w^2; a weight has the variance ``sigma_w^2 / fan_in``.
        bias_variance: sigma_b^2.
        variances: mean square of the pre-activations of each layer, input to output.
        gains: norm gain of the gradient from each layer to the one before it, from layer 2 on: ``depth - 1`` of them.
        gain: their geometric mean.
        attenuation: their product: the gradient's norm at the first layer divided by that at the last.
        noise: standard deviation of ``ln attenuation`` in networks of this width.
        q: the variance that the pre-activations settle on in an endless network; zero where the signal dies out,
            infinite where it grows without end.
        stability: ``dq'/dq`` at q; ``None`` where q is zero or infinite.
        phase: at the variance q: ``"ordered"`` (the gradient vanishes, inputs become equal), ``"chaotic"`` (it
            explodes, like inputs become different) or ``"critical"``.
        depth_scale: xi_c, in layers: over it the network forgets which input it saw; infinite at the edge of chaos.
        gradient_depth_scale: layers over which the squared norm of the gradient changes by a factor e.
        trainable_depth: six depth scales.
        critical: the edge of chaos with the same bias variance, else the one without bias; ``None`` where neither is.
    """

    activation: str
    init: str
    depth: int
    width: int
    weight_variance: float
    bias_variance: float
    variances: tuple[float, ...]
    gains: tuple[float, ...]
    gain: float
    attenuation: float
    noise: float
    q: float
    stability: float | None
    phase: Phase
    depth_scale: float
    gradient_depth_scale: float
    trainable_depth: float
    critical: CriticalPoint | None


@dataclass(frozen=True)
class PhaseRecord:
    """The phase diagram of an activation.

    Attributes:
        activation: its name.
        weight_variances: the rows' sigma_w^2, ascending.
        bias_variances: the columns' sigma_b^2, ascending.
        trainable_depth: layers, row by row; infinite at the edge of chaos.
        gain: norm gain of the gradient per layer, row by row, at the variance that the pre-activations settle on.
        edge: the critical line, as far as the diagram shows it and a step beyond, by variance of the pre-activations.
    """

    activation: str
    weight_variances: tuple[float, ...]
    bias_variances: tuple[float, ...]
    trainable_depth: tuple[tuple[float, ...], ...]
    gain: tuple[tuple[float, ...], ...]
    edge: tuple[CriticalPoint, ...]
