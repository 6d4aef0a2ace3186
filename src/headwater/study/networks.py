"""Small networks for the experiments, built the same way each time from a seed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import nn

Activation = Literal["sigmoid", "relu"]
Initialisation = Literal["default", "he"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}


def mlp(
    inputs: int,
    classes: int,
    *,
    depth: int,
    width: int,
    activation: Activation,
    initialisation: Initialisation = "default",
    seed: int = 0,
) -> nn.Sequential:
    """Builds `depth` hidden layers of `width` units each, and a linear output layer.

    Args:
        inputs: number of input features.
        classes: number of outputs.
        depth: number of hidden layers.
        width: units in each of them.
        activation: after each hidden layer.
        initialisation: ``"default"`` is PyTorch's own, weights of variance ``1 / (3 fan_in)``; ``"he"`` draws the
            hidden weights from ``N(0, 2 / fan_in)`` with zero biases (He, Zhang, Ren, Sun 2015, "Delving Deep into
            Rectifiers"). The output layer keeps the default.
        seed: of the weights; the global random state is left as it was.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for index in range(1, depth + 1):
            modules[f"hidden{index}"] = _linear(inputs if index == 1 else width, width, initialisation)
            modules[f"{activation}{index}"] = _ACTIVATIONS[activation]()
        modules["output"] = nn.Linear(width, classes)
    return nn.Sequential(modules)


def _linear(inputs: int, outputs: int, initialisation: Initialisation) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    if initialisation == "he":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return layer
