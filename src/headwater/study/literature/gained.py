"""Claims about how the gradient's norm changes at the start, layer by layer: numbers and formulas."""

from __future__ import annotations

import math
import statistics
from functools import partial
from typing import cast

import torch
from torch import nn

from headwater import theory
from headwater.study.literature.claim import Bounds, Claim, Near, Quantities
from headwater.study.literature.gains import (
    Way,
    batch_norm,
    itemised,
    layer_norm,
    log_square,
    mean_gain,
    normalised_gain,
    plain_gain,
    residual_gain,
    stack,
)
from headwater.study.literature.lsuv import TOLERANCE, lsuv_
from headwater.study.literature.trainings import draw

_WIDTH, _DEPTH, _BLOCKS = 400, 30, 40
_CHAIN = 2.0 * theory.log_gain_deviation([_WIDTH] * (_DEPTH - 1)) / (_DEPTH - 1)
_CHAIN_BECAUSE = (
    f"two deviations of the gain per layer over {_DEPTH} random layers of {_WIDTH} units (Hanin and Nica 2018)"
)
_CHAIN_SETTING = f"{_DEPTH} layers of {_WIDTH} units, a random gradient sent back."
_BLOCKS_SETTING = f"Total gain of {_BLOCKS} blocks x + a W2 relu(W1 x), 500 units, a batch of 64."
_DRAWS, _QUICK_DRAWS = 300, 100


def glorot(seed: int, quick: bool) -> Quantities:
    """Squared gains per layer of linear networks, from the old heuristic and from the normalised initialisation."""
    del quick
    gain = partial(plain_gain, nn.Identity(), width=_WIDTH, depth=_DEPTH, seed=seed)
    return {"old heuristic": gain(_heuristic) ** 2, "normalised": gain(_normalised) ** 2}


def _heuristic(layer: nn.Linear) -> None:
    nn.init.uniform_(layer.weight, -(layer.in_features**-0.5), layer.in_features**-0.5)


def _normalised(layer: nn.Linear) -> None:
    nn.init.xavier_uniform_(layer.weight)


def rectified(seed: int, quick: bool) -> Quantities:
    """Gains per layer of ReLU networks from Xavier's and from He's initialisation."""
    del quick
    gain = partial(plain_gain, nn.ReLU(), width=_WIDTH, depth=_DEPTH, seed=seed)
    return {"Xavier": gain(_normalised), "He": gain(partial(draw, weight_variance=2.0))}


def orthogonal(seed: int, quick: bool) -> Quantities:
    """Extreme singular values of the Jacobian of 50 linear layers with orthogonal weights."""
    del quick
    generator = torch.Generator().manual_seed(seed)
    jacobian = torch.eye(300, dtype=torch.float64)
    for _ in range(50):
        weight = nn.init.orthogonal_(torch.empty(300, 300, dtype=torch.float64), generator=generator)
        jacobian = weight @ jacobian
    values = cast(torch.Tensor, torch.linalg.svdvals(jacobian))
    return {"smallest singular value": float(values.min()), "largest singular value": float(values.max())}


def critical(seed: int, quick: bool) -> Quantities:
    """Gain per layer of tanh networks at the edge of chaos, and below and above it."""
    del quick
    edge = theory.edge_of_chaos("tanh", 0.05)
    assert edge is not None
    gain = partial(plain_gain, nn.Tanh(), width=_WIDTH, depth=_DEPTH, seed=seed, skip=5)
    variances = {"ordered": 1.0, "at the edge": edge.weight_variance, "chaotic": 4.0}
    return {name: gain(partial(draw, weight_variance=each, bias_variance=0.05)) for name, each in variances.items()}


def _chi(weight_variance: float) -> float:
    init = theory.Initialisation("", weight_variance, 0.05)
    return theory.gain("tanh", weight_variance, theory.fixed_point("tanh", init).q)


def self_normalising(seed: int, quick: bool) -> Quantities:
    """Mean square of SELU activations after 50 layers, for inputs of another size."""
    del quick
    torch.manual_seed(seed)
    x = 1.5 * torch.randn(64, 1000)
    for _ in range(50):
        x = torch.nn.functional.selu(x @ torch.randn(1000, 1000) / math.sqrt(1000))
    return {"mean square": float(x.square().mean())}


def batch_normalised(name: str, batch: int, seed: int, quick: bool) -> Quantities:
    """Gain per layer with batch normalisation."""
    activation = nn.ReLU() if name == "relu" else nn.Identity()
    width, depth = (400, 30) if quick else (1000, 40)
    gain = normalised_gain(activation, nn.BatchNorm1d, width=width, depth=depth, batch=batch, seed=seed)
    return {f"gain, batch of {batch}": gain}


def residual(seed: int, quick: bool) -> Quantities:
    """Total gain of 40 residual blocks, their branches as they are."""
    del quick
    return {"plain": residual_gain(_BLOCKS, 1.0, seed=seed)}


def tamed(seed: int, quick: bool) -> Quantities:
    """Total gains of 40 residual blocks with branches that are scaled, switched off, or normalised."""
    del quick
    ways: dict[str, tuple[float, Way | None]] = {
        "scaled by 1/sqrt(L)": (_BLOCKS**-0.5, None),
        "zero branch": (0.0, None),
        "layer normalisation": (1.0, layer_norm),
        "batch normalisation": (1.0, batch_norm),
    }
    return {name: residual_gain(_BLOCKS, each, norm, seed=seed) for name, (each, norm) in ways.items()}


_LSUV = {"ReLU": nn.ReLU, "tanh": nn.Tanh, "GELU": nn.GELU, "sigmoid": nn.Sigmoid}


def unit_variances(seed: int, quick: bool) -> Quantities:
    """The least and the largest variance of a layer after LSUV."""
    del quick
    found = [value for name in _LSUV for value in _after_lsuv(name, seed)[1]]
    return {"least variance": min(found), "largest variance": max(found)}


def unit_variance_gains(seed: int, quick: bool) -> Quantities:
    """Gain per layer after LSUV."""
    del quick
    return {name: mean_gain(itemised(*_after_lsuv(name, seed)[0])) for name in _LSUV}


def _after_lsuv(name: str, seed: int) -> tuple[tuple[nn.Sequential, torch.Tensor], tuple[float, ...]]:
    torch.manual_seed(seed)
    inputs = torch.randn(64, _WIDTH, dtype=torch.float64)
    network = stack([nn.Linear(_WIDTH, _WIDTH).double() for _ in range(_DEPTH)], _LSUV[name]())
    return (network, inputs), lsuv_(network, inputs)


def fluctuation(seed: int, quick: bool) -> Quantities:
    """Deviation of the logarithm of a squared gradient norm over random ReLU networks."""
    generator = torch.Generator().manual_seed(seed)
    draws = _QUICK_DRAWS if quick else _DRAWS
    return {
        f"N = {width}, L = {depth}": statistics.stdev(log_square(width, depth, generator) for _ in range(draws))
        for width, depth in _SHAPES
    }


_SHAPES = ((50, 30), (100, 10), (100, 30))


CLAIMS = (
    Claim(
        key="variance of the gradient, linear layers",
        source='Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", '
        "section 4.2, equations 15 and 16",
        says="With weights from U(+-1/sqrt(n)) the variance of the gradient falls to a third with every linear layer; "
        "with the normalised initialisation it stays.",
        numbers={"old heuristic": 1.0 / 3.0, "normalised": 1.0},
        setting=f"Squared gain per layer, {_CHAIN_SETTING}",
        measure=glorot,
        judge=Near(2.0 * _CHAIN, f"of a squared gain, {_CHAIN_BECAUSE}"),
    ),
    Claim(
        key="Xavier under ReLU",
        source='He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", section 2.2',
        says="Under ReLU, Xavier's initialisation shrinks the signal by 1/sqrt(2) a layer; weights of variance 2/n "
        "keep it.",
        numbers={"Xavier": math.sqrt(0.5), "He": 1.0},
        setting=f"Gain per layer, {_CHAIN_SETTING}",
        measure=rectified,
        judge=Near(_CHAIN, _CHAIN_BECAUSE),
    ),
    Claim(
        key="orthogonal weights, linear layers",
        source='Saxe, McClelland, Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear '
        'neural networks"',
        says="With orthogonal weights all singular values of a deep linear network's Jacobian are one.",
        numbers={"smallest singular value": 1.0, "largest singular value": 1.0},
        setting="50 layers of 300 units, float64.",
        measure=orthogonal,
        judge=Near(1e-9, "rounding of a product of 50 matrices in float64"),
    ),
    Claim(
        key="edge of chaos",
        source='Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017, "Deep information propagation", section 4',
        says="A gradient's squared norm changes by chi_1 a layer: below one in the ordered phase, above in the chaotic "
        "one, and one between them.",
        numbers={"ordered": _chi(1.0), "at the edge": 1.0, "chaotic": _chi(4.0)},
        setting="Gain sqrt(chi_1) of tanh layers, sigma_b^2 = 0.05, sigma_w^2 = 1, at the edge that headwater.theory "
        f"computes, and 4; {_CHAIN_SETTING}",
        measure=critical,
        judge=Near(_CHAIN, _CHAIN_BECAUSE),
    ),
    Claim(
        key="self-normalisation",
        source='Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-normalizing neural networks", theorem 1',
        says="SELU layers with weights of variance 1/n lead activations to mean 0 and variance 1.",
        numbers={"mean square": 1.0},
        setting="50 layers of 1000 units; inputs with a deviation of 1.5.",
        measure=self_normalising,
        judge=Near(0.05, "fluctuations of finite width: seeds differ by a few per cent"),
    ),
    Claim(
        key="batch normalisation, ReLU",
        source='Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz 2019, "A mean field theory of batch normalization"',
        says="With batch normalisation the squared gradient grows by pi / (pi - 1) = 1.467 a ReLU layer in large "
        "batches, the norm by 1.2112: deep networks explode.",
        numbers={"gain, batch of 128": math.sqrt(math.pi / (math.pi - 1.0))},
        setting="Linear, batch normalisation, ReLU; 40 layers of 1000 units (quick: 30 of 400).",
        measure=partial(batch_normalised, "relu", 128),
        judge=Near(_CHAIN, f"{_CHAIN_BECAUSE}; a batch of 128 is large, but not infinite"),
        cost=(9.0, 1.5),
    ),
    Claim(
        key="batch normalisation, linear",
        source='Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz 2019, "A mean field theory of batch normalization"',
        says="Without an activation the squared gradient grows by (B - 2) / (B - 3) a layer in batches of B.",
        numbers={"gain, batch of 16": theory.batch_norm_gain("linear", 16)},
        setting="Linear, batch normalisation; 40 layers of 1000 units (quick: 30 of 400).",
        measure=partial(batch_normalised, "linear", 16),
        judge=Near(_CHAIN, _CHAIN_BECAUSE),
        cost=(9.0, 1.5),
    ),
    Claim(
        key="residual blocks",
        source='Yang, Schoenholz 2017, "Mean field residual networks: on the edge of chaos"',
        says="Blocks x + f(x), whose branches keep the variance, double the squared gradient each.",
        numbers={"plain": theory.residual_gain(_BLOCKS)},
        setting=_BLOCKS_SETTING,
        measure=residual,
        judge=Near(0.15, "its logarithm is a sum over 40 blocks of 500 units, which fluctuates"),
        cost=(1.0, 1.0),
    ),
    Claim(
        key="residual blocks, tamed",
        source='De, Smith 2020, "Batch normalization biases residual blocks towards the identity function in deep '
        'networks"; Zhang, Dauphin, Ma 2019, "Fixup initialization"',
        says="With branches scaled by 1/sqrt(L) the squared gradient grows by less than e in all, and with branches "
        "that start at zero by nothing; with normalisation in the branch it grows like the depth, no faster.",
        numbers={
            "scaled by 1/sqrt(L)": theory.residual_gain(_BLOCKS, _BLOCKS**-0.5),
            "zero branch": theory.residual_gain(_BLOCKS, 0.0),
            "layer normalisation": theory.pre_norm_residual_gain(_BLOCKS),
            "batch normalisation": theory.pre_norm_residual_gain(_BLOCKS, "batch"),
        },
        setting=_BLOCKS_SETTING,
        measure=tamed,
        judge=Near(0.05, "fluctuations of 500 units"),
        cost=(4.0, 4.0),
    ),
    Claim(
        key="LSUV, variances",
        source='Mishkin, Matas 2016, "All you need is a good init", algorithm 1',
        says="A few rescalings of orthogonal weights bring the variance of each layer's output to 1 +- 0.1.",
        setting=f"{', '.join(_LSUV)}; {_DEPTH} layers of {_WIDTH} units.",
        measure=unit_variances,
        judge=Bounds(
            "the algorithm's own tolerance",
            {"least variance": 1.0 - TOLERANCE},
            {"largest variance": 1.0 + TOLERANCE},
        ),
        cost=(4.0, 4.0),
    ),
    Claim(
        key="LSUV, gradients",
        source='Mishkin, Matas 2016, "All you need is a good init", algorithm 1; what it does to the gradient follows '
        "from Schoenholz et al. 2017",
        says="Where the variance is one, the gradient's norm changes by sqrt(E[phi'^2] / E[phi^2]) a layer: about one, "
        "but 0.39 for a sigmoid, which LSUV therefore does not cure.",
        numbers={
            name: theory.layer_norm_gain(activation)
            for name, activation in zip(_LSUV, ("relu", "tanh", "gelu", "sigmoid"), strict=True)
        },
        setting=f"Gain per layer, {_CHAIN_SETTING}",
        measure=unit_variance_gains,
        judge=Near(_CHAIN, _CHAIN_BECAUSE),
        cost=(4.0, 4.0),
    ),
    Claim(
        key="fluctuations of finite width",
        source='Hanin, Nica 2018, "Products of many large random matrices and gradients in deep neural networks", '
        "theorem 1",
        says="The logarithm of a squared gradient of a ReLU network under He initialisation has the variance "
        "5 sum 1/N_l.",
        numbers={f"N = {n}, L = {depth}": 2.0 * theory.log_gain_deviation([n] * depth) for n, depth in _SHAPES},
        setting=f"Deviation over {_DRAWS} random networks (quick: {_QUICK_DRAWS}).",
        measure=fluctuation,
        judge=Near(0.15, f"two deviations of a deviation from {_QUICK_DRAWS} draws"),
        cost=(3.0, 1.0),
    ),
)
