"""The theory's predictions against real networks, their gradients itemised by `headwater.trace`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from benchmarks.gains import ACTIVATIONS, UNSTABLE, initialise, measured_gain, table
from benchmarks.theory.check import Check
from benchmarks.theory.formulas import mean, predicted
from headwater import theory
from headwater.study.literature.gains import (
    TRANSIENT,
    batch_norm,
    highway_gain,
    itemised,
    layer_norm,
    log_square,
    mean_gain,
    normalised_gain,
    residual_gain,
    stack,
)
from headwater.study.literature.lsuv import lsuv_
from headwater.theory.meanfield import stability

Array = torch.Tensor
_WIDE, _DEEP = 1000, 40
"""Of the networks with normalisation."""


def checks(width: int, depth: int) -> list[Check]:
    """Every prediction against a network; `width` and `depth` are those of the table of gains."""
    return [
        *plain(width, depth),
        *unstable(width, depth),
        *convolutions(),
        *normalised(),
        *residual(),
        *highway(),
        *finite_width(),
        *weight_ratio(),
    ]


def plain(width: int, depth: int) -> list[Check]:
    """12 activations under 6 initialisations, one network each."""
    measured = table(width, depth, seeds=1)
    found: list[Check] = []
    for (name, how), values in measured.items():
        if (name, how) not in UNSTABLE:
            expected = mean(predicted(name, how, depth, width))
            found.append(Check("Plain networks", f"{name}, {how}", expected, values[0], 0.0045))
    return found


def unstable(width: int, depth: int) -> list[Check]:
    """The six whose variance is unstable: fluctuations of order 1 / width grow with depth."""
    found: list[Check] = []
    for name, how in sorted(UNSTABLE):
        torch.manual_seed(0)
        linears = [nn.Linear(width, width).double() for _ in range(depth)]
        for linear in linears:
            initialise(linear, how)
        activation = ACTIVATIONS[name]()
        stack = [linears[0], *(module for linear in linears[1:] for module in (activation, linear))]
        state = torch.get_rng_state()
        x, variances = torch.randn(16, width, dtype=torch.float64), list[float]()
        with torch.no_grad():
            for linear in linears:
                z = linear(x)
                variances.append(float(z.square().mean()))
                x = activation(z)
        torch.set_rng_state(state)  # for the same inputs
        measured = measured_gain(nn.Sequential(*stack), width)
        group, iterated = "Unstable variance", mean(predicted(name, how, depth, width))
        with_signal = _with_signal(theory.activation(activation), variances, width)
        note = "fluctuations of the variance, and the direction of the signal, are left out"
        found.append(Check(group, f"{name}, {how}", iterated, measured, 0.055, note))
        found.append(Check(group, f"{name}, {how}, measured variances and signal", with_signal, measured, 0.012))
    return found


def _with_signal(phi: theory.Activation, variances: list[float], width: int) -> float:
    """Gain per layer when the variances are those measured and the direction of the signal is counted by itself.

    Along the signal a gradient changes by ``d ln q' / d ln q`` instead of ``sqrt(chi_1)`` (and by the signal's
    own growth); each layer turns a share of ``1 / width`` of any gradient into this direction.
    """
    he = theory.initialisation("he")
    chi = [theory.gain(phi, he.weight_variance, q) ** 2 for q in variances[:-1]]
    slopes = [stability(phi, he, q) * q / following for q, following in pairwise(variances)]
    along = [slope**2 * following / q for slope, (q, following) in zip(slopes, pairwise(variances), strict=True)]
    total, signal = 1.0, 1.0 / width
    for any_way, along_signal in zip(reversed(chi), reversed(along), strict=True):
        total, signal = total * any_way, signal * along_signal + total * any_way / width
    return (total + signal) ** (0.5 / len(chi))


def convolutions() -> list[Check]:
    """Circular 3 x 3 convolutions behave as fully connected layers of the same fan-in."""
    found: list[Check] = []
    channels, depth = 256, 20
    two = 2.0 * theory.log_gain_deviation([channels] * (depth - 1)) / (depth - 1)
    for name, he in (("tanh", False), ("relu", False), ("relu", True)):
        torch.manual_seed(0)
        convs = [nn.Conv2d(channels, channels, 3, padding=1, padding_mode="circular").double() for _ in range(depth)]
        for conv in convs if he else ():
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        activation = ACTIVATIONS[name]()
        network = nn.Sequential(*(m for conv in convs[:-1] for m in (conv, activation)), convs[-1])
        measured = mean_gain(itemised(network, torch.randn(4, channels, 8, 8, dtype=torch.float64)))
        init = theory.initialisation("he" if he else "default", width=9 * channels)
        expected = mean(theory.gains(name, init, depth))
        found.append(
            Check("Convolutions", f"{name}, {'He' if he else 'default'}", expected, measured, two, "two deviations")
        )
    return found


def normalised() -> list[Check]:
    """Deep networks of Linear, normalisation, activation; and of weights scaled so that each layer has variance one."""
    found: list[Check] = []
    counted = _DEEP - 1 - TRANSIENT
    two, note = 2.0 * theory.log_gain_deviation([_WIDE] * counted) / counted, "two deviations"
    for name in ("relu", "tanh", "gelu", "sigmoid", "softplus"):
        measured = _normalised(name, nn.LayerNorm, 16)
        found.append(Check("LayerNorm", name, theory.layer_norm_gain(name), measured, two, note))
    for name in ("relu", "tanh", "gelu", "sigmoid"):
        measured = _normalised(name, nn.BatchNorm1d, 128)
        found.append(Check("BatchNorm, batch of 128", name, theory.batch_norm_gain(name), measured, two, note))
    for batch in (6, 8, 16):
        seeds = [_normalised("linear", nn.BatchNorm1d, batch, seed) for seed in range(3)]
        expected = theory.batch_norm_gain("linear", batch)
        found.append(Check("BatchNorm, linear", f"B = {batch}", expected, mean(tuple(seeds)), 0.01, "three seeds"))
    for name in ("tanh", "relu", "sigmoid", "gelu", "softplus"):
        group, note = "LSUV (Mishkin and Matas 2016)", "variance over units and samples is one"
        found.append(Check(group, name, theory.layer_norm_gain(name), _lsuv_gain(name), 0.02, note))
    return found


def _normalised(name: str, norm: Callable[[int], nn.Module], batch: int, seed: int = 0) -> float:
    return normalised_gain(ACTIVATIONS[name](), norm, width=_WIDE, depth=_DEEP, batch=batch, seed=seed)


def _lsuv_gain(name: str, width: int = 500, depth: int = 30) -> float:
    torch.manual_seed(0)
    inputs = torch.randn(64, width, dtype=torch.float64)
    linears = [nn.Linear(width, width).double() for _ in range(depth)]
    network = stack(linears, ACTIVATIONS[name]())
    lsuv_(network, inputs, tolerance=1e-9)
    return mean_gain(itemised(network, inputs))


def residual() -> list[Check]:
    """40 blocks ``x + a W2 phi(W1 norm(x))``, weights that keep the variance."""
    group, blocks = "Residual networks, 40 blocks", 40
    scale = blocks**-0.5
    cases = (
        ("plain", theory.residual_gain(blocks), 1.0, None, 0.15),
        ("scaled by 1 / sqrt(L)", theory.residual_gain(blocks, scale), scale, None, 0.02),
        ("zero branch", 1.0, 0.0, None, 1e-9),
        ("LayerNorm", theory.pre_norm_residual_gain(blocks), 1.0, layer_norm, 0.03),
        ("BatchNorm", theory.pre_norm_residual_gain(blocks, "batch"), 1.0, batch_norm, 0.06),
    )
    return [
        Check(group, name, expected, residual_gain(blocks, scale, norm), limit)
        for name, expected, scale, norm, limit in cases
    ]


def highway() -> list[Check]:
    """40 blocks ``T tanh(W x) + (1 - T) x`` with the gate's bias at b_T."""
    return [
        Check("Highway networks", f"gate bias {bias}", theory.highway_gain(bias), highway_gain(bias), 0.006)
        for bias in (-2.0, -3.0, -3.9, -4.6)
    ]


def finite_width(draws: int = 300) -> list[Check]:
    """Deviation of the logarithm of the squared norm over random ReLU networks under He initialisation."""
    found: list[Check] = []
    for width, depth in ((50, 30), (100, 10), (100, 30), (200, 30)):
        generator = torch.Generator().manual_seed(0)
        logs = [log_square(width, depth, generator) for _ in range(draws)]
        expected = 2.0 * theory.log_gain_deviation([width] * depth)
        note = f"{draws} draws"
        found.append(Check("ln |J^T v|^2", f"N = {width}, L = {depth}", expected, statistics.stdev(logs), 0.12, note))
    return found


def weight_ratio() -> list[Check]:
    """Gradients of the weights hide what happens: 20 ReLU layers, 256 wide, PyTorch's default without bias."""
    torch.manual_seed(0)
    modules: list[nn.Module] = []
    for _ in range(20):
        modules += [nn.Linear(256, 256, bias=False).double(), nn.ReLU()]
    network = nn.Sequential(*modules[:-1])
    found = itemised(network, torch.randn(64, 256, dtype=torch.float64))
    weights = [float(module.weight.grad.norm()) for module in network if isinstance(module, nn.Linear)]  # type: ignore[union-attr]
    init = theory.Initialisation("", 1.0 / 3.0, 0.0)
    gain = mean(theory.gains("relu", init, 20))
    group, two = "Weight gradients hide it", 2.0 * theory.log_gain_deviation([256] * 19)
    total = math.log(mean_gain(found)) * 19
    return [
        Check(group, "gain of the signal", gain, mean_gain(found), 0.02),
        Check(group, "ln of the total", 19 * math.log(gain), total, two / abs(19 * math.log(gain)), "two deviations"),
        Check(group, "ln of |dW_1| / |dW_20|", 0.0, math.log(weights[0] / weights[-1]), 2 * two, "of both"),
    ]
