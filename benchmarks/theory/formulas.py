"""The theory's numbers against those of the papers and of independent computations. No network is built.

References: Poole et al. 2016; Schoenholz et al. 2017; Klambauer et al. 2017; Hayou, Doucet and Rousseau 2019; Yang et
al. 2019. What they do not print was computed once with other code. Tolerances are the rounding of the references.
"""

from __future__ import annotations

import itertools
import math

from benchmarks.gains import ACTIVATIONS, INITIALISATIONS, PREDICTED
from benchmarks.theory.check import Check
from headwater import theory

TANH = {
    1.0: (0.759, 3.6, 22),
    1.2: (0.845, 5.9, 36),
    1.4: (0.911, 10.7, 64),
    1.6: (0.964, 27, 162),
    1.76: (0.9998, 4912, 29472),
    1.9: (1.0285, 39, 236),
    2.2: (1.084, 16, 97),
    2.5: (1.134, 11.8, 71),
    3.0: (1.209, 9.1, 54),
    4.0: (1.342, 7.0, 42),
}
"""sigma_w^2 -> chi_1, xi_c and 6 xi_c at sigma_b^2 = 0.05."""

EDGES = {
    ("tanh", 0.01): (1.4242, 0.273),
    ("tanh", 0.05): (1.7610, 0.570),
    ("tanh", 0.2): (2.2852, 1.164),
    ("relu", 0.0): (2.0, None),
    ("leaky_relu", 0.0): (1.9998, None),
    ("elu", 0.01): (1.3833, None),
    ("elu", 0.05): (1.5337, 1.30),
    ("elu", 0.2): (1.6818, None),
    ("selu", 0.01): (0.7602, None),
    ("selu", 0.05): (0.9018, 0.827),
    ("selu", 0.2): (1.0704, None),
    ("gelu", 0.05): (2.3025, 0.722),
    ("gelu", 0.2): (1.9707, 4.47),
    ("silu", 0.05): (2.7286, 0.827),
    ("silu", 0.2): (2.1867, 3.34),
    ("mish", 0.05): (2.1048, 0.905),
    ("mish", 0.2): (1.9497, None),
    ("hardswish", 0.05): (2.9743, 0.78),
    ("hardswish", 0.2): (2.3111, None),
    ("sigmoid", 0.0): (103.0, 45.6),
}
"""Activation and sigma_b^2 -> critical sigma_w^2 and q."""

UNIT = {
    "tanh": (1.467, 1.592, 1.0853),
    "relu": (1.4142, 1.4142, 1.0),
    "elu": (1.223, 1.245, 1.018),
    "selu": (0.966, 1.0, 1.035),
    "gelu": (1.481, 1.534, 1.035),
    "silu": (1.623, 1.677, 1.033),
    "mish": (1.445, 1.487, 1.029),
    "hardswish": (1.670, 1.737, 1.040),
    "sigmoid": (4.72, 1.85, 0.391),
    "softplus": (1.85, 1.04, 0.564),
    "hardtanh": (None, None, 1.150),
    "softsign": (None, None, 1.115),
}
"""Gains that keep the gradient, and the variance, at q = 1; and what remains when the variance is kept."""

THEORY_INITS = {
    "default": "default",
    "xavier": "xavier",
    "lecun": "lecun",
    "he": "he",
    "orthogonal 1": "orthogonal",
    "orthogonal sqrt2": (math.sqrt(2.0), 0.0),
}


def checks() -> list[Check]:
    """Every number that needs no network."""
    return [*_gains(), *_tanh(), *_fixed_points(), *_edges(), *_unit(), *_blocks()]


def predicted(activation: str, how: str, depth: int = 50, width: int = 1000) -> tuple[float, ...]:
    """Gains of the layers for an activation and an initialisation of `benchmarks.gains`."""
    init = theory.initialisation(THEORY_INITS[how], width=width)
    return theory.gains(ACTIVATIONS[activation](), init, depth)


def mean(gains: tuple[float, ...]) -> float:
    return math.exp(sum(map(math.log, gains)) / len(gains))


def _gains() -> list[Check]:
    return [
        Check("Gain per layer, 50 layers", f"{name}, {how}", PREDICTED[name][i], mean(predicted(name, how)), 4e-4)
        for name in PREDICTED
        for i, how in enumerate(INITIALISATIONS)
    ]


def _tanh() -> list[Check]:
    group, found = "Depth scales of tanh, sigma_b^2 = 0.05", list[Check]()
    for variance, (chi, scale, trainable) in TANH.items():
        init = theory.Initialisation("", variance, 0.05)
        fixed = theory.fixed_point("tanh", init)
        measured = theory.depth_scale("tanh", init, fixed)
        found += [
            Check(group, f"chi_1 at {variance}", chi, theory.gain("tanh", variance, fixed.q) ** 2, 7e-4),
            Check(group, f"xi_c at {variance}", scale, measured, 0.02),
            Check(group, f"6 xi_c at {variance}", trainable, theory.TRAINABLE * measured, 0.013),
        ]
    return found


def _fixed_points() -> list[Check]:
    group, lecun = "Fixed points", theory.initialisation("lecun")
    he = theory.initialisation("he")
    default = theory.initialisation("default")
    return [
        Check(group, "chi_1 of ReLU, He", 1.0, theory.gain("relu", 2.0, 1.0) ** 2, 1e-9),
        Check(group, "xi_c of ReLU, He", math.inf, theory.depth_scale("relu", he, theory.fixed_point("relu", he)), 0),
        Check(group, "q of SELU, LeCun", 1.0, theory.fixed_point("selu", lecun).q, 1e-6),
        Check(group, "mean of SELU at q = 1", 0.0, theory.mean("selu", 1.0), 1e-8),
        Check(group, "chi_1 of SELU at q = 1", 1.0716, theory.gain("selu", 1.0, 1.0) ** 2, 5e-5),
        Check(group, "SELU, 50 layers", 5.6, mean(predicted("selu", "lecun")) ** 50, 0.01),
        Check(group, "q of tanh, default", 5e-4, theory.fixed_point("tanh", default).q, 1e-3),
    ]


def _edges() -> list[Check]:
    group, found = "Edge of chaos", list[Check]()
    for (activation, bias), (variance, q) in EDGES.items():
        point = theory.edge_of_chaos(activation, bias)
        assert point is not None
        found.append(Check(group, f"sigma_w^2 of {activation}, {bias}", variance, point.weight_variance, 1e-4))
        found += [Check(group, f"q of {activation}, {bias}", q, point.q, 3e-3)] if q is not None else []
    for activations, biases, (low, high) in (
        (("gelu", "silu", "hardswish", "mish"), (0.05,), (1.0, 1.12)),
        (("tanh", "elu", "selu"), (0.01, 0.05, 0.2), (0.355, 0.876)),
    ):
        for activation, bias in itertools.product(activations, biases):
            point = theory.edge_of_chaos(activation, bias)
            assert point is not None
            name, middle = f"dq'/dq of {activation}, {bias}", 0.5 * (low + high)
            limit = (0.5 * (high - low) + 0.002) / middle
            found.append(Check(group, name, middle, point.stability, limit, f"from {low} to {high}"))
    none = [theory.edge_of_chaos(*key) for key in (("softplus", 0.0), ("softplus", 0.05), ("relu", 0.05))]
    found.append(Check(group, "edges where there is none", 0.0, sum(point is not None for point in none), 0.0))
    return found


def _unit() -> list[Check]:
    group, found = "Gains at q = 1", list[Check]()
    for activation, (backward, forward, remaining) in UNIT.items():
        gains = theory.unit_variance_gains(activation)
        found += [Check(group, f"{activation}: for the gradient", backward, gains.backward, 2.5e-3)] if backward else []
        found += [Check(group, f"{activation}: for the variance", forward, gains.forward, 2.5e-3)] if forward else []
        found.append(Check(group, f"{activation}: gradient that remains", remaining, gains.remaining, 1e-3))
    return found


def _blocks() -> list[Check]:
    group, blocks = "Blocks and normalisation", 40
    found = [
        Check(group, "residual, 40 blocks", 2.0**20, theory.residual_gain(blocks), 1e-9),
        Check(group, "residual, scaled 1 / sqrt(L)", 1.64, theory.residual_gain(blocks, blocks**-0.5), 2e-3),
        Check(group, "residual, zero branch", 1.0, theory.residual_gain(blocks, 0.0), 0.0),
        Check(group, "pre-LayerNorm", 6.40, theory.pre_norm_residual_gain(blocks), 1e-3),
        Check(group, "BatchNorm, ReLU", 1.2112, theory.batch_norm_gain("relu"), 5e-5),
        Check(group, "ln |J^T v|^2, N = 50, L = 30", 1.73, 2.0 * theory.log_gain_deviation([50] * 30), 3e-3),
        Check(group, "ln |J^T v|^2, N = 100, L = 30", 1.22, 2.0 * theory.log_gain_deviation([100] * 30), 5e-3),
        Check(group, "ln |J^T v|^2, N = 100, L = 10", 0.71, 2.0 * theory.log_gain_deviation([100] * 10), 5e-3),
        Check(group, "ln |J^T v|^2, N = 200, L = 30", 0.87, 2.0 * theory.log_gain_deviation([200] * 30), 5e-3),
    ]
    for bias, expected in {-2.0: 0.881, -3.0: 0.952, -3.9: 0.980, -4.6: 0.990}.items():
        found.append(Check(group, f"highway, gate bias {bias}", expected, theory.highway_gain(bias), 1e-3))
    for batch, expected in {4: 1.414, 6: 1.1547, 8: 1.0954, 16: 1.0377}.items():
        gain = theory.batch_norm_gain("linear", batch)
        found.append(Check(group, f"BatchNorm, linear, B = {batch}", expected, gain, 2e-4))
    return found
