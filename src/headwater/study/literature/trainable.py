"""Claims about which deep networks can be trained: depth, initialisation, gates."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from headwater import theory
from headwater.study.literature.claim import Bounds, Claim, Order, Quantities
from headwater.study.literature.highway import highway
from headwater.study.literature.lsuv import lsuv_
from headwater.study.literature.trainings import LEARNT, STALLED, Make, adam, deep, digits, fit, sgd
from headwater.study.training import batches

_GUESSING = math.log(10)
_STALLS, _LEARNS = STALLED * _GUESSING, LEARNT * _GUESSING
_LOSSES = "guessing costs ln 10 = 2.303; 97 % of it is nothing learnt, half of it most"
_DIGITS = (
    "the digits in place of the paper's data, some hundred steps in place of its epochs: only the order is compared."
)

_BIAS_VARIANCE = 0.05
"""Of the figure that is compared."""
_PASSES, _FAILS = 0.85, 0.5
"""Accuracies: networks of ten layers reach 0.9 and more in the same steps, and guessing 0.1."""


def depth_scale(weight_variance: float) -> float:
    """Returns xi_c in layers for tanh and a bias variance of 0.05."""
    init = theory.Initialisation("", weight_variance, _BIAS_VARIANCE)
    return theory.depth_scale("tanh", init, theory.fixed_point("tanh", init))


def depths(weight_variance: float) -> dict[str, int]:
    """Returns half and twice the depth to which networks are trainable, ``6 xi_c``."""
    limit = theory.TRAINABLE * depth_scale(weight_variance)
    return {"half": round(0.5 * limit), "twice": round(2.0 * limit)}


def trained_at(weight_variance: float, seed: int, quick: bool) -> Quantities:
    """Training accuracies, as in the paper, of tanh networks of half and of twice the trainable depth."""
    del quick
    variances = (weight_variance, _BIAS_VARIANCE)
    return {
        f"accuracy at {name} of it": fit(
            deep(nn.Tanh, depth=depth, width=100, seed=seed, variances=variances, whole=True),
            digits(),
            sgd(1e-2),
            steps=300,
            seed=seed,
        ).trained
        for name, depth in depths(weight_variance).items()
    }


def _trainable(weight_variance: float, *, quick: bool) -> Claim:
    layers = depths(weight_variance)
    seconds = 0.045 * sum(layers.values())
    return Claim(
        key=f"trainable depth at sigma_w^2 = {weight_variance:g}",
        source='Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017, "Deep information propagation", section 5, figure 5',
        says="A tanh network is trainable down to a depth of about 6 xi_c, where xi_c is the depth scale on which the "
        "correlation between two inputs approaches its fixed point, and not far beyond.",
        setting=f"sigma_b^2 = {_BIAS_VARIANCE:g}: headwater.theory gives xi_c = {depth_scale(weight_variance):.3g}; "
        f"networks of {layers['half']} (half of 6 xi_c) and {layers['twice']} layers (twice). Digits, 100 units, 300 "
        "steps of gradient descent at 0.01; accuracy on the training images, as in the paper.",
        measure=partial(trained_at, weight_variance),
        judge=Bounds(
            "the paper's line lies where accuracy falls, so that there is a margin of a factor of two on either side",
            {"accuracy at half of it": _PASSES},
            {"accuracy at twice of it": _FAILS},
        ),
        misses="The number of steps and the width shift the depth at which accuracy falls.",
        cost=(seconds, seconds),
        quick=quick,
    )


_STARTS = {"default": None, "Xavier": (1.0, 0.0), "He": (2.0, 0.0)}
"""Variances ``sigma_w^2`` and ``sigma_b^2`` for layers of equal width."""


def thirty_layers(make: Make, seed: int, quick: bool) -> Quantities:
    """Final losses of 30 ReLU layers from three initialisations."""
    del quick
    return {
        f"loss from {name}": fit(
            deep(nn.ReLU, depth=30, width=100, seed=seed, variances=start), digits(), make, steps=400, seed=seed
        ).loss
        for name, start in _STARTS.items()
    }


def highways(seed: int, quick: bool) -> Quantities:
    """Final losses of plain and of highway networks of several depths; the gates start at ``b_T = -ln L``."""
    found: Quantities = {}
    for depth in (10, 100) if quick else (10, 20, 50, 100):
        gated = highway(depth=depth, width=50, gate_bias=-math.log(depth), seed=seed)
        found[f"highway, {depth} layers"] = fit(gated, digits(), sgd(1e-2, 0.9), steps=300, seed=seed).loss
        plain = deep(nn.Tanh, depth=depth - 1, width=50, seed=seed)
        found[f"plain, {depth} layers"] = fit(plain, digits(), sgd(1e-2, 0.9), steps=300, seed=seed).loss
    return found


def unit_variance(seed: int, quick: bool) -> Quantities:
    """Final losses of 30 layers from PyTorch's initialisation and from LSUV."""
    del quick
    found: Quantities = {}
    for name, activation in (("ReLU", nn.ReLU), ("tanh", nn.Tanh)):
        plain, scaled = (deep(activation, depth=30, width=100, seed=seed) for _ in range(2))
        lsuv_(scaled, digits().inputs[:256], generator=torch.Generator().manual_seed(seed))
        for start, network in (("default", plain), ("LSUV", scaled)):
            found[f"{name} from {start}"] = fit(network, digits(), sgd(1e-2, 0.9), steps=400, seed=seed).loss
    return found


def sigmoids(seed: int, quick: bool) -> Quantities:
    """Test accuracies of eight sigmoid layers without and with batch normalisation."""
    del quick
    return {
        f"accuracy {name}": fit(
            deep(nn.Sigmoid, depth=8, width=100, seed=seed, norm=norm), digits(), sgd(1e-1), steps=400, seed=seed
        ).accuracy
        for name, norm in (("without", None), ("with", nn.BatchNorm1d))
    }


def saturation(seed: int, quick: bool) -> Quantities:
    """Mean activations of the first and the last of four sigmoid layers, when the last one is at its lowest."""
    del quick
    data = digits()
    network = deep(nn.Sigmoid, depth=4, width=100, seed=seed)
    optimizer = sgd(1.0)(network.parameters())
    lowest: Quantities = {"last layer": math.inf}
    for step, (inputs, labels) in enumerate(batches(data, 800, seed=seed)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
        if step % 20 == 0:
            now = _first_and_last(network, data.test_inputs)
            lowest = min(lowest, now, key=lambda each: each["last layer"])
    return lowest


@torch.no_grad()
def _first_and_last(network: nn.Sequential, inputs: torch.Tensor) -> Quantities:
    first: torch.Tensor = network[:2](inputs)
    last: torch.Tensor = network[:-1](inputs)
    return {"last layer": float(last.mean()), "first layer": float(first.mean())}


CLAIMS = (
    _trainable(1.0, quick=True),
    _trainable(1.4, quick=False),
    _trainable(2.5, quick=False),
    _trainable(4.0, quick=True),
    Claim(
        key="thirty layers, momentum",
        source='He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", section 2.2, figure 3',
        says="A network of 30 ReLU layers converges from He's initialisation, and stalls completely from Xavier's.",
        setting="Digits, 30 fully connected layers of 100 units, 400 steps of gradient descent at 0.001 with momentum "
        "0.9; loss over the training set.",
        measure=partial(thirty_layers, sgd(1e-3, 0.9)),
        judge=Bounds(
            _LOSSES,
            {"loss from default": _STALLS, "loss from Xavier": _STALLS},
            {"loss from He": _LEARNS},
        ),
        cost=(5.0, 5.0),
    ),
    Claim(
        key="thirty layers, Adam",
        source='He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", section 2.2, figure 3',
        says="The better an initialisation keeps the variance of ReLU layers, the better 30 of them converge.",
        setting="The same, 400 steps of Adam at 0.0001, which rescales small gradients: PyTorch's default is worse "
        "than Xavier, and Xavier worse than He.",
        measure=partial(thirty_layers, adam(1e-4)),
        judge=Order(("loss from He", "loss from Xavier", "loss from default"), 2.0, "seeds differ by less than that"),
        only="The paper has no PyTorch default and no Adam: the order is what its argument says of them.",
        cost=(8.0, 8.0),
    ),
    Claim(
        key="highway networks",
        source='Srivastava, Greff, Schmidhuber 2015, "Training very deep networks", section 3.1, figure 1',
        says="Plain networks are hard to optimise from some ten layers on; highway networks of 100 layers train well.",
        setting="Digits, 50 units, 10 to 100 layers, tanh, 300 steps of gradient descent at 0.01 with momentum 0.9; "
        "the transform gates start at b_T = -ln L, so that an L-th of each layer is transformed.",
        measure=highways,
        judge=Bounds(
            _LOSSES,
            {"plain, 100 layers": _STALLS},
            {"highway, 10 layers": _LEARNS, "highway, 100 layers": _LEARNS},
        ),
        only=f"One bias for each depth in place of the best of 40 random settings, and {_DIGITS}",
        cost=(25.0, 15.0),
    ),
    Claim(
        key="LSUV trains",
        source='Mishkin, Matas 2016, "All you need is a good init", section 4',
        says="Orthogonal weights, scaled so that each layer's output has variance one, let very deep networks of ReLU "
        "and of tanh learn.",
        setting="Digits, 30 layers of 100 units, 400 steps of gradient descent at 0.01 with momentum 0.9.",
        measure=unit_variance,
        judge=Bounds(
            _LOSSES,
            {"ReLU from default": _STALLS},
            {"ReLU from LSUV": _LEARNS, "tanh from LSUV": _LEARNS},
        ),
        only=f"Fully connected layers and {_DIGITS}",
        cost=(7.0, 7.0),
    ),
    Claim(
        key="sigmoid with batch normalisation",
        source='Ioffe, Szegedy 2015, "Batch normalization", section 4.2',
        says="With batch normalisation a deep network of sigmoids trains, which it does not do without.",
        setting="Digits, 8 layers of 100 units, 400 steps of gradient descent at 0.1.",
        measure=sigmoids,
        judge=Bounds("guessing gives 0.1", {"accuracy with": _PASSES}, {"accuracy without": 0.2}),
        only=f"A small network and {_DIGITS}",
        cost=(2.0, 2.0),
    ),
    Claim(
        key="saturation of the last sigmoid layer",
        source='Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", '
        "section 3.1, figure 2",
        says="Early in the training of four sigmoid layers the last one is driven to its lower end, near 0; those "
        "below are not.",
        setting="Digits, 4 layers of 100 units, 800 steps of gradient descent at 1; mean activations over the test "
        "images when that of the last layer is lowest.",
        measure=saturation,
        judge=Bounds(
            "a tenth is where the slope of a sigmoid has fallen to a third of its largest; one half is its middle",
            {"first layer": 0.4},
            {"last layer": 0.1, "first layer": 0.6},
        ),
        only=f"The paper shows a course of activations on its own generated images; here {_DIGITS}",
        cost=(2.0, 2.0),
    ),
)
