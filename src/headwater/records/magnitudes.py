"""How large the numbers of a layer are, power of two by power of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantity = Literal["gradient", "weight", "activation"]
"""The gradient with respect to the layer's output, the weight that it applies, and what it applies it to."""


@dataclass(frozen=True)
class MagnitudesRecord:
    """A histogram of ``floor(log2 |x|)`` over an evenly spaced sample of the numbers of one layer.

    Of what is distributed over processes it is that of the part in this one.

    Attributes:
        layer, quantity: of what.
        lowest: the power of two of the first bin; a bin holds ``2^k <= |x| < 2^(k+1)``.
        counts: of the sample's numbers in each bin, from `lowest` on; empty where all are zero or not finite.
        zeros: of the sample's numbers that are exactly zero.
        non_finite: of those that are infinite or NaN.
    """

    layer: str
    quantity: Quantity
    lowest: int
    counts: tuple[int, ...]
    zeros: int = 0
    non_finite: int = 0
