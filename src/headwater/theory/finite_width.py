"""How far a network of finite width strays from the theory of infinite width."""

from __future__ import annotations

import math
from collections.abc import Iterable


def log_gain_deviation(widths: Iterable[int]) -> float:
    """Returns the standard deviation of the logarithm of a total norm gain: ``0.5 sqrt(5 sum_l 1 / N_l)``.

    For ReLU networks under He initialisation the logarithm of the squared norm is ``Normal(-b / 2, b)`` with
    ``b = 5 sum_l 1 / N_l`` (Hanin and Nica 2018, "Products of many large random matrices and gradients in deep neural
    networks"; Hanin 2018, "Which neural net architectures give rise to exploding and vanishing gradients?"). Smoother
    activations fluctuate less, so that two of these deviations are a cautious floor of noise.

    Args:
        widths: units of each layer that the gradient passes.
    """
    return 0.5 * math.sqrt(5.0 * sum(1.0 / width for width in widths))
