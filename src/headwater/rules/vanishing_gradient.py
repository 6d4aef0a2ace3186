"""HW101 vanishing-gradient: the gradient fades on its way to the first layers, and they do not learn.

Backpropagation multiplies the gradient by one factor for every layer that it passes. Where most factors lie below
one, the product shrinks exponentially with depth: at 0.41 a layer (ReLU with PyTorch's default initialisation), 30
layers leave a share of 2e-12.

## What it means

The first layers read the data, and they receive next to nothing to learn from. The last layers do learn, but from
features that stay random. The loss falls a little, to what the last layers can do alone, and then stands still.

Three other things look alike and are not this. A gradient that is *exactly* zero was cut off, not worn down (HW602).
At the end of a training all gradients shrink *together*, and no factor of the chain changes. And a small gradient of
a *parameter* proves nothing: it depends on the parameter's size, the batch and the scale of the loss.

## How it is measured

Along the trunk, the places that the gradient cannot go around (every layer of a plain chain; the stream of a residual
network), with the total norm over the whole batch:

    a_l = |dL/dz_l|_F          A = a_first / a_last          slope = median of (ln a_k - ln a_l) / (k - l)

Total norms are used because their expected gain does not depend on the widths of the layers; the norm per element
does.

*Cause*: A is small, by more than the chance of finite widths allows, and the loss is spread over the chain or sits in
one layer, which is then named. *Effect*: the lower third of the trained layers moves far less than the upper third
(relative update |dw|/|w|, without weight decay), or moves by less than float32 can hold, or is ruled by Adam's
epsilon, or carries no part of the decrease of the loss; or the forward signal has collapsed.

An error needs a strong cause and a firm effect; a weak cause with an effect, or a strong cause alone, is a warning.
With an adaptive optimizer a small share of the decrease alone is not a firm effect, because the layers do move.

The finding then accounts for the loss, each part of a layer beside what theory predicts for it:

    weights         |W|_F / sqrt(rows)     for a random gradient through W
    activation      sqrt(E[phi'(z)^2])     z Gaussian, its mean and variance measured
    normalisation   rms(gamma / sigma)     less two of the directions it runs over
    share           ln part / ln gain      negative where it works against the rest

With a gain of g a layer, half of the gradient is gone after ln 2 / -ln g layers and 95 % after 3 / -ln g; a network of
twice the depth leaves A^2. A part's line of source stands beside it.

The prediction knows nothing of the backward pass. Where both agree, the cause is named right: with another activation
or with weights of another size the gain changes by what the account says. Where attention stands or branches meet there
is no formula, and nothing is predicted.

## Thresholds

| what | value | source |
| --- | --- | --- |
| weak cause | A < 0.05 | Schoenholz et al. 2017: trainable to about 6 depth scales, e^-3 of the norm |
| strong cause | A < 1e-3 | measured on small MLPs: gradient descent fails from here, Adam from 1e-6 |
| chance | ln A < -2 noise | Hanin and Nica 2018: sd of ln A is 0.5 sqrt(5 sum 1/N_l); two of them |
| updates | lower / upper third < 1e-2 | chosen on 84 trainings of one family of networks |
| lost to rounding | dw/w < 6e-8, with a strong cause | half of float32's spacing: the sum w + dw is w again |
| epsilon | sqrt(v) < 10 eps for over half the elements, updates below half the upper ones | Adam: g / (sqrt(v) + eps) |
| forward collapse | spread falls below 1e-3 | measured: default ReLU 0.62 to 3e-8, He-initialised 0.60 to 0.24 |
| forward loss, a warning | below 0.05 over six layers and more | six depth scales forward (Schoenholz et al. 2017) |
| share of the decrease | lower third < 1e-3 | a thousandth of the progress; chosen, not calibrated |

A weight used again and again along the trunk (a recurrent network) is reported only with an effect: shorter paths can
teach it although the longest one is lost. A loss in a single place is reported only with an effect too: a mean over
many positions, or a normalisation after large weights, takes gradient norm once and harms nothing. Where neither an
activation nor weights take it (a branch scaled down by design), it is an info, and only when it is strong.

## What to do

1. Initialise each weight for the activation that follows it: He for ReLU, Xavier for tanh. It changes no function.
2. Replace sigmoid in *hidden* layers. No initialisation mends it: its slope is at most 1/4.
3. Lead residual connections around blocks: the stream then keeps the gradient whatever the branches do.
4. Normalise between weights and activation (not with sigmoid and LayerNorm: 0.39 a layer remains).
5. Between A = 1e-6 and 1e-3, an adaptive optimizer can train what plain gradient descent cannot.

## What not to do

Do not clip the gradient: clipping only makes it smaller. Do not raise the learning rate: it scales all layers alike,
and the last ones diverge first. ReLU alone is not the cure: with PyTorch's default initialisation it loses 59 % a
layer. Leave sigmoids in gates and on outputs where they are. Do not re-initialise pretrained weights.

Branches of a residual network whose layers get little (layer scale, zero initialisation) are so by design: the trunk
is judged, not the branches.

## References

- Bengio, Simard, Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult", IEEE
  Transactions on Neural Networks 5
- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", ICCV, arXiv 1502.01852
- Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017, "Deep information propagation", ICLR, arXiv 1611.01232
- Hanin, Nica 2018, "Products of many large random matrices and gradients in deep neural networks", arXiv 1812.05994
- Lan, Liu, Zhou, Yosinski 2019, "LCA: loss change allocation for neural network training", NeurIPS, arXiv 1909.01440
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from headwater.records import Finding, Measurement, Profile, ProfilePoint, Severity
from headwater.records.numbers import number
from headwater.rules.chain import Parts, chain_parts, part_words
from headwater.rules.common import at_layer, median, named, percent
from headwater.rules.effects import epsilon_share, loss_share, spread_left, thirds, trained, update, update_contrast
from headwater.rules.explanation import explanation
from headwater.rules.loss_in_time import lost_in_time
from headwater.rules.rule import Rule
from headwater.rules.thresholds import CHANCE, LEAST_POINTS, ROUNDED

CODE, NAME = "HW101", "vanishing-gradient"

WEAK = 0.05
"""Attenuation of the norm at six depth scales, e^-3: about the deepest trainable network (Schoenholz et al. 2017).
Differences between samples fade forward over the same depth scale."""
SCALES = 6
"""Layers, a depth scale each, from which on that speaks of depth: two layers of sigmoids have a large mean, beside
which differences are small, and learn (tuned on perceptrons of two and three layers)."""
STRONG = 1e-3
"""Attenuation at which plain gradient descent failed on small MLPs, and Adam still trained (measured)."""
ONE_PLACE, ONE_OF_MANY = 0.5, 0.75
"""Share of ``ln A`` that one place accounts for when it is named alone: the larger part; and where the slope speaks for
the whole chain, more than either of two like layers would have."""

UPDATES = 1e-2
"""Lower third's relative update over the upper third's: at a hundredth, layers are left behind (84 trainings)."""
SLOWED = 0.5
"""Update contrast above which epsilon holds nothing back: at ``sqrt(v) = 10 eps`` a step still keeps 91 %."""
EPSILON = 0.5
"""Share of elements whose step Adam's epsilon rules."""
COLLAPSE = 1e-3
"""Spread at the deepest layer over that at the first (measured: 6e-8 where it fails, 0.4 where it trains)."""
SHARE = 1e-3
"""Lower third's share of the first-order decrease of the loss."""

ADAM_TRAINS = 1e-6
"""Down to this attenuation Adam trained what gradient descent could not (measured: 3.8e-5 yes, 1e-6 no)."""


@dataclass(frozen=True)
class _Cause:
    """Where the gradient is lost: between two neighbours of the trunk (a bottleneck), or over all of it."""

    attenuation: float
    upper: ProfilePoint
    lower: ProfilePoint
    bottleneck: bool


@dataclass(frozen=True)
class _Effect:
    """How it shows that low layers do not learn; `firm` when it alone shows that."""

    says: str
    name: str
    value: float
    firm: bool = True


def check(measurement: Measurement) -> Finding | None:
    """Looks for a trunk that loses its gradient, and for low layers that do not learn."""
    cause = _cause(measurement)
    effects = _effects(measurement, cause.attenuation) if cause else ()
    only = cause.upper.name if cause and cause.bottleneck else None
    parts = chain_parts(measurement, only)
    severity = _severity(cause, effects, parts, recurrent=measurement.profile.recurrent) if cause else None
    if cause is None or severity is None:
        return None
    low = measurement.profile.points[0].name
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity,
        where=at_layer(measurement, cause.upper.name if cause.bottleneck else low),
        message=_message(measurement.profile, cause, effects),
        cause=_why(cause, parts, effects),
        evidence=_evidence(measurement.profile, cause, effects, parts),
        remedies=_remedies(measurement, cause, parts),
        explanation=explanation(measurement, only),
    )


def _cause(measurement: Measurement) -> _Cause | None:
    profile = measurement.profile
    points, attenuation = profile.points, profile.attenuation
    if len(points) < LEAST_POINTS or attenuation is None:
        return None
    if profile.underflow_at:
        attenuation = 0.0
    elif attenuation == 0 or not math.isfinite(attenuation):
        return None  # exactly zero without rounding was cut off somewhere: HW602 and its causes
    in_time = lost_in_time(measurement)
    if math.isinf(in_time) or (attenuation > 0 and math.log(attenuation) + in_time >= math.log(WEAK)):
        return None  # HW201 judges what is lost along the steps of a loop
    if attenuation >= WEAK or (attenuation > 0 and math.log(attenuation) >= -CHANCE * profile.noise):
        return None
    chain = _all_along(measurement)
    if profile.underflow_at:  # else the numbers are too small for their dtype as a whole, and nothing vanishes
        return _Cause(attenuation, points[-1], points[0], bottleneck=False) if chain else None
    lower, upper = min(itertools.pairwise(points), key=_drop)
    of_all = math.log(_drop((lower, upper))) / math.log(attenuation)
    if of_all > (ONE_OF_MANY if chain else ONE_PLACE):
        return _Cause(attenuation, upper, lower, bottleneck=True)
    return _Cause(attenuation, points[-1], points[0], bottleneck=False) if chain else None


def _all_along(measurement: Measurement) -> bool:
    """Whether the typical layer loses gradient, by the slope and by the layers counted one by one.

    The slope weighs places, and a network with a long flat stream has most of its places at the ends. So the median
    layer, with each layer of the depth counted once (a loop as one), must lose at least half of what the slope says.
    """
    profile = measurement.profile
    depth = profile.points[-1].depth - profile.points[0].depth
    if profile.slope is None or math.exp(-profile.slope * depth) >= WEAK:
        return False
    depths = {layer.depth for layer in measurement.layers}
    by_layer: list[float] = []
    for lower, upper in itertools.pairwise(profile.points):
        if lower.signal > 0:
            between = max(1, sum(lower.depth < d <= upper.depth for d in depths))
            by_layer += [math.log(upper.signal / lower.signal) / between] * between
    by_layer.sort()
    return bool(by_layer) and 2.0 * by_layer[len(by_layer) // 2] > profile.slope


def in_one_place(measurement: Measurement) -> bool:
    """Whether the gradient is lost in one place and not along the chain."""
    cause = _cause(measurement)
    return cause is not None and cause.bottleneck


def _drop(pair: tuple[ProfilePoint, ProfilePoint]) -> float:
    lower, upper = pair
    return lower.signal / upper.signal if lower.signal > 0 and upper.signal > 0 else 1.0


def _effects(measurement: Measurement, attenuation: float) -> tuple[_Effect, ...]:
    layers = trained(measurement)
    lower, upper = thirds(layers)
    found: list[_Effect] = []
    contrast = update_contrast(lower, upper)
    if contrast is not None and contrast < UPDATES:
        says = f"the lower third moves {number(contrast)} times as far as the upper"
        says = says if contrast > 0 else "the lower third does not move at all"
        found.append(_Effect(says, "update contrast", contrast))
    moved = median(map(update, lower)) if lower else 1.0
    if moved < ROUNDED and contrast != 0 and attenuation < STRONG:  # else a rate that is too small does it alone
        found.append(_Effect(f"the lower third moves by {number(moved)} of its weights a step", "lower update", moved))
    ruled = epsilon_share(measurement, lower)
    if ruled is not None and ruled > EPSILON:
        says = f"Adam's epsilon rules {percent(ruled)} of the lower third"
        found.append(_Effect(says, "epsilon share", ruled, firm=contrast is None or contrast < SLOWED))
    left = spread_left(measurement)
    if left is not None and left < (WEAK if _fades_all_along(measurement) else COLLAPSE):
        says = f"{number(left)} of the signal's spread reaches the last layer"
        found.append(_Effect(says, "spread left", left, firm=left < COLLAPSE))
    share = loss_share(lower, layers)
    if share is not None and share < SHARE:
        says = f"the lower third brings {number(share)} of the decrease of the loss"
        found.append(_Effect(says, "lower loss share", share, firm=ruled is None))
    return tuple(found)


def _fades_all_along(measurement: Measurement) -> bool:
    """Whether the chain is so long, and loses so evenly, that differences fade over its depth and not in a layer."""
    profile = measurement.profile
    depth = profile.points[-1].depth - profile.points[0].depth
    return depth >= SCALES and not profile.recurrent and not in_one_place(measurement)


def _severity(cause: _Cause, effects: tuple[_Effect, ...], parts: Parts | None, *, recurrent: bool) -> Severity | None:
    if cause.bottleneck and (parts is None or parts.costliest == "other"):
        # a mean over many positions, or a branch scaled down by design (layer scale), in one place
        return "info" if effects and cause.attenuation < STRONG else None
    if not effects:
        return "warning" if cause.attenuation < STRONG and not recurrent and not cause.bottleneck else None
    return "error" if cause.attenuation < STRONG and any(effect.firm for effect in effects) else "warning"


def _message(profile: Profile, cause: _Cause, effects: tuple[_Effect, ...]) -> str:
    first, last = profile.points[0].name, profile.points[-1].name
    if profile.underflow_at:
        said = (
            f"From {named(profile.underflow_at)} on, the gradient is smaller than its number format can hold with all "
            f"digits: what reaches {named(last)} arrives at {named(first)} as rounding noise"
        )
    else:
        share = number(cause.attenuation)
        said = f"Of the gradient that reaches {named(last)}, a share of {share} arrives at {named(first)}"
    if cause.bottleneck:
        said += f"; {named(cause.upper.name)} alone lets {percent(_drop((cause.lower, cause.upper)))} through"
    elif profile.per_layer is not None:
        said += f"{';' if profile.underflow_at else ':'} each layer keeps {percent(profile.per_layer)}"
    return said + ("." if effects else "; the layers still move, so this is a risk.")


def _why(cause: _Cause, parts: Parts | None, effects: tuple[_Effect, ...]) -> str:
    where = f"In {named(cause.upper.name)}" if cause.bottleneck else "A layer on average"
    why = f"{where}: {part_words(parts)}." if parts else "It is lost where branches meet, not in one kind of operation."
    effect = "; ".join(effect.says for effect in effects[:2])
    return f"{why} As a result {effect}." if effect else why


def _evidence(
    profile: Profile, cause: _Cause, effects: tuple[_Effect, ...], parts: Parts | None
) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {"attenuation": profile.attenuation or 0.0, "noise": profile.noise}
    found["points"] = len(profile.points)
    if profile.gain is not None:
        found["gain per layer"] = profile.gain
    found |= {f"{name} gain": value for name, value in (parts.gains.items() if parts else ())}
    return found | {effect.name: effect.value for effect in effects}


def _remedies(measurement: Measurement, cause: _Cause, parts: Parts | None) -> tuple[str, ...]:
    kinds = {units.kind for units in measurement.units if units.role == "hidden"}
    if kinds & {"sigmoid", "hardsigmoid"} and (parts is None or parts.costliest == "activation"):
        codes = ["activation-swap", "residual", "normalisation"]
    elif parts is None and any(layer.branch for layer in measurement.layers):
        codes = ["pre-norm", "scale-residual", "lower-rate", "init-matched"]  # it has residual connections
    elif parts is not None and parts.costliest in ("normalisation", "other"):
        codes = ["residual", "init-matched"]
    else:
        codes = ["init-matched", "normalisation", "residual"]
    if "sigmoid" in kinds or any(point.normalised for point in measurement.profile.points):
        codes = [code for code in codes if code != "normalisation"]  # 0.39 a layer is left of a normalised sigmoid
    if cause.attenuation > ADAM_TRAINS and measurement.optimizer.kind == "SGD":
        codes.append("adaptive-optimizer")
    return tuple(codes)


RULE = Rule(CODE, NAME, check, __doc__ or "")
