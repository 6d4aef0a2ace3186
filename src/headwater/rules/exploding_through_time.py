"""HW202 exploding-through-time: the gradient grows at every step back in time, and early steps drown the rest.

The recurrent weights multiply the gradient at every step. Where they stretch it more than the activation shrinks it,
it grows exponentially with the length of the sequence: at 1.2 a step, 50 steps multiply it by 10 thousand.

## What it means

One step of the optimizer is ruled by whatever the first inputs of the longest sequences were, and is as good as random.
With plain gradient descent it throws the weights away; an adaptive optimizer bounds the step, but its direction is
still that of the noise. The forward direction suffers as well: a small change of an early input changes the last state
entirely (tanh), or states overflow (ReLU).

## How it is measured

Exactly, for each recurrent layer, as for HW201. From the last state to the first, over T steps:

    growth = |dloss/dh_first| / |dloss/dh_last|       gain = exp(-slope of ln |dloss/dh_t| against t)

or the same of v^T dh_T/dh_t where the loss reads many states. *Cause*: gain above one, all along, with a growth above a
thousand. *Effect*: in the probation the loss became ten times larger or not finite, or a step moved a layer by more
than its own weights.

## Thresholds

| what | value | source |
| --- | --- | --- |
| growth | 1e3, by the slope and by the largest norm | as HW102; an LSTM with forget bias 5 grows 5 times in 100 steps |
| loss | ten times the first | far outside the noise between batches |
| update | dw/w > 1 | the step is as large as the weights; a healthy one is near 1e-3 (Karpathy, CS231n) |

An error needs the effect; the cause alone is a warning.

## What to do

1. Clip the gradient by its norm: it keeps the direction and bounds the step.
2. Start the recurrent weights orthogonal, with a spectral radius of one at most.
3. Take an LSTM or a GRU, whose states are carried by gates between zero and one.
4. Cut long sequences into pieces (truncated backpropagation through time).

## What not to do

Do not only lower the rate: then nothing learns between the explosions. Do not clip by value: that changes the
direction.

## References

- Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks", ICML, arXiv 1211.5063
- Bengio, Simard, Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult", IEEE
  Transactions on Neural Networks 5
"""

from __future__ import annotations

import math

from headwater.records import Finding, Measurement, TimeProfile, Where
from headwater.records.numbers import number
from headwater.rules.common import blows_up, loss_at
from headwater.rules.effects import trained, update
from headwater.rules.rule import Rule
from headwater.rules.thresholds import GROWTH, WHOLE_WEIGHT

CODE, NAME = "HW202", "exploding-through-time"


def check(measurement: Measurement) -> Finding | None:
    """Looks for recurrent layers along whose steps the gradient grows."""
    growing = [each for each in measurement.through_time if growth(each) > math.log(GROWTH)]
    if not growing:
        return None
    worst = max(growing, key=growth)
    effects = _effects(measurement)
    gain = worst.gain or 0.0
    effect = "; ".join(says for says, _ in effects.values())
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if effects else "warning",
        where=Where(worst.name, tuple(each.name for each in growing), worst.file, worst.line),
        message=f"In {worst.name} the gradient grows by {gain:.2g} a step back in time: over {worst.length} steps by "
        f"{number(_power(growth(worst)))}.",
        cause="The recurrent weights stretch the gradient more than the activation shrinks it. "
        + (f"As a result {effect}." if effect else "No step of the probation was spoilt by it yet."),
        evidence={
            "gain per step": gain,
            "growth": _power(growth(worst)),
            "steps": worst.length,
            "probe": worst.probe,
        }
        | {name: value for name, (_, value) in effects.items()},
        remedies=("clip-gradient", "orthogonal-recurrence", "gated-recurrence", "lower-rate"),
    )


def growth(profile: TimeProfile) -> float:
    """``ln`` of the growth: the smaller of what the slope says of all steps and of what is seen at the largest."""
    if profile.gain is None or profile.gain <= 1.0 or len(profile.log_gradient) < 2:
        return 0.0
    by_slope = math.log(profile.gain) * (profile.steps[-1] - profile.steps[0])
    return min(by_slope, max(profile.log_gradient) - profile.log_gradient[-1])


def _power(logarithm: float) -> float:
    return math.exp(min(logarithm, 700.0))


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
    return found


RULE = Rule(CODE, NAME, check, __doc__ or "")
