"""Weights drawn for the activation that follows them: what two remedies share.

The norm of the gradient changes by ``sigma_w sqrt(E[phi'(z)^2])`` a layer, where a weight has the variance
``sigma_w^2 / fan_in`` (Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017, "Deep information propagation", arXiv
1611.01232). The gain sigma_w that keeps it is, for each activation:

| activation | sigma_w | source |
| --- | --- | --- |
| ReLU, ReLU6 | sqrt(2) | He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", eq. 10 |
| leaky ReLU, PReLU | sqrt(2 / (1 + a^2)) | He et al. 2015, eq. 15 |
| ELU, GELU, SiLU, Mish, Hardswish | 1.22, 1.48, 1.62, 1.445, 1.67 | the formula at ``z ~ Normal(0, 1)`` |
| SELU | 1 | Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-normalizing neural networks" |
| tanh, softsign, hardtanh, none | 1 | Glorot, Bengio 2010; the critical point without biases |
| sigmoid, hardsigmoid | 4, 6 | Glorot, Bengio 2010: one over the slope at zero, a quarter or a sixth of tanh's |

A last layer has the gain 1: logits of variance near one. The last layer of each of L branches has ``1 / sqrt(L)``, so
that the stream keeps its size (Zhang, Dauphin, Ma 2019, "Fixup initialization", arXiv 1901.09321). Biases become zero;
those of last layers are left, since they can hold a prior on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import nn

from headwater.records import Code, Layer, Measurement
from headwater.remedies.code import picked
from headwater.remedies.remedy import Training
from headwater.remedies.rewrite import named

_ROOT_2 = math.sqrt(2.0)
_LEAK, _PRELU_LEAK = 0.01, 0.25
"""Slopes of a leaky ReLU and of a PReLU below zero, as they come in PyTorch."""
_GAINS = {
    "relu": _ROOT_2,
    "relu6": _ROOT_2,
    "leakyrelu": math.sqrt(2.0 / (1.0 + _LEAK**2)),
    "prelukernel": math.sqrt(2.0 / (1.0 + _PRELU_LEAK**2)),
    "elu": 1.22,
    "celu": 1.22,
    "gelu": 1.48,
    "silu": 1.62,
    "mish": 1.445,
    "hardswish": 1.67,
    "sigmoid": 4.0,
    "hardsigmoid": 6.0,
}
GLOROT = frozenset(["tanh", "softsign", "hardtanh", "sigmoid", "hardsigmoid"])
"""Drawn from ``2 / (fan_in + fan_out)``, as their source has it; the others from ``1 / fan_in``."""


def gain(activation: str | None) -> float:
    """Returns sigma_w for an activation, by its kind; 1 for one that is not known, and for none."""
    return _GAINS.get(activation or "", 1.0)


def outputs(measurement: Measurement) -> frozenset[str]:
    """Returns the layers with none above them."""
    below = {layer.toward for layer in measurement.layers}
    return frozenset(layer.name for layer in measurement.layers if layer.name not in below and not layer.branch)


def factor(layer: Layer, training: Training) -> float:
    """Returns sigma_w for a layer in its place."""
    measurement = training.measurement
    if layer.name in outputs(measurement):
        return 1.0
    if layer.rejoins and layer.activation is None:
        return sum(each.rejoins for each in measurement.layers) ** -0.5
    if layer.activation == "leakyrelu":
        return math.sqrt(2.0 / (1.0 + _leak(training.model) ** 2))
    return gain(layer.activation)


def _leak(model: nn.Module) -> float:
    """Slope below zero of the leaky ReLUs of a model, where all that are modules have one; PyTorch's own elsewhere."""
    slopes = {module.negative_slope for module in model.modules() if isinstance(module, nn.LeakyReLU)}
    return slopes.pop() if len(slopes) == 1 else _LEAK


def matched(layer: Layer, training: Training) -> str:
    """Returns the statement that draws the weight of a layer at random for the activation that follows it."""
    kind, scale = layer.activation, factor(layer, training)
    if scale == 1.0 and kind not in GLOROT:
        return 'torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")'
    if kind in ("relu", "relu6"):
        return 'torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")'
    if kind in ("leakyrelu", "prelukernel"):
        leak = _leak(training.model) if kind == "leakyrelu" else _PRELU_LEAK
        return f"torch.nn.init.kaiming_normal_(layer.weight, a={leak})"
    if kind in GLOROT:
        return f"torch.nn.init.xavier_normal_(layer.weight{_option(scale)})"
    return f"torch.nn.init.normal_(layer.weight, std={scale:.4g} / layer.weight[0].numel() ** 0.5)"


def orthogonal(layer: Layer, training: Training) -> str:
    """Returns the statement that draws the weight orthogonal, with the gain for the activation that follows it."""
    return f"torch.nn.init.orthogonal_(layer.weight{_option(factor(layer, training))})"


def _option(scale: float) -> str:
    return "" if scale == 1.0 else f", gain={scale:.4g}"


def bias_zero(training: Training, name: str) -> tuple[str, ...]:
    """Returns the statement that sets the bias of a layer to zero, where it has one that is not a last layer's."""
    biased = getattr(training.model.get_submodule(name), "bias", None) is not None
    return () if not biased or name in outputs(training.measurement) else ("torch.nn.init.zeros_(layer.bias)",)


def loops(training: Training, statements: Mapping[str, Sequence[str]]) -> Code:
    """Writes loops over the modules of a model.

    Args:
        training: whose model they are for.
        statements: on ``layer``, by the path of the module; what several have in common is written once.
    """
    modules = dict(named(training.model))
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, lines in statements.items():
        groups.setdefault(tuple(lines), []).append(name)
    written = [
        line
        for lines, names in groups.items()
        for line in (
            "for name, layer in {model}.named_modules():",
            f"    if {picked(modules, names, 'layer')}:",
            *(f"        {each}" for each in lines),
        )
    ]
    return Code(before="\n".join(written) + "\n", imports=("import torch",))
