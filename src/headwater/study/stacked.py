"""Many networks of one shape, trained together: one operation on stacked weights in place of one for each network."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from headwater.measure import tiny_numbers_as_zero
from headwater.measure.norms import frobenius
from headwater.study.data import Dataset
from headwater.study.training import BATCH_SIZE, Training, train

FEW, LARGE = 4, 300_000
"""Networks from which training together is faster, and parameters of each from which it no longer is: `python -m
benchmarks.stacked`."""
_LOOK = 10
"""Steps of which one is looked at: the norms of all updates would cost a tenth of the training."""


@dataclass(frozen=True)
class Trained:
    """A training, and how far it took the weights.

    Attributes:
        training: its losses and what came of it.
        paths: for each weight matrix, from the input, the sum over the steps of ``|update| / |weight|``, Frobenius
            norms; the weight is that at the start, and the sum is taken from every tenth step.
    """

    training: Training
    paths: tuple[float, ...]


def train_together(
    models: Sequence[nn.Module], data: Dataset, *, rates: Sequence[float], steps: int, seeds: Sequence[int]
) -> list[Trained]:
    """Trains networks of one shape in place, each as `training.train` does: its own rate, and batches from its seed.

    Few or large networks are trained one by one, which is as fast or faster.

    Args:
        models: alike but for their weights.
        data: what they learn.
        rates: of each.
        steps: of all.
        seeds: of each one's batches.
    """
    if not is_faster(len(models), sum(parameter.numel() for parameter in models[0].parameters())):
        return [_alone(*each, data, steps) for each in zip(models, rates, seeds, strict=True)]
    return train_stacked(models, data, rates, steps, seeds)


def is_faster(networks: int, parameters: int) -> bool:
    """Whether so many networks of so many parameters are trained together in less time than one by one."""
    return networks >= FEW and parameters < LARGE


def _alone(model: nn.Module, rate: float, seed: int, data: Dataset, steps: int) -> Trained:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    start, paths = [frobenius(matrix) for matrix in matrices], [0.0] * len(matrices)

    def look(done: int, _steps: int) -> None:
        if (done - 1) % _LOOK == 0:
            for place, matrix in enumerate(matrices):
                gradient = 0.0 if matrix.grad is None else frobenius(matrix.grad)
                paths[place] += min(_LOOK, steps - done + 1) * rate * gradient / start[place]

    training = train(model, data, rate=rate, steps=steps, seed=seed, progress=look)
    return Trained(training, tuple(paths))


def train_stacked(
    models: Sequence[nn.Module], data: Dataset, rates: Sequence[float], steps: int, seeds: Sequence[int]
) -> list[Trained]:
    """Trains them as one, however few they are.

    Shapes, of K networks: weights ``(K, out, in)``, inputs ``(K, batch, features)``, losses ``(K,)``. The gradient
    of the sum of the losses holds the gradient of each, since no network reads another's weights.
    """
    parameters, buffers = stack_module_state(list(models))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    weights = list(parameters.values())
    scales = [torch.tensor(rates).view(-1, *[1] * (weight.dim() - 1)) for weight in weights]
    forward = _forward(models[0], buffers)
    start = [_norms(weight) for weight in weights]
    paths = [torch.zeros_like(norm) for norm in start]
    losses: list[Tensor] = []
    with tiny_numbers_as_zero():
        for step in range(steps):
            inputs, labels = _draw(data, generators)
            loss = _cross_entropy(forward(parameters, inputs), labels)
            gradients = torch.autograd.grad(loss.sum(), weights)
            with torch.no_grad():
                updates = [gradient.mul_(scale) for gradient, scale in zip(gradients, scales, strict=True)]
                for weight, update in zip(weights, updates, strict=True):
                    weight.sub_(update)
                if step % _LOOK == 0:
                    for path, update in zip(paths, updates, strict=True):
                        path.add_(_norms(update), alpha=min(_LOOK, steps - step))
            losses.append(loss.detach())
        accuracies = _accuracies(forward, parameters, data)
    _give_back(models, parameters)
    relative = [path / norm for path, norm, weight in zip(paths, start, weights, strict=True) if weight.dim() > 2]
    return _each(rates, torch.stack(losses, 1), torch.stack(relative, 1), accuracies, math.log(data.classes))


def _each(
    rates: Sequence[float], losses: Tensor, paths: Tensor, accuracies: Sequence[float], chance: float
) -> list[Trained]:
    """Losses ``(K, steps)`` and paths ``(K, weight matrices)`` as one training for each network."""
    curves, lengths = (cast("list[list[float]]", numbers.tolist()) for numbers in (losses, paths))
    return [
        Trained(Training(rate, tuple(curve), accuracy, chance), tuple(length))
        for rate, curve, accuracy, length in zip(rates, curves, accuracies, lengths, strict=True)
    ]


def _norms(stacked: Tensor) -> Tensor:
    """The norm of each network's part, ``(K,)``."""
    return cast(Tensor, torch.linalg.vector_norm(stacked.detach().flatten(1), dim=1))


def _forward(model: nn.Module, buffers: dict[str, Tensor]) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    """Outputs ``(K, batch, classes)`` for stacked weights and inputs."""
    base = copy.deepcopy(model).to("meta")  # its own weights are not used

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return functional_call(base, (parameters, buffers), (inputs,))

    many = vmap(one)
    return lambda parameters, inputs: many(parameters, buffers, inputs)


def _draw(data: Dataset, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    rows = torch.stack([torch.randint(len(data.inputs), (BATCH_SIZE,), generator=each) for each in generators])
    return data.inputs[rows], data.labels[rows]


def _cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean over each network's batch."""
    each = nn.functional.cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)


def _accuracies(
    forward: Callable[[dict[str, Tensor], Tensor], Tensor], parameters: dict[str, Tensor], data: Dataset
) -> list[float]:
    count = len(next(iter(parameters.values())))
    with torch.no_grad():
        outputs = forward(parameters, data.test_inputs.expand(count, *data.test_inputs.shape))
    return cast("list[float]", (outputs.argmax(2) == data.test_labels).float().mean(1).tolist())


def _give_back(models: Sequence[nn.Module], parameters: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, stacked in parameters.items():
            for model, trained in zip(models, stacked, strict=True):
                model.get_parameter(name).copy_(trained)
