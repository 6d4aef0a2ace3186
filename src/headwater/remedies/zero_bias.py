"""Start the biases of hidden layers at zero.

## What it does

A bias far from zero holds every unit of a layer on one side of its activation, whatever comes in: a ReLU is off on all
samples, a sigmoid or tanh lies where it is flat. In hidden linear and convolutional layers most of whose units are dead
or saturated, and in plain recurrent layers, biases that lie beyond the range from which PyTorch draws them,
``+-1/sqrt(fan_in)``, become zero.

## When not

Not where they look learnt, nor those that are frozen. The biases of gates are a choice (`forget-bias`), those of an
output can hold a prior (the log odds of a rare class), and a normalisation's are meant to move.

## Safety

Safe: the network can compute what it could, and only its start is another.

## References

- He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", ICCV, arXiv 1502.01852 (biases of zero)
- Lu, Shin, Su, Karniadakis 2020, "Dying ReLU and initialization: theory and numerical examples", Communications in
  Computational Physics 28, arXiv 1903.06733
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.records.numbers import count
from headwater.remedies.code import run
from headwater.remedies.fresh import begun, looks_trained
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import named

_CODE = "zero-bias"
_BEYOND = 2.0
"""So many times the largest number that PyTorch would draw: far enough to be no draw of it, shifted or not."""
_MANY = 0.5
"""Share of a layer's units that are dead or saturated, from which on HW301 and HW302 speak of it."""
_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RECURRENT = (nn.RNN, nn.RNNCell)


def _refusal(training: Training) -> str | None:
    if why := begun(training):
        return why
    return None if _found(training) else "no hidden layer starts with biases far from zero, other than learnt ones"


def _found(training: Training) -> list[str]:
    """Names of the biases that become zero."""
    held = {
        name
        for units in training.measurement.units
        if units.role == "hidden" and max(units.dead, units.saturated) > _MANY * units.units
        for name in units.layers
    }
    return [
        f"{path}.{name}" if path else name
        for path, module in named(training.model)
        if path in held or isinstance(module, _RECURRENT)  # whose units a diagnosis does not see
        for name in _of(module)
    ]


def _of(module: nn.Module) -> Iterator[str]:
    parameters = dict(module.named_parameters(recurse=False))
    for name, bias in parameters.items():
        if not name.startswith("bias") or not bias.requires_grad or not isinstance(module, (*_LINEAR, *_RECURRENT)):
            continue
        weight = parameters.get(name.replace("bias", "weight"))
        if weight is None or looks_trained(weight, bias):
            continue
        fan_in = module.hidden_size if isinstance(module, _RECURRENT) else weight[0].numel()
        if float(bias.detach().abs().max()) > _BEYOND / math.sqrt(fan_in):
            yield name


def _apply(training: Training) -> Change:
    found = _found(training)
    if not found:
        raise RemedyError("Looked for biases of hidden layers that start far from zero, and found none.")
    layers = {name.rpartition(".")[0] for name in found}
    names = "".join(f"    {name!r},\n" for name in found)
    lines = f"for name in (\n{names}):\n    torch.nn.init.zeros_({{model}}.get_parameter(name))\n"
    code = Code(before=lines, imports=("import torch",))
    run(code, training)
    return Change(_CODE, f"the biases of {count(len(layers), 'hidden layer')} start at zero", tuple(found), code=code)


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
