"""HW606 optimizer-misses-parameters: parameters ask for a gradient, and no group of the optimizer holds them.

An optimizer keeps references to the parameters that it was given when it was made. Layers that are replaced, added or
built lazily afterwards are unknown to it: they get gradients in every step, and never move.

## What it means

The loss is computed with weights that stay as they were drawn. Often it is the last layer: a new head is put on a
pretrained network after the optimizer was made. The optimizer goes on moving the old head, which nobody uses any
more.

## How it is measured

By identity: a trainable parameter of the model that is in no parameter group. Parameters in the groups that the model
does not have (`foreign`) can be the other half of the same mistake: the layers that were replaced.

A layer whose weight is no parameter of the model at all is the same fault in another dress: layers kept in a Python
list or dict are not registered, and `model.parameters()` does not know them. It counts unless the optimizer holds
parameters that the model does not have, which may be those.

## Thresholds

| what | severity |
| --- | --- |
| they hold over half of all trainable numbers, or unregistered layers are over half of all layers | error |
| else | warning |

Frozen parameters (`requires_grad` is False) are never reported. Where only a part is meant to be trained (a probe on
a fixed network, one of several optimizers), freeze the rest during the diagnosis, or diagnose each part with its
optimizer.

## What to do

Keep layers in `nn.ModuleList`, `nn.ModuleDict` or `nn.Sequential`. Make the optimizer after the model has its final
parameters, from `model.parameters()`; or add the new ones with `optimizer.add_param_group`. Freeze what is meant to
stay, which also saves its gradients.

## What not to do

Do not move a model to another device or dtype by replacing its parameters after the optimizer was made.

## References

- PyTorch documentation, `torch.optim`: "Constructing it"
"""

from __future__ import annotations

import re

from headwater.records import Finding, Measurement
from headwater.rules.common import amount, at_layer, count, listed, modules_of, percent, trainable
from headwater.rules.rule import Rule
from headwater.rules.thresholds import MOST_NUMBERS

CODE, NAME = "HW606", "optimizer-misses-parameters"

MOST_LAYERS = 0.5
"""Share of the layers, where it is not known how many numbers the unregistered ones hold."""
_UNREGISTERED = re.compile(r" \[[\d, ]*\]$")
"""A layer whose weight has no name in the model is named for its operation and the shape: ``Addmm 3 [64, 64]``."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for trainable parameters that the optimizer does not hold."""
    asking = trainable(measurement)
    missed = [p for p in asking if not p.in_optimizer]
    if not missed:
        return _unregistered(measurement)
    share = count(missed) / max(count(asking), 1)
    foreign = measurement.optimizer.foreign
    modules = modules_of(missed)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if share > MOST_NUMBERS else "warning",
        where=at_layer(measurement, modules[0], modules, tuple(p.name for p in missed)),
        message=f"The optimizer ({measurement.optimizer.kind}) does not hold "
        f"{amount(len(missed), 'trainable parameter')} of {listed(modules)}: {percent(share)} of all "
        "trainable numbers never move.",
        cause=_cause(measurement) + " If they are meant to stay, set requires_grad_(False).",
        evidence={"missed": len(missed), "numbers": count(missed), "share": share, "foreign": foreign},
        remedies=("register-parameters",),
    )


def _cause(measurement: Measurement) -> str:
    """What the optimizer holds; how it came to that is not known, and said to be so."""
    foreign = measurement.optimizer.foreign
    if not foreign:
        return "It was made from a part of the parameters, or before these were added."
    others = amount(foreign, "parameter")
    if not any(parameter.in_optimizer for parameter in measurement.parameters):
        return (
            f"It holds {others}, and none of them is the model's: it belongs to another model, or was made before the "
            "layers were replaced."
        )
    return f"It holds {others} that the model does not have: perhaps it was made before these layers were replaced."


def _unregistered(measurement: Measurement) -> Finding | None:
    """Looks for layers whose weights the model does not list among its parameters."""
    layers = [layer.name for layer in measurement.layers if _UNREGISTERED.search(layer.name)]
    if not layers or measurement.optimizer.foreign:
        return None
    share = len(layers) / len(measurement.layers)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if share > MOST_LAYERS else "warning",
        where=at_layer(measurement, layers[0], tuple(layers)),
        message=f"{len(layers)} of {len(measurement.layers)} layers have weights that the model does not list: no "
        f"optimizer made from model.parameters() moves them: {listed(layers)}.",
        cause="Layers in a plain list or dict are not registered with the module that holds them.",
        evidence={"unregistered layers": len(layers), "layers": len(measurement.layers)},
        remedies=("register-parameters",),
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
