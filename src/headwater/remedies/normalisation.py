"""Normalise between the weights and the activation of each hidden layer.

## What it does

| variant | what each unit's pre-activation is divided by, after its mean is taken off |
| --- | --- |
| `layer` | the deviation over the units of one sample (channels and positions, behind a convolution) |
| `batch` | the deviation over the batch (and all positions) |

The signal then reaches every layer with variance one, whatever the weights: the gain of the gradient a layer is
``sqrt(E[phi'^2] / E[phi^2])`` with layer normalisation, which is 1 for ReLU and 1.09 for tanh; with batch normalisation
the mean does not count, and it is 1.21 for ReLU (`headwater.theory.layer_norm_gain`, `batch_norm_gain`).

The normalisation becomes a part of its layer, ``layer.norm``, and acts on its output: the names of the other parameters
stay, and so does all code that calls the layer. Its own parameters learn in the group of the layer's. A last batch of
one sample has no deviation: `batch` then takes the mean and the deviation of the batches before it.

## When not

`layer` does not help a sigmoid: 0.39 of the gradient is left a layer. `batch` needs 8 samples in a batch, and
statistics that mean something: not in a loop over time, nor where batches are of one kind each. A network that is
normalised already is left, and one that looks trained: it would compute something else from one step to the next.

## Safety

Unsafe: the network computes another function; with `batch` that of a sample depends on the others, and evaluation
differs from training.

## References

- Ioffe, Szegedy 2015, "Batch normalization", ICML, arXiv 1502.03167
- Ba, Kiros, Hinton 2016, "Layer normalization", arXiv 1607.06450
- Wu, He 2018, "Group normalization", ECCV, arXiv 1803.08494 (one group, behind convolutions)
- Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz 2019, "A mean field theory of batch normalization", ICLR,
  arXiv 1902.08129
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

from torch import nn

from headwater.errors import RemedyError
from headwater.graph import class_of, role_of
from headwater.records import Change, Layer
from headwater.records.numbers import count
from headwater.remedies.code import run
from headwater.remedies.draw import loops
from headwater.remedies.fresh import begun, drawable
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import join, named

_CODE = "normalisation"
_SMALLEST_BATCH = 8
"""Below, the statistics of a batch are too noisy to train with (Wu and He 2018, figure 1)."""
_MEAN_TAKES_ALL = frozenset(["sigmoid", "hardsigmoid", "softplus"])

_NORMALISED = """\
def normalised(layer, inputs, output):
    return layer.norm(output)
"""
_BATCH_NORMALISED = """\
def batch_normalised(layer, inputs, output):
    norm = layer.norm
    units = output.flatten(0, -2) if isinstance(layer, torch.nn.Linear) else output  # positions are samples too
    if output.numel() > norm.num_features:
        return norm(units).view_as(output)
    known = (norm.running_mean, norm.running_var, norm.weight, norm.bias)  # one sample has no statistics of its own
    return torch.nn.functional.batch_norm(units, *known, eps=norm.eps).view_as(output)
"""
"""BatchNorm1d takes the second axis for the units, and those of a linear layer lie on the last."""


def _refusal(variant: str, training: Training) -> str | None:
    if why := begun(training):
        return why
    if any(_normalises(module) for _, module in named(training.model)):
        return "it is normalised already"
    found = _hidden(training)
    if not found:
        return "it has no hidden linear or convolutional layers with fresh weights under an activation"
    if variant == "batch" and training.measurement.batch_size < _SMALLEST_BATCH:
        return f"a batch of {training.measurement.batch_size} is too small for its statistics"
    if variant == "layer" and any(layer.activation in _MEAN_TAKES_ALL for layer in found.values()):
        return "of a normalised sigmoid 0.39 of the gradient is left a layer, of a softplus 0.56"
    return None


def _normalises(module: nn.Module) -> bool:
    return role_of("", has_weight=False, module_class=class_of(module).__name__) == "normalisation"


def _hidden(training: Training) -> dict[str, Layer]:
    return {name: layer for name, layer in drawable(training).items() if layer.activation and layer.calls == 1}


def _apply(variant: str, training: Training) -> Change:
    found = _hidden(training)
    if not found:
        raise RemedyError("Looked for hidden layers with an activation behind them, and found none.")
    modules = dict(named(training.model))
    statements = {name: _statements(variant, modules[name]) for name in found}
    lines = [line for each in statements.values() for line in each]
    hooks = [hook for hook in (_NORMALISED, _BATCH_NORMALISED) if _registered(hook) in lines]
    code = loops(training, statements)
    code = replace(code, before="".join(hooks) + code.before)
    run(code, training)
    for name in found:
        norm = modules[name].get_submodule("norm")
        join(training.optimizer, norm.parameters(), list(modules[name].parameters(recurse=False)))
    says = f"{variant} normalisation before {count(len(found), 'activation')}"
    return Change(f"{_CODE}:{variant}", says, tuple(found), code=code)


def _statements(variant: str, module: nn.Module) -> tuple[str, str]:
    if isinstance(module, nn.Linear):
        norm = "LayerNorm" if variant == "layer" else "BatchNorm1d"
        made = f"{norm}(layer.out_features)"
    else:
        dimensions = cast(nn.Conv2d, module).weight.dim() - 2
        made = (
            "GroupNorm(1, layer.out_channels)" if variant == "layer" else f"BatchNorm{dimensions}d(layer.out_channels)"
        )
    hook = _NORMALISED if variant == "layer" else _BATCH_NORMALISED
    return f"layer.norm = torch.nn.{made}.to(layer.weight)", _registered(hook)


def _registered(hook: str) -> str:
    name = hook[len("def ") : hook.index("(")]
    return f"layer.register_forward_hook({name})"


REMEDIES = tuple(
    Remedy(_CODE, variant, "unsafe", 4, partial(_refusal, variant), partial(_apply, variant), __doc__ or "")
    for variant in ("layer", "batch")
)
