"""HW602 zero-gradient: weights that are connected to the loss and get a gradient of exactly zero in every step.

Somewhere between these weights and the loss stands a factor that is zero for every sample, and the product of the
chain rule is zero with it, whatever the other factors are. That is not a gradient that vanishes: nothing was worn
down.

## What it means

The weights cannot move. In questions that people ask about networks that do not train, this is the commonest sign of
all, and it is often mistaken for vanishing. The usual zero factors: a softmax over a single unit (its output is 1
whatever the input), a ReLU or clamp that is at its limit on every sample, `round`, `sign`, `floor` or a comparison in
the forward pass, a product with a constant zero.

## How it is measured

Over the whole probation, for the matrices (weights with two dimensions or more) that ask for a gradient, whose module
ran, and that autograd connects to the loss:

    gradient == 0 exactly, in every element and every step

Named is the layer nearest the output that still gets a gradient and passes none on, with the kind of factor that is
zero there.

## Thresholds

| what | severity |
| --- | --- |
| all judged matrices, or all but the last layer's | error: nothing but the last layer can learn |
| some of them | warning: a part cannot learn |

"Exactly zero" needs no threshold. Silent by design are: vectors (a bias before a normalisation has zero gradient,
measured as rounding noise), layers that a weight of zeros cuts off at the start (residual branches, adapters),
modules that did not run (experts without tokens), lookup tables, gradients lost to rounding (that *is* vanishing),
and a loss that has reached exactly zero: a satisfied hinge asks for nothing.

## What to do

Look at the operation above the named layer. Let a softmax over one unit become a sigmoid, with the binary
cross-entropy. Give dead ReLUs a slope (leaky ReLU) or smaller biases. Replace rounding and signs by a smooth version
or a straight-through estimator.

## What not to do

No learning rate and no optimizer helps: zero times anything is zero. An adaptive optimizer divides zero by epsilon.

## References

- Lu, Shin, Su, Karniadakis 2020, "Dying ReLU and initialization: theory and numerical examples", Communications in
  Computational Physics 28, arXiv 1903.06733
- Zhang, Dauphin, Ma 2019, "Fixup initialization: residual learning without normalization", ICLR, arXiv 1901.09321
  (zeros by design)
"""

from __future__ import annotations

from headwater.records import Finding, Layer, Measurement, ParameterRecord
from headwater.rules.chain import NAMES, factor
from headwater.rules.common import at_layer, layer_of, listed, modules_of, named, trainable
from headwater.rules.effects import LOOKUPS
from headwater.rules.rule import Rule

CODE, NAME = "HW602", "zero-gradient"


def check(measurement: Measurement) -> Finding | None:
    """Looks for connected matrices whose gradient was exactly zero in every step."""
    if any(step.loss == 0 for step in measurement.steps):
        return None
    judged = [p for p in trainable(measurement) if _judged(measurement, p)]
    zero = [p for p in judged if p.gradient == "zero"]
    if not zero:
        return None
    live = [p for p in judged if p.gradient != "zero"]
    culprit = _culprit(measurement, zero)
    part = _zero_part(culprit)
    modules, names = modules_of(zero), tuple(p.name for p in zero)
    shown = tuple(name.removesuffix(".weight") for name in names)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if _only_the_last(measurement, live) else "warning",
        where=at_layer(measurement, culprit.name if culprit else modules[0], modules, names),
        message=f"{len(zero)} of {len(judged)} weights ({listed(shown)}) get exactly zero gradient in every step.",
        cause=_cause(culprit, part),
        evidence={"zero": len(zero), "judged": len(judged), "zero factor": part or "above the layers"},
        remedies=("leaky-activation", "init-matched") if part == "activation" else ("match-loss", "reconnect"),
    )


def _judged(measurement: Measurement, parameter: ParameterRecord) -> bool:
    if len(parameter.shape) < 2 or parameter.gradient == "none" or parameter.called is False:
        return False
    layer = layer_of(measurement, parameter)
    return layer is None or not (layer.underflow or layer.zero_initialised or layer.kind in LOOKUPS)


def _only_the_last(measurement: Measurement, live: list[ParameterRecord]) -> bool:
    """Whether nothing gets a gradient but weights of the deepest layers."""
    deepest = max((layer.depth for layer in measurement.layers), default=0)
    depths = [layer.depth for p in live if (layer := layer_of(measurement, p))]
    return not live or (len(depths) == len(live) and min(depths) == deepest)


def _culprit(measurement: Measurement, zero: list[ParameterRecord]) -> Layer | None:
    """The layer nearest the loss that still gets a signal and lets none through; else the topmost without one."""
    ordered = sorted(measurement.layers, key=lambda layer: -layer.depth)
    blocking = [layer for layer in ordered if layer.signal and layer.gain == 0 and not layer.zero_initialised]
    without = [layer for p in zero if (layer := layer_of(measurement, p))]
    return next(iter(blocking), max(without, key=lambda layer: layer.depth, default=None))


def _zero_part(culprit: Layer | None) -> str | None:
    if culprit is None or culprit.gain_parts is None:
        return None
    parts = culprit.gain_parts
    return next((name for name in NAMES if factor(parts, name) == 0), None)


def _cause(culprit: Layer | None, part: str | None) -> str:
    if culprit is not None and part is not None:
        said = {"activation": "the activation has no slope on any sample", "weights": "its weights are zero"}
        why = said.get(part, "an operation passes exactly nothing")
        return f"Below {named(culprit.name)} {why}, and everything further down gets zero times the rest."
    above = f" above {named(culprit.name)}" if culprit else ""
    return (
        f"A factor{above} is zero for every sample: a softmax over one unit, an activation at its limit, rounding, "
        "or a comparison."
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
