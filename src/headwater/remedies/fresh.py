"""Which weights may be drawn anew: those that look like a draw, and that nothing else depends on.

What a network has learnt is never thrown away. Learning adds a matrix of low rank to the weights, and draws their
distribution out, whatever they were drawn from (Martin and Mahoney 2021, "Implicit self-regularization in deep neural
networks", JMLR 22, arXiv 1810.01075). So weights are fresh when their elements look independent and alike:

- their kurtosis lies between that of a uniform and that of a normal distribution (1.8 to 3), but for 8 standard errors
  ``sqrt(24 / n)``: of few numbers it has a long tail;
- their largest singular value is that of random numbers of the same variance: it lies, in units of its own spread, not
  over 5 above the edge ``(sqrt(n - 1) + sqrt(m))^2`` (Johnstone 2001, "On the distribution of the largest eigenvalue in
  principal components analysis", eq. 1.3 and 1.4; the Tracy-Widom law exceeds 5 with a chance of 1e-5).

The mean is taken off first: one constant, or numbers of one sign, are a fault and nothing learnt. A short training
leaves hardly a trace in the weights, and a clear one in biases that were zero. Fresh are those of which half are equal
(zeros, one constant), and PyTorch's default, U(+-1/sqrt(fan_in)), also when it is shifted as a whole: then they spread
no wider, and their deviation is that of the default within 5 errors. What lies below a layer that has learnt is left
too: that layer has learnt to read it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from headwater.records import Layer
from headwater.remedies.remedy import Training
from headwater.remedies.rewrite import named

_UNIFORM, _NORMAL = 1.8, 3.0
_ERRORS, _TAILED = 5.0, 8.0
_ITERATIONS = 20
_LARGEST = 512
"""Rows and columns that are looked at: a part of an independent draw is one too, and large networks take no longer."""
_BLOCKS = 4
"""The gates of an LSTM; queries, keys and values are three."""
_PLAIN = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Not the transposed ones: their fan-in depends on the stride."""


def begun(training: Training) -> str | None:
    """Says why a training is not one that has yet to begin; ``None`` when it is."""
    if any(_stepped(state) for state in training.optimizer.state.values()):
        return "the optimizer has taken steps already: the weights are no longer a draw"
    if any(int(b) > 0 for name, b in training.model.named_buffers() if name.endswith("num_batches_tracked")):
        return "a batch normalisation has seen data already: the weights are no longer a draw"
    return None


def _stepped(state: Any) -> bool:
    return float(state.get("step", 0)) > 0 or state.get("momentum_buffer") is not None


def drawable(training: Training) -> dict[str, Layer]:
    """Returns the plain linear and convolutional layers whose weights may be drawn anew, by path, in module order.

    Left out are weights that look trained, or lie below such; that are frozen, tied to others, computed from others, or
    zero by design; those of gates, whose start is a choice; and those that a loop over time applies, whose gain
    compounds otherwise.
    """
    layers = {layer.name: layer for layer in training.measurement.layers}
    plain = {
        name: module
        for name, module in named(training.model)
        if name in layers and isinstance(module, _PLAIN) and _own(module).get("weight") is not None
    }
    learnt = [layers[name].depth for name, module in plain.items() if looks_trained(module.weight, module.bias)]
    kept = _kept(training)
    return {
        name: layers[name]
        for name, module in plain.items()
        if id(module.weight) not in kept and name not in kept and layers[name].depth > max(learnt, default=0)
    }


def trained(training: Training) -> frozenset[str]:
    """Returns the layers whose weights look trained, by name.

    Weights that the model does not know, those of layers in a plain list, no checkpoint has reached either.
    """
    weights = dict(training.model.named_parameters())
    return frozenset(
        layer.name
        for layer in training.measurement.layers
        if layer.weight in weights and any(map(looks_trained, _parts(weights[layer.weight])))
    )


def _parts(weight: Tensor) -> Sequence[Tensor]:
    """Square blocks of a few: projections and gates that share a weight may have sizes of their own."""
    blocks, rest = divmod(weight.shape[0], max(1, weight[0].numel()))
    return weight.chunk(blocks) if not rest and 1 < blocks <= _BLOCKS else (weight,)


def kept_for_trained(training: Training) -> frozenset[str]:
    """Returns the layers that look trained, and those below such, whose activations such have learnt to read."""
    found, layers = trained(training), training.measurement.layers
    highest = max((layer.depth for layer in layers if layer.name in found), default=0)
    return frozenset(layer.name for layer in layers if layer.depth <= highest)


def _kept(training: Training) -> set[int | str]:
    """Names of the layers, and identities of the parameters, that are what they are on purpose."""
    measurement = training.measurement
    uses = Counter(id(p) for _, module in named(training.model) for p in _own(module).values() if p is not None)
    shared = {key for key, times in uses.items() if times > 1}
    frozen = {id(p) for p in training.model.parameters() if not p.requires_grad}
    gates = {name for units in measurement.units if units.role == "gate" for name in units.layers}
    loops = {each.name for each in measurement.layers if measurement.profile.recurrent and each.calls > 1}
    zero = {each.name for each in measurement.layers if each.zero_initialised}
    return shared | frozen | gates | loops | zero


def _own(module: nn.Module) -> dict[str, nn.Parameter | None]:
    return cast(Any, module)._parameters


def looks_trained(weight: Tensor, bias: Tensor | None = None) -> bool:
    """Whether the elements of a weight, with the output first, or those of its bias are not those of a draw."""
    if bias is not None and _bias_trained(bias.detach().float(), weight[0].numel()):
        return True
    matrix = weight.detach().flatten(1)[:_LARGEST, :_LARGEST].float()
    if matrix.numel() < 2 or matrix.max() == matrix.min():
        return False
    matrix = matrix - matrix.mean()
    variance = float(matrix.square().mean())
    kurtosis = float(matrix.pow(4).mean()) / variance**2
    margin = _TAILED * math.sqrt(24.0 / matrix.numel())
    if not _UNIFORM - margin <= kurtosis <= _NORMAL + margin:
        return True
    return _largest_eigenvalue(matrix) / variance > _edge(*matrix.shape)


def _bias_trained(bias: Tensor, fan_in: int) -> bool:
    if 2 * torch.unique(bias).numel() <= bias.numel() or bias.numel() == 1:
        return False
    bound = 1.0 / math.sqrt(fan_in)
    error = math.sqrt((_UNIFORM - 1.0) / (4.0 * len(bias)))  # of a deviation, relative
    same = abs(float(bias.std()) / (bound / math.sqrt(3.0)) - 1.0) <= _ERRORS * error
    return not (same and float(bias.max() - bias.min()) <= 2.0 * bound * (1.0 + torch.finfo(bias.dtype).eps))


def _edge(n: int, m: int) -> float:
    """Where the largest eigenvalue of ``X^T X`` lies, for n times m numbers of variance one, plus 5 of its spreads."""
    centre = math.sqrt(max(n - 1, 1)) + math.sqrt(m)
    spread = centre * (1.0 / math.sqrt(max(n - 1, 1)) + 1.0 / math.sqrt(m)) ** (1.0 / 3.0)
    return centre**2 + _ERRORS * spread


def _largest_eigenvalue(matrix: Tensor) -> float:
    """By power iteration, from below, and without a random number: it starts from the longest row."""
    vector = matrix[matrix.square().sum(dim=1).argmax()]
    for _ in range(_ITERATIONS):
        vector = torch.mv(matrix.mT, torch.mv(matrix, vector / _length(vector)))
    return float(_length(vector))


def _length(vector: Tensor) -> Tensor:
    return cast(Tensor, torch.linalg.vector_norm(vector))
