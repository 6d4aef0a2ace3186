"""The three changes that AutoTrainer publishes for vanishing gradients, made to any network as it makes them.

It replaces every hidden activation by SELU; or every one by ReLU, and draws all weights by He's rule; or it puts a
batch normalisation behind every hidden layer. It knows no reason to spare a layer: what is compared is the method, and
not what Headwater's own rules would let through of it. (Zhang, Zhai, Ma and Shen 2021, "AutoTrainer: an automatic DNN
training problem detection and repair system", ICSE.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.trials import ObjectsWorkload

_ACTIVATIONS = (
    nn.CELU, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.Mish, nn.PReLU, nn.ReLU,
    nn.ReLU6, nn.SELU, nn.Sigmoid, nn.SiLU, nn.Softplus, nn.Softsign, nn.Tanh,
)  # fmt: skip
_NORMS: dict[type[nn.Module], Callable[[int], nn.Module]] = {
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
}
_LAYERS = (nn.Linear, *_NORMS)


def altered(workload: ObjectsWorkload, change: str) -> ObjectsWorkload:
    """The same training of a network with one of the `CHANGES`."""
    return replace(workload, make_model=partial(_make, workload.make_model, change))


def alters(workload: ObjectsWorkload, change: str) -> bool:
    """Whether the network has anything that the change is about."""
    made = workload.make_model()
    return CHANGES[change](made[0] if isinstance(made, tuple) else made)


def _make(make_model: Callable[[], Any], change: str) -> Any:
    made = make_model()
    model: nn.Module = made[0] if isinstance(made, tuple) else made
    before = set(model.parameters())
    CHANGES[change](model)
    new = [parameter for parameter in model.parameters() if parameter not in before]
    if isinstance(made, tuple) and new:
        cast(Optimizer, made[1]).add_param_group({"params": new})
    return made


def _selu(model: nn.Module) -> bool:
    return _activated(model, nn.SELU)


def _relu_he(model: nn.Module) -> bool:
    changed = _activated(model, nn.ReLU)
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            of_layer = isinstance(module, _LAYERS) and weight.dim() > 1
            if of_layer or (isinstance(module, nn.RNNBase) and name.startswith("weight_ih")):
                drawn = nn.init.kaiming_uniform_(torch.empty_like(weight, dtype=torch.float32), nonlinearity="relu")
                with torch.no_grad():
                    weight.copy_(drawn)
                changed = True
    return changed


def _batch_normalised(model: nn.Module) -> bool:
    hidden = list(_layers(model))[:-1]
    for parent, name, layer in hidden:
        kind = _NORMS.get(type(layer))
        norm = kind(layer.out_channels) if kind else _LastDimension(layer.out_features)
        setattr(parent, name, nn.Sequential(layer, norm.to(layer.weight.device, layer.weight.dtype)))
    return bool(hidden)


CHANGES: dict[str, Callable[[nn.Module], bool]] = {
    "SELU": _selu,
    "ReLU, He's initialisation": _relu_he,
    "batch normalisation": _batch_normalised,
}
"""In the published order. Each changes a model in place, and tells whether there was anything to change."""


class _LastDimension(nn.BatchNorm1d):
    """Normalises the last dimension, whatever stands before it: of a linear layer on tokens, each feature."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Shape (..., features)."""
        return super().forward(input.flatten(end_dim=-2)).view_as(input)


def _activated(model: nn.Module, kind: Callable[[], nn.Module]) -> bool:
    """Replaces the activations ahead of the last layer; whether there was one."""
    order = {module: place for place, module in enumerate(model.modules())}
    last = max((order[layer] for *_, layer in _layers(model)), default=-1)
    changed = False
    for parent in list(model.modules()):
        if isinstance(parent, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
            parent.activation, parent.activation_relu_or_gelu, changed = kind(), 0, True
        for name, child in list(parent.named_children()):
            if isinstance(child, _ACTIVATIONS) and order.get(child, last) < last:  # what was just put in has no place
                setattr(parent, name, kind())
                changed = True
    return changed


def _layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    """Layers with a weight, in the order of their definition; not those that a parent reads the weights of."""
    for parent in model.modules():
        if not isinstance(parent, nn.MultiheadAttention):
            yield from ((parent, name, child) for name, child in parent.named_children() if isinstance(child, _LAYERS))
