"""Gains of real networks at their start, their gradients itemised by `headwater.trace`; in float64.

A random gradient is sent back from the last layer, so that no loss has a say. A gain is the norm of the gradient that a
layer hands on over the norm that reaches it; over several layers the geometric mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from headwater.measure import trace
from headwater.measure.layers import layers, uses
from headwater.measure.norms import frobenius
from headwater.measure.structure import structure
from headwater.records import Layer
from headwater.study.literature.highway import HighwayLayer

TRANSIENT = 5
"""Layers at the input that are left out where a prediction is for the layers of a deep network far from its ends."""

Way = Callable[[torch.Tensor], torch.Tensor]


def itemised(network: nn.Module, inputs: torch.Tensor) -> tuple[Layer, ...]:
    """Returns the layers of a network with their gains, for a random gradient at its outputs."""
    outputs: torch.Tensor = network(inputs)
    found = trace((outputs * torch.randn_like(outputs)).sum(), model=network)
    shape = structure(found)
    return layers(found, shape, uses(found, shape))


def mean_gain(found: Iterable[Layer]) -> float:
    """Returns the geometric mean of the layers' gains."""
    logs = [math.log(layer.gain) for layer in found if layer.gain]
    return math.exp(sum(logs) / len(logs))


def total_gain(outputs: torch.Tensor, inputs: torch.Tensor) -> float:
    """Returns the norm of a random gradient once it has come from the outputs to the inputs, over its norm there."""
    seed = torch.randn_like(outputs)
    trace((outputs * seed).sum())
    assert inputs.grad is not None
    return frobenius(inputs.grad) / frobenius(seed)


def stack(linears: Iterable[nn.Linear], activation: nn.Module) -> nn.Sequential:
    """Puts an activation between linear layers; none follows the last."""
    modules = [module for linear in linears for module in (linear, activation)]
    return nn.Sequential(*modules[:-1])


def plain_gain(
    activation: nn.Module,
    draw: Callable[[nn.Linear], Any],
    *,
    width: int,
    depth: int,
    seed: int,
    batch: int = 16,
    skip: int = 0,
) -> float:
    """Gain per layer of a fully connected network.

    Args:
        activation: between the layers.
        draw: sets weight and bias of one layer.
        width: units of a layer.
        depth: number of layers.
        seed: of weights, inputs and gradient.
        batch: number of inputs, ``Normal(0, 1)``.
        skip: layers at the input that are left out.
    """
    torch.manual_seed(seed)
    linears = [nn.Linear(width, width).double() for _ in range(depth)]
    with torch.no_grad():
        for linear in linears:
            draw(linear)
    return mean_gain(itemised(stack(linears, activation), torch.randn(batch, width, dtype=torch.float64))[skip:])


def normalised_gain(
    activation: nn.Module, norm: Callable[[int], nn.Module], *, width: int, depth: int, batch: int, seed: int
) -> float:
    """Gain per layer of a network of linear layer, normalisation, activation."""
    torch.manual_seed(seed)
    modules: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False)
        nn.init.normal_(linear.weight, std=width**-0.5)
        modules += [linear, norm(width), activation]
    found = itemised(nn.Sequential(*modules[:-2]).double(), torch.randn(batch, width, dtype=torch.float64))
    return mean_gain(found[TRANSIENT:])  # the inputs have another mean and variance than what follows


def residual_gain(
    blocks: int, scale: float, norm: Way | None = None, *, width: int = 500, batch: int = 64, seed: int = 0
) -> float:
    """Total gain of blocks ``x + scale * sqrt(2) W2 relu(W1 norm(x))``, whose weights keep the variance."""
    torch.manual_seed(seed)
    inputs = torch.randn(batch, width, dtype=torch.float64, requires_grad=True)
    stream = inputs
    for _ in range(blocks):
        first, second = (torch.randn(width, width, dtype=torch.float64) * width**-0.5 for _ in range(2))
        branch = stream if norm is None else norm(stream)
        stream = stream + scale * (math.sqrt(2.0) * torch.relu(branch @ first) @ second)
    return total_gain(stream, inputs)


def layer_norm(x: torch.Tensor) -> torch.Tensor:
    """Normalises each sample, without parameters."""
    return F.layer_norm(x, x.shape[1:])


def batch_norm(x: torch.Tensor) -> torch.Tensor:
    """Normalises each feature over the batch, without parameters."""
    return F.batch_norm(x, None, None, training=True)


def highway_gain(bias: float, *, blocks: int = 40, width: int = 500, batch: int = 16, seed: int = 0) -> float:
    """Gain per block of highway layers with PyTorch's first weights and this bias of the transform gate."""
    torch.manual_seed(seed)
    inputs = torch.randn(batch, width, dtype=torch.float64, requires_grad=True)
    network = nn.Sequential(*(HighwayLayer(width, bias).double() for _ in range(blocks)))
    return total_gain(network(inputs), inputs) ** (1.0 / blocks)


def log_square(width: int, depth: int, generator: torch.Generator) -> float:
    """Returns ``ln |J^T v|^2``: J is the Jacobian of a random ReLU network under He initialisation, v a unit vector."""
    x = torch.randn(width, generator=generator)
    weights, masks = list[torch.Tensor](), list[torch.Tensor]()
    for _ in range(depth):
        weights.append(torch.randn(width, width, generator=generator) * math.sqrt(2.0 / width))
        x = weights[-1] @ x
        masks.append((x > 0).float())
        x = x * masks[-1]
    delta = torch.randn(width, generator=generator)
    start = delta.square().sum()
    for weight, mask in zip(reversed(weights), reversed(masks), strict=True):
        delta = weight.T @ (delta * mask)
    return float((delta.square().sum() / start).log())
