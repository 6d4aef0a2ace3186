"""Prediction beside measurement: the gain that theory expects of each layer, from numbers of the forward pass alone.

The norm of the gradient changes by ``sigma_w sqrt(E[phi'(z)^2])`` a layer (Schoenholz, Gilmer, Ganguli and
Sohl-Dickstein 2017, "Deep Information Propagation", arXiv 1611.01232). The theory iterates the variance of z from layer
to layer; here mean and variance of z and the norm of each weight are measured, because an iterated variance drifts from
that of a network of finite width, and because training leaves the initialisation behind.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from headwater.graph import GraphOp
from headwater.measure.layers import Use, path_to_next_layer
from headwater.measure.prediction.factors import activation, factor
from headwater.measure.prediction.preactivations import Moments
from headwater.measure.structure import Structure
from headwater.records import GainParts, Trace
from headwater.theory import Activation
from headwater.theory import activation as activation_named

_REACH, _POINTS = 8.0, 2000
"""A kink between two points costs at most 0.2 % of the slope; a grid as fine as theory's own costs 5 ms a layer."""

Pending = tuple[str | Activation, float, float]
"""An activation with variance and mean of what enters it: the integral is taken when it is asked for."""
Expected = float | Pending


class Predictions:
    """Of one pass: `observe` each operation while its saved tensors can be read, then `paths`."""

    def __init__(self, moments: Mapping[object, Moments], ops: list[GraphOp]) -> None:
        self._moments, self._ops = moments, ops
        self._expected: dict[tuple[int, int], Expected] = {}

    def observe(self, op: GraphOp) -> None:
        """Reads what the formula of an operation needs."""
        for _, to in op.edges:
            found = self._of_activation(op) or factor(op, self._ops[to])
            if found is not None:
                self._expected[op.index, to] = found

    def paths(self, trace: Trace, structure: Structure, used: tuple[Use, ...]) -> dict[str, list[tuple[str, Expected]]]:
        """Returns role and expectation of each operation from a layer to the next, where all of them have one."""
        nearest: dict[str, int] = {}
        for use in used:
            nearest.setdefault(use.layer, use.op)
        paths = {name: path_to_next_layer(trace, structure, index) for name, index in nearest.items()}
        found = {name: self._along(trace, structure, path) for name, path in paths.items() if path}
        return {name: expected for name, expected in found.items() if expected}

    def _along(self, trace: Trace, structure: Structure, path: list[int]) -> list[tuple[str, Expected]]:
        found: list[tuple[str, Expected]] = []
        for here, there in itertools.pairwise(path):
            expected = self._expected.get((here, there))
            if expected is None or len(structure.sources[there]) > 1:  # where branches meet, nothing is predicted
                return []
            found.append((trace.ops[here].role, expected))
        return found

    def _of_activation(self, op: GraphOp) -> Pending | None:
        moments = self._moments.get(op.node)
        known = activation(op) if moments is not None else None
        if moments is None or known is None:
            return None
        return known, float(moments.variance), float(moments.mean)


def predicted(path: list[tuple[str, Expected]]) -> GainParts:
    """Returns the factors of the gain that is expected along a path."""
    parts = {"activation": 1.0, "weights": 1.0, "normalisation": 1.0, "other": 1.0}
    for role, expected in path:
        parts[role] *= expected if not isinstance(expected, tuple) else _slope(expected)
    return GainParts(**parts)


def _slope(pending: Pending) -> float:
    """``sqrt(E[phi'(z)^2])`` at ``z ~ Normal(mean, variance)``, as `headwater.theory.slope` has it on a finer grid."""
    what, variance, mean = pending
    if not (math.isfinite(variance) and math.isfinite(mean)):
        return math.nan
    z, weights = _grid()
    slopes = activation_named(what).derivative(mean + math.sqrt(variance) * z)
    return math.sqrt(float(weights @ slopes**2))


@cache
def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights of the standard normal mean: the midpoint rule, for kinks (none lies at zero)."""
    step = 2.0 * _REACH / _POINTS
    z = -_REACH + step * (np.arange(_POINTS, dtype=np.float64) + 0.5)
    return z, step * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
