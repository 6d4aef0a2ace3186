"""Small networks for the experiments, built the same way each time from a seed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}
INITIALISATIONS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "default": None,
    "xavier": nn.init.xavier_uniform_,
    "lecun": lambda weight: nn.init.normal_(weight, std=weight.shape[1] ** -0.5),
    "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}
"""How the hidden weights are drawn; ``None``: as `nn.Linear` draws them. The names are those of `headwater.predict`."""


def mlp(
    inputs: int,
    classes: int,
    *,
    depth: int,
    width: int,
    activation: str,
    initialisation: str = "default",
    seed: int = 0,
) -> nn.Sequential:
    """Builds `depth` hidden layers of `width` units each, and a linear output layer.

    Args:
        inputs: number of input features.
        classes: number of outputs.
        depth: number of hidden layers.
        width: units in each of them.
        activation: after each hidden layer, one of `ACTIVATIONS`.
        initialisation: ``"default"`` is PyTorch's own, weights and biases of variance ``1 / (3 fan_in)``. With the
            others biases are zero, and the weights have variance ``1 / fan_in`` (lecun, orthogonal, and xavier where
            fan_in and fan_out are equal) or ``2 / fan_in`` (he: He, Zhang, Ren, Sun 2015, "Delving Deep into
            Rectifiers"). The output layer keeps the default.
        seed: of the weights; the global random state is left as it was.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for index in range(1, depth + 1):
            modules[f"hidden{index}"] = _linear(inputs if index == 1 else width, width, initialisation)
            modules[f"{activation}{index}"] = ACTIVATIONS[activation]()
        modules["output"] = nn.Linear(width, classes)
    return nn.Sequential(modules)


def _linear(inputs: int, outputs: int, initialisation: str) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    draw = INITIALISATIONS[initialisation]
    if draw is not None:
        draw(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer
