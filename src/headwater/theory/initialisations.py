"""What an initialisation means to the theory: the variance of weights and biases."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from headwater.errors import InputError

WIDTH = 1000
"""Units of a layer where nothing else is said; only the variance of PyTorch's default bias depends on it."""


@dataclass(frozen=True)
class Initialisation:
    """How weights and biases are drawn.

    Attributes:
        name: what it is called.
        weight_variance: ``sigma_w^2``; a weight has the variance ``sigma_w^2 / fan_in``.
        bias_variance: ``sigma_b^2``, the variance of a bias.
    """

    name: str
    weight_variance: float
    bias_variance: float


_VARIANCES = {"default": 1.0 / 3.0, "xavier": 1.0, "he": 2.0, "lecun": 1.0, "orthogonal": 1.0}
_ALIASES = {"pytorch": "default", "torch": "default", "glorot": "xavier", "kaiming": "he", "isometric": "orthogonal"}


def initialisation(what: str | Sequence[float] | Initialisation, *, width: int = WIDTH) -> Initialisation:
    """Returns the initialisation that is meant, for layers of `width` units.

    ======================= =========== ==============================================================================
    name                    sigma_w^2   what it is
    ======================= =========== ==============================================================================
    ``default``             1/3         PyTorch's Linear and Conv: weights and biases from U(+-1/sqrt(fan_in)), so that
                                        ``sigma_b^2 = 1 / (3 width)``
    ``xavier``              1           Glorot and Bengio 2010, ``2 / (fan_in + fan_out)``, where both are `width`
    ``lecun``               1           LeCun, Bottou, Orr and Mueller 1998, ``1 / fan_in``
    ``orthogonal``          1           Saxe, McClelland and Ganguli 2013: orthogonal with a gain of one
    ``he``                  2           He, Zhang, Ren and Sun 2015, ``2 / fan_in``, whatever the activation
    ======================= =========== ==============================================================================

    Biases are zero but in the first. ``he`` is ``kaiming_normal_(weight)`` as it is called most, with its gain of
    sqrt(2) for ReLU. With ``nonlinearity="tanh"`` PyTorch takes a gain of 5/3: that is the pair ``(5 / 3, 0)``; so
    is ``orthogonal_(weight, gain)`` the pair ``(gain, 0)``.

    Args:
        what: a name, or the pair ``(sigma_w, sigma_b)`` of standard deviations (of the weight times
            ``sqrt(fan_in)``, and of the bias).
        width: units of a layer.

    Raises:
        InputError: no initialisation has this name, or the pair is not two finite numbers of at least zero.
    """
    if isinstance(what, Initialisation):
        return what
    if width < 1:
        raise InputError(f"Expected a width of at least 1 unit, got {width}.")
    if isinstance(what, str):
        name = _name(what)
        return Initialisation(name, _VARIANCES[name], 1.0 / (3.0 * width) if name == "default" else 0.0)
    return _pair(what)


def names() -> tuple[str, ...]:
    """Returns the names that are known."""
    return tuple(_VARIANCES)


def _name(asked: str) -> str:
    known = {name: name for name in _VARIANCES} | _ALIASES
    key = asked.lower().removesuffix("_").removesuffix("_normal").removesuffix("_uniform")
    if key not in known:
        near = dict.fromkeys(known[each] for each in difflib.get_close_matches(key, known, n=3, cutoff=0.5))
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        raise InputError(
            f"There is no initialisation called {asked!r}.{nearest} Known: {', '.join(_VARIANCES)}, or a pair "
            "(sigma_w, sigma_b) of standard deviations: on the command line --sigma-w and --sigma-b."
        )
    return known[key]


def _pair(what: object) -> Initialisation:
    try:
        weight, bias = (float(value) for value in cast("Sequence[float]", what))
    except (TypeError, ValueError):
        weight = bias = math.nan
    if not (0.0 <= weight < math.inf and 0.0 <= bias < math.inf):
        raise InputError(
            f"Expected an initialisation as a name or as a pair (sigma_w, sigma_b) of standard deviations, finite and "
            f"at least 0, got {what!r}. Names: {', '.join(_VARIANCES)}."
        )
    return Initialisation(f"({weight:g}, {bias:g})", weight**2, bias**2)
