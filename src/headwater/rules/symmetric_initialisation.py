"""HW607 symmetric-initialisation: all units of a layer start equal, get equal gradients, and stay equal for ever.

Two units of a layer with the same weights compute the same number. If the layer above weighs them alike too, they get
the same gradient, take the same step, and are the same unit again. A layer of 512 such units is a layer of one.

## What it means

The network trains as if each such layer had a single unit. With all weights zero it is worse: nothing is passed on in
either direction, and only the last bias learns. It comes from `zeros_`, `ones_` or `constant_` on weights, and from
custom parameters made with `torch.zeros` or `torch.ones`.

## How it is measured

After the probation, for every trainable matrix with more than one row:

    all rows equal in weight, and all rows equal in gradient        (to 1e-6 of the largest element)

Equal weights alone are no fault: a last layer of zeros gets a different gradient for each class, and has parted after
one step. That is why both are asked for, and only after the steps.

## Thresholds

| what | severity |
| --- | --- |
| a matrix of a hidden layer | error: the layer is one unit wide |
| a hidden matrix with equal rows before the first step only | warning: random biases alone tell its units apart |
| only the deepest layer | silent: its units are outputs; with one below, that layer is named |

1e-6 is a few roundings of float32. Rows of zeros before the first step say nothing: branches and adapters start so.

## What to do

Draw weights at random (He, Xavier, orthogonal, or simply the default of the layer's class). Constants are right for
biases and for the scale of a normalisation, which have nothing to break. A branch that should start at nothing needs
a zero only in its *last* weight.

## What not to do

Do not hope for dropout or data order: dropout does break the tie, but the layer starts from one unit's worth of
features. Do not add tiny noise to a constant: units that differ by 1e-3 take long to part.

## References

- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- Zhang, Dauphin, Ma 2019, "Fixup initialization: residual learning without normalization", ICLR, arXiv 1901.09321
  (where zeros are right)
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, ParameterRecord
from headwater.rules.common import at_layer, layer_of, listed, modules_of, trainable
from headwater.rules.rule import Rule

CODE, NAME = "HW607", "symmetric-initialisation"


def check(measurement: Measurement) -> Finding | None:
    """Looks for hidden matrices whose rows can never differ."""
    hidden = [p for p in trainable(measurement) if _hidden(measurement, p)]
    applied = {layer.weight for layer in measurement.layers}  # others can be tables by design (rates of a state space)
    same = [p for p in hidden if p.identical_units]
    if not same:
        return _equal_at_start(measurement, [p for p in hidden if p.equal_at_start and p.name in applied])
    zero = sum(p.norm == 0 for p in same)
    modules = modules_of(same)
    what = "are all zero" if zero == len(same) else "are drawn as one constant, or as copies of one row"
    return Finding(
        code=CODE,
        name=NAME,
        severity="error",
        where=at_layer(measurement, modules[0], modules, tuple(p.name for p in same)),
        message=f"All units of {listed(modules)} have the same weights and gradient: each layer works as one unit.",
        cause=f"Their weights {what}, so all units take the same step and can never differ.",
        evidence={"matrices": len(same), "all zero": zero, "units of the first": same[0].shape[0]},
        remedies=("random-init",),
    )


def _equal_at_start(measurement: Measurement, equal: list[ParameterRecord]) -> Finding | None:
    if not equal:
        return None
    modules = modules_of(equal)
    return Finding(
        code=CODE,
        name=NAME,
        severity="warning",
        where=at_layer(measurement, modules[0], modules, tuple(p.name for p in equal)),
        message=f"All units of {listed(modules)} start with the same weights.",
        cause="Their weights are one constant, or copies of one row: only their biases tell the units apart, and each "
        "layer starts as little more than one unit.",
        evidence={"matrices": len(equal), "units of the first": equal[0].shape[0]},
        remedies=("random-init",),
    )


def _hidden(measurement: Measurement, parameter: ParameterRecord) -> bool:
    """Whether the matrix lies below another layer. What no layer is known to apply counts as hidden."""
    layer = layer_of(measurement, parameter)
    deepest = max((layer.depth for layer in measurement.layers), default=0)
    return layer is None or layer.depth < deepest


RULE = Rule(CODE, NAME, check, __doc__ or "")
