"""HW102 exploding-gradient: the gradient grows on its way to the first layers until their steps destroy them.

The same product that makes a gradient vanish makes it explode when most of its factors lie above one. With weights
from N(0, 1) and 128 units, a layer multiplies the gradient by about 8, and eight layers by 10 million.

## What it means

The first layers receive a gradient that is orders of magnitude larger than that of the last ones. A rate that is
right for the last layers throws the first ones out of every useful region; a rate that the first ones bear freezes
the last. Usually the forward signal explodes with it: outputs and loss at the start are absurdly large.

## How it is measured

As for HW101, along the trunk, with total norms over the batch:

    a_l = |dL/dz_l|_F          A = a_first / a_last          slope of ln a_l against depth

*Cause*: A is large, beyond chance, and grows toward the input. *Effect*: a step of the probation made the loss ten
times larger or not finite, or moved a layer by more than its own weights, or the outputs are a hundred times larger
than the targets (or than logits should be).

Through normalised layers the chain may grow harmlessly: a BatchNorm network without residual connections multiplies
by 1.21 a layer, 300 times over 30 layers, and still trains, since a normalised weight's step counts relative to its
size. There the rule speaks only if the low layers really move a hundred times as far as the high ones.

As in HW101, the finding accounts for the gain of a layer: weights ``|W|_F / sqrt(rows)``, activation
``sqrt(E[phi'(z)^2])``, normalisation ``rms(gamma / sigma)``, each measured and predicted, with its share of ln A and
its line of source. The gradient doubles every ``ln 2 / ln gain`` layers; a network of twice the depth squares A.

## Thresholds

| what | value | source |
| --- | --- | --- |
| cause | A > 1e3 | chosen: healthy networks as shipped reach 449 (inception_v4, benchmarks.zoo) |
| chance | ln A > 2 noise | Hanin and Nica 2018: sd of ln A is 0.5 sqrt(5 sum 1/N_l) |
| loss | ten times the first | far outside the noise between batches |
| update | dw/w > 1 | the step is as large as the weights; a healthy one is near 1e-3 (Karpathy, CS231n) |
| output | 100 times its scale | a softmax over such logits is a step function, without slope |
| normalised layers | dw/w of the lower third > 0.1, 100 times the upper | chosen: the contrast of HW101, mirrored |

An error needs the effect; the cause alone is a warning.

## What to do

1. Initialise each weight for the activation that follows it, so that the factor is one from the start.
2. Scale residual branches (by 1/sqrt(blocks), or start them at zero): each unscaled one multiplies by sqrt(2).
3. Normalise between weights and activation.
4. Clip the gradient by its norm, and warm the rate up: both bound the first steps while the network finds its scale.

## What not to do

Do not only lower the rate: the ratio between the layers stays, and the last ones then stand still. Do not clip by
value: that changes the direction.

## References

- Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks", ICML, arXiv 1211.5063
- Hanin, Nica 2018, "Products of many large random matrices and gradients in deep neural networks", arXiv 1812.05994
- Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz 2019, "A mean field theory of batch normalization", ICLR, arXiv
  1902.08129
- Zhang, Dauphin, Ma 2019, "Fixup initialization: residual learning without normalization", ICLR, arXiv 1901.09321
"""

from __future__ import annotations

import math

from headwater.records import Finding, Measurement, Profile
from headwater.records.numbers import number
from headwater.rules.chain import Parts, chain_parts, part_words
from headwater.rules.common import at_layer, blows_up, loss_at, median
from headwater.rules.effects import thirds, trained, update, update_contrast
from headwater.rules.explanation import explanation
from headwater.rules.rule import Rule
from headwater.rules.thresholds import CHANCE, GROWTH, LEAST_POINTS, WHOLE_WEIGHT

CODE, NAME = "HW102", "exploding-gradient"

OUTPUT_SCALE = 100.0
"""Outputs this many times their scale: two orders of magnitude, where a softmax has no slope left."""
NORMALISED_CONTRAST, NORMALISED_UPDATE = 1e2, 0.1
"""In normalised chains: lower third's update over the upper third's, and that update itself."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for a trunk along which the gradient grows, and for steps that it has spoilt."""
    profile = measurement.profile
    if not _grows(profile) or (_normalised(profile) and not _tears(measurement)):
        return None
    effects = _effects(measurement)
    if not effects and profile.recurrent:
        return None  # a loop's longest path may grow while what teaches it are the short ones
    parts = chain_parts(measurement)
    first, last = profile.points[0], profile.points[-1]
    factor = f" by {profile.per_layer:.2g} a layer" if profile.per_layer is not None else ""
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if effects else "warning",
        where=at_layer(measurement, first.name),
        message=f"The gradient grows{factor}: at {first.name} it is {number(profile.attenuation or 0.0)} times that at "
        f"{last.name}.",
        cause=_why(parts, effects),
        evidence=_evidence(profile, parts) | {name: value for name, (_, value) in effects.items()},
        remedies=("init-matched", "normalisation", "clip-gradient", "lower-rate"),
        explanation=explanation(measurement, grows=True),
    )


def _grows(profile: Profile) -> bool:
    attenuation = profile.attenuation
    if len(profile.points) < LEAST_POINTS or attenuation is None or not attenuation > GROWTH:
        return False
    toward_input = profile.slope is None or profile.slope < 0
    return toward_input and (math.isinf(attenuation) or math.log(attenuation) > CHANCE * profile.noise)


def _normalised(profile: Profile) -> bool:
    return 2 * sum(point.normalised for point in profile.points) > len(profile.points)


def _tears(measurement: Measurement) -> bool:
    lower, upper = thirds(trained(measurement))
    contrast = update_contrast(lower, upper)
    return contrast is not None and contrast > NORMALISED_CONTRAST and median(map(update, lower)) > NORMALISED_UPDATE


def _effects(measurement: Measurement) -> dict[str, tuple[str, float]]:
    """What the growth does to the training: by name, in words and as a number."""
    found: dict[str, tuple[str, float]] = {}
    step = blows_up(measurement.steps)
    if step is not None:
        found["loss at a step"] = (loss_at(step), step.loss)
    furthest = max(trained(measurement), key=update, default=None)
    if furthest is not None and update(furthest) > WHOLE_WEIGHT:
        says = f"{furthest.name} moves {number(update(furthest))} times its own weights in a step"
        found["update ratio"] = (says, update(furthest))
    times = _output_times_scale(measurement)
    if times > OUTPUT_SCALE:
        found["output scale"] = (f"the outputs are {number(times)} times too large", times)
    return found


def _output_times_scale(measurement: Measurement) -> float:
    """Largest output against the root mean square of real targets, or against 1 for logits."""
    head = measurement.head
    if head.output_min is None or head.output_max is None:
        return 0.0
    real = head.target_shape == head.output_shape and head.target_rms is not None
    return max(-head.output_min, head.output_max) / max(head.target_rms if real and head.target_rms else 0.0, 1.0)


def _why(parts: Parts | None, effects: dict[str, tuple[str, float]]) -> str:
    why = f"A layer on average: {part_words(parts, grows=True)}." if parts else "It grows where branches meet."
    effect = "; ".join(says for says, _ in effects.values())
    return f"{why} As a result {effect}." if effect else f"{why} No step of the probation was spoilt by it yet."


def _evidence(profile: Profile, parts: Parts | None) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {"attenuation": profile.attenuation or 0.0, "noise": profile.noise}
    if profile.gain is not None:
        found["gain per layer"] = profile.gain
    return found | {f"{name} gain": value for name, value in (parts.gains.items() if parts else ())}


RULE = Rule(CODE, NAME, check, __doc__ or "")
