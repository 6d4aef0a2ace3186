"""Networks of blocks with a way around: the gradient's norm at the first block over that at the last.

Branches are taken as initialised to keep the variance: ``E[f(x)^2] = E[x^2]``. The gradients on the two ways are
uncorrelated, so their squares add up (Yang and Schoenholz 2017, "Mean field residual networks: on the edge of chaos").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from headwater.theory.activations import Activation, activation
from headwater.theory.gaussian import mean, second_moment, slope


def residual_gain(blocks: int, scale: float = 1.0, branch_gain: float = 1.0) -> float:
    """Returns the total norm gain of ``x + scale * f(x)``, without normalisation: ``(1 + (scale g)^2)^(L / 2)``.

    With a scale of ``1 / sqrt(L)`` it stays below sqrt(e); with zero (SkipInit, De and Smith 2020; ReZero, Bachlechner
    et al. 2020; Fixup, Zhang et al. 2019) it is one.

    Args:
        blocks: their number L.
        scale: what the branch is multiplied by.
        branch_gain: norm gain g of the branch; one for weights that keep variance with ReLU.
    """
    return (1.0 + (scale * branch_gain) ** 2) ** (0.5 * blocks)


def pre_norm_residual_gain(
    blocks: int,
    normalisation: Literal["layer", "batch"] = "layer",
    what: str | Activation | Callable[..., Any] = "relu",
) -> float:
    """Returns the total norm gain of ``x + W2 phi(W1 norm(x))``: a power of the depth, where plain blocks explode.

    The stream's variance q grows by v per block, and the normalisation divides the branch's gradient by sqrt(q), so
    that the squared gain of a block is ``1 + g^2 / q``. With LayerNorm v = 1, and ReLU's total is ``sqrt(L + 1)``.
    BatchNorm subtracts the part that all samples share: v is the share ``Var[phi] / E[phi^2]`` of the branch's output.
    """
    phi = activation(what)
    moment = second_moment(phi, 1.0)
    squared = slope(phi, 1.0) ** 2 / moment
    growth = 1.0 if normalisation == "layer" else 1.0 - mean(phi, 1.0) ** 2 / moment
    return math.exp(0.5 * sum(math.log1p(squared / (1.0 + growth * block)) for block in range(blocks)))


def highway_gain(gate_bias: float) -> float:
    """Returns the gain per block of a highway network: ``1 - sigmoid(b_T)``, what its carry gate leaves through.

    Srivastava, Greff and Schmidhuber 2015, "Training very deep networks". The way through the transform adds little
    while the bias of its gate is clearly negative.
    """
    return 1.0 / (1.0 + math.exp(gate_bias))
