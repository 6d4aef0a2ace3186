"""Draw the initial weights for the activation that follows them.

## What it does

Each linear and convolutional layer gets weights whose variance keeps the norm of the gradient through the activation
above it, and biases of zero. PyTorch's default, ``1 / (3 fan_in)`` whatever follows, loses 42 % a linear layer and 59 %
a layer of ReLU: over 30 layers nothing is left, in either direction.

| variant | what is drawn |
| --- | --- |
| `he` | normal, ``sigma_w^2 / fan_in`` with the gain of each activation: 2 for ReLU |
| `xavier` | normal, ``2 / (fan_in + fan_out)``: networks of tanh, and sigmoids with the gain 4 |
| `orthogonal` | orthogonal matrices times the same gains: no direction is lost, also when many layers multiply |
| `edge-of-chaos` | tanh, ELU, SELU: the point with biases of variance 0.05 at which the gradient keeps its norm |
| `lsuv` | orthogonal, then divided, layer by layer in the first forward pass, by the deviation of the outputs |

## When not

Never on weights that look trained, nor on those that are tied, frozen, zero by design (the last of a residual branch,
an adapter), of a gate, or of a recurrent loop (`fresh.py` tells how that is seen). LSUV does not help sigmoids: what
keeps their variance leaves 0.39 of the gradient a layer (`headwater.theory.unit_variance_gains`); nor does the edge of
chaos, which they have at weights of deviation 10 only. For GELU and SiLU the variance drifts away from their edge of
chaos with depth. LSUV calibrates each process on its own batch, so that distributed replicas would differ: refused.

## Safety

Safe: the network can compute what it could, and only its start is another.

## References

- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", ICCV, arXiv 1502.01852
- Saxe, McClelland, Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
  networks", ICLR, arXiv 1312.6120
- Mishkin, Matas 2016, "All you need is a good init", ICLR, arXiv 1511.06422
- Hayou, Doucet, Rousseau 2019, "On the impact of the activation function on deep neural networks training", ICML,
  arXiv 1902.06853
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from headwater.errors import RemedyError
from headwater.records import Change, Layer
from headwater.records.numbers import count
from headwater.remedies.code import run
from headwater.remedies.draw import GLOROT, bias_zero, loops, matched, orthogonal, outputs
from headwater.remedies.fresh import begun, drawable
from headwater.remedies.remedy import Remedy, Training
from headwater.theory import edge_of_chaos

_CODE = "init-matched"
_STABLE = frozenset(["tanh", "elu", "celu", "selu"])
"""With depth the variance returns to that of their critical point: ``dq'/dq < 1`` (`headwater.theory.edge_point`)."""
_BIAS_VARIANCE = 0.05
"""That of the phase diagram of Schoenholz et al. 2017; the critical point is then well away from zero."""
_NO_ACTIVATION = "no activation follows the layers whose weights may be drawn"
_NO_LSUV = frozenset(["sigmoid", "hardsigmoid", "softplus"])

_UNIT_VARIANCE = """\
def unit_variance(layer, inputs):
    if not layer.calibrated:
        with torch.no_grad():
            deviation = layer.forward(*inputs).std()
            if deviation > 0:
                layer.weight.div_(deviation)
        layer.calibrated = True


def loaded(layer, _):
    layer.calibrated = True  # weights that were loaded stay as they are


"""
"""What is left to do is kept on the layer, and not in the hook, so that copies of the model do it too."""
_CALIBRATED = (
    "layer.calibrated = False",
    "layer.register_forward_pre_hook(unit_variance)",
    "layer.register_load_state_dict_post_hook(loaded)",
)

Draw = Callable[[Training, str, Layer], Sequence[str]]
"""Statements on ``layer`` that draw the one at a path."""


def _refusal(training: Training, unfit: Callable[[frozenset[str]], str | None]) -> str | None:
    if why := begun(training):
        return why
    found = drawable(training)
    if not found:
        return "no weight may be drawn anew: they look trained, or are frozen, tied, zero by design, or of another kind"
    return unfit(frozenset(layer.activation for layer in found.values() if layer.activation))


def _apply(variant: str, words: str, draw: Draw, training: Training, *, functions: str = "") -> Change:
    found = drawable(training)
    if not found:
        raise RemedyError("Looked for linear and convolutional layers with weights as they were drawn, and found none.")
    code = loops(training, {name: draw(training, name, layer) for name, layer in found.items()})
    code = replace(code, before=functions + code.before)
    run(code, training)
    return Change(f"{_CODE}:{variant}", f"{words} in {count(len(found), 'layer')}", tuple(found), code=code)


def _matched(training: Training, name: str, layer: Layer) -> Sequence[str]:
    return matched(layer, training), *bias_zero(training, name)


def _orthogonal(training: Training, name: str, layer: Layer) -> Sequence[str]:
    return orthogonal(layer, training), *bias_zero(training, name)


def _critical(training: Training, name: str, layer: Layer) -> Sequence[str]:
    point = edge_of_chaos(layer.activation, _BIAS_VARIANCE) if layer.activation in _STABLE else None
    zero = bias_zero(training, name)
    if point is None or not zero:
        return matched(layer, training), *zero
    weight, bias = math.sqrt(point.weight_variance), math.sqrt(point.bias_variance)
    return (
        f"torch.nn.init.normal_(layer.weight, std={weight:.4g} / layer.weight[0].numel() ** 0.5)",
        f"torch.nn.init.normal_(layer.bias, std={bias:.4g})",
    )


def _lsuv(training: Training, name: str, layer: Layer) -> Sequence[str]:
    drawn = _orthogonal(training, name, layer)
    scaled_otherwise = layer.rejoins or name in outputs(training.measurement)
    return drawn if scaled_otherwise else (*drawn, *_CALIBRATED)


def _unfit_for_he(kinds: frozenset[str]) -> str | None:
    if not kinds:
        return _NO_ACTIVATION
    return None if kinds - GLOROT else "its activations are those that Xavier initialisation is made for"


def _unfit_for_xavier(kinds: frozenset[str]) -> str | None:
    if not kinds:
        return _NO_ACTIVATION
    if not kinds & GLOROT:
        return "none of its activations is a tanh or a sigmoid: Xavier initialisation loses 29 % a layer of ReLU"
    return (
        "it has other activations than tanh and sigmoid: the variant he draws for each of them"
        if kinds - GLOROT
        else None
    )


def _unfit_for_the_edge(kinds: frozenset[str]) -> str | None:
    return None if kinds & _STABLE else "only tanh, ELU and SELU have an edge of chaos with biases that depth keeps to"


def _unfit_for_lsuv(kinds: frozenset[str]) -> str | None:
    if kinds & _NO_LSUV:
        return "of a sigmoid or softplus whose variance is kept, 0.4 to 0.6 of the gradient is left a layer"
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return "each distributed process would calibrate its replica on a batch of its own"
    return None


def _never(_kinds: frozenset[str]) -> str | None:
    return None


_VARIANTS: tuple[tuple[str, str, Callable[[frozenset[str]], str | None], Draw, str], ...] = (
    ("he", "weights drawn for their activations (He)", _unfit_for_he, _matched, ""),
    ("xavier", "weights drawn for tanh and sigmoid (Xavier)", _unfit_for_xavier, _matched, ""),
    ("orthogonal", "orthogonal weights", _never, _orthogonal, ""),
    ("edge-of-chaos", "weights and biases at the edge of chaos", _unfit_for_the_edge, _critical, ""),
    ("lsuv", "orthogonal weights, scaled to outputs of variance one (LSUV)", _unfit_for_lsuv, _lsuv, _UNIT_VARIANCE),
)

REMEDIES = tuple(
    Remedy(
        _CODE,
        variant,
        "safe",
        1,
        partial(_refusal, unfit=unfit),
        partial(_apply, variant, words, draw, functions=functions),
        __doc__ or "",
    )
    for variant, words, unfit, draw, functions in _VARIANTS
)
