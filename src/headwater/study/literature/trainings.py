"""Short trainings with any optimizer, and networks whose weights are drawn with given variances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from headwater.measure import tiny_numbers_as_zero
from headwater.study.data import Dataset, load_dataset
from headwater.study.training import batches

Make = Callable[[Iterable[nn.Parameter]], Optimizer]

STALLED, LEARNT = 0.97, 0.5
"""Shares of the loss of guessing, ``ln 10``, as in `study.training`: above the first nothing was learnt, below the
second most was."""
_JUDGED = 2000


@dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Attributes:
        loss: at the end, over the first 2,000 examples of the training part; infinite where it diverged.
        accuracy: share of the test part that is right.
        trained: share of those training examples that is right.
    """

    loss: float
    accuracy: float
    trained: float


def fit(network: nn.Module, data: Dataset, make: Make, *, steps: int, seed: int) -> Fitted:
    """Trains a network in place on random batches of 64."""
    optimizer = make(network.parameters())
    with tiny_numbers_as_zero():
        for inputs, labels in batches(data, steps, seed=seed):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        outputs, labels = network(data.inputs[:_JUDGED]), data.labels[:_JUDGED]
        loss = float(F.cross_entropy(outputs, labels))
        right = _right(network(data.test_inputs), data.test_labels), _right(outputs, labels)
    return Fitted(loss if math.isfinite(loss) else math.inf, *right)


def _right(outputs: torch.Tensor, labels: torch.Tensor) -> float:
    return float((outputs.argmax(1) == labels).float().mean())


def sgd(rate: float, momentum: float = 0.0) -> Make:
    """Gradient descent."""
    return partial(SGD, lr=rate, momentum=momentum)


def adam(rate: float) -> Make:
    """Adam."""
    return partial(Adam, lr=rate)


def digits() -> Dataset:
    """The handwritten digits, 64 pixels, ten classes."""
    return load_dataset("digits")


def deep(
    activation: Callable[[], nn.Module],
    *,
    depth: int,
    width: int,
    seed: int,
    variances: tuple[float, float] | None = None,
    norm: Callable[[int], nn.Module] | None = None,
    whole: bool = False,
) -> nn.Sequential:
    """Builds `depth` hidden layers for the digits, and a linear output.

    Args:
        activation: after each hidden layer.
        depth: number of hidden layers.
        width: units in each.
        seed: of the weights; the global random state is left as it was.
        variances: ``sigma_w^2`` and ``sigma_b^2``: weights of hidden layers are drawn from ``Normal(0, sigma_w^2 /
            fan_in)``, biases from ``Normal(0, sigma_b^2)``; ``None``: as PyTorch draws them, which the output
            layer is in any case but `whole`.
        norm: a normalisation before each activation.
        whole: whether the output layer is drawn like the others.
    """
    modules: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for index in range(depth):
            layer = nn.Linear(width if index else 64, width)
            if variances is not None:
                draw(layer, *variances)
            modules += [layer, *([norm(width)] if norm is not None else []), activation()]
        output = nn.Linear(width, 10)
        if whole and variances is not None:
            draw(output, *variances)
        modules.append(output)
    return nn.Sequential(*modules)


def draw(layer: nn.Linear, weight_variance: float, bias_variance: float = 0.0) -> None:
    """Draws weights from ``Normal(0, sigma_w^2 / fan_in)`` and biases from ``Normal(0, sigma_b^2)``."""
    nn.init.normal_(layer.weight, std=math.sqrt(weight_variance / layer.in_features))
    nn.init.normal_(layer.bias, std=math.sqrt(bias_variance))
