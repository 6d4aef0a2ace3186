"""HW201 vanishing-through-time: what the data ask a recurrent layer to remember lies beyond the reach of its gradient.

A recurrent layer multiplies the gradient by one factor for every step that it goes back. PyTorch's `nn.RNN` starts at
about 0.54 a step: after 100 steps 2e-27 is left. `nn.LSTM` and `nn.GRU` start at 0.63, no better than 1e-20.

## What it means

What happened early in the sequence has no influence on the output and none on the loss's gradient, so no step teaches
the layer to use it. The loss settles at what the last few inputs can tell.

A short memory alone is no fault: it is one only where the data need a longer one. An LSTM or a GRU, and now and then a
plain layer, works its way to long lags where short ones teach something first. And a loss on every step gives every
state a gradient of its own, which hides the decay between them.

## How it is measured

For each recurrent layer, fused or in a loop, exactly and in float64 (loops: in the precision of the training):

    g_t = |dloss/dh_t|_F over the batch       gain = exp(-slope of ln g_t against t)       tau = -1 / ln gain

*Cause*: the loss reads the last state only, and the sequence is longer than the layer's reach: 14 tau, or 10 of an LSTM
(`nn.LSTM` and loops over `nn.LSTMCell`). *Effect*: the target depends on what lies further back. Ridge regressions
predict it from the steps within reach and from all steps, from the inputs as they are and from means of them and of
their products; errors are those on samples left out. With `near` the share of the target's variance that the steps
within reach explain, and `far` what the earlier ones add:

    share out of reach = far / (near + far)

What such simple predictors find is surely there. They can miss a dependence (parity), and then this rule says nothing.

## Thresholds

| what | value | source |
| --- | --- | --- |
| reach | 14 tau, e^-14 = 8e-7 | plain RNNs and GRUs recalled a token over 13 tau (`python -m benchmarks.recall`) |
| reach, LSTM | 10 tau, e^-10 = 5e-5 | it did so over 7, and none of 36 over more than 8; 2 are room |
| dependence | 4 standard errors, 5 % of the variance | chosen: independent data gave 1.9 at most in 80 draws |
| error | 95 % out of reach | a token to recall from beyond that reach, over 20 to 60 steps: no layer learned it |
| warning, plain layers | 60 % out of reach | adding over 100 steps (above 60 %) fails; digits by pixels (half) learn |

Below these shares, and where the data cannot be asked, a short memory is information: a risk. At 70 % a GRU still
learned to add over 100 steps, since short lags teach first.

## What to do

1. Plain layers: take an LSTM or a GRU, with its gates open as below; or start the recurrent weights orthogonal (0.84 a
   step) or, under ReLU, at the identity (0.99).
2. LSTM and GRU: open the gates at the start. 1 - sigmoid(b) = 1/T gives b = ln(T - 1); the chrono initialisation draws
   b_f = ln U[1, T - 1] and b_i = -b_f. In PyTorch the gates are ordered i, f, g, o, and there are two biases: set one
   and zero the other. In its GRU a positive bias of the update gate z means to remember.
3. Let short lags teach: begin with short sequences, or read out more than the last state (attention, a mean).

## What not to do

Do not clip: that bounds what is too large. Do not raise the learning rate. Do not read the gradient of a fused layer's
output: before the last step it is exactly zero, however well the states carry the gradient.

## References

- Bengio, Simard, Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult", IEEE
  Transactions on Neural Networks 5
- Hochreiter, Schmidhuber 1997, "Long short-term memory", Neural Computation 9
- Gers, Schmidhuber, Cummins 2000, "Learning to forget", Neural Computation 12
- Jozefowicz, Zaremba, Sutskever 2015, "An empirical exploration of recurrent network architectures", ICML
- Le, Jaitly, Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units", arXiv 1504.00941
- Tallec, Ollivier 2018, "Can recurrent neural networks warp time?", ICLR, arXiv 1804.11188
"""

from __future__ import annotations

import math

from headwater.records import Dependence, Finding, Measurement, Severity, TimeProfile, Where
from headwater.records.numbers import number
from headwater.rules.common import percent
from headwater.rules.rule import Rule

CODE, NAME = "HW201", "vanishing-through-time"

CERTAIN = 4.0
"""Standard errors that the steps out of reach must lower the error by; independent data gave at most 1.9 (measured)."""
RELEVANT = 0.05
"""Share of the targets' variance that they must explain."""
NEARLY_ALL = 0.95
"""Share of what is explained that lies out of reach: beyond it, short lags teach nothing that leads to long ones."""
MOST_EXPLAINED = 0.6
"""The same, for a plain layer that learns in part: it cannot hold a state once it has found one."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for recurrent layers none of which reaches the lags that the loss spans."""
    profile = _longest(measurement)
    if profile is None or profile.horizon is None or profile.needed is None or profile.gain is None:
        return None
    found = profile.dependence
    if found is not None and not _depends(found):
        return None
    lost = _out_of_reach(found) if found is not None else 0.0
    held_back = lost >= MOST_EXPLAINED and not profile.gated
    severity: Severity = "error" if lost >= NEARLY_ALL else "warning" if held_back else "info"
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity,
        where=Where(profile.name, (profile.name,), profile.file, profile.line),
        message=_message(profile),
        cause=_why(profile, severity),
        evidence=_evidence(profile),
        remedies=("chrono-init", "forget-bias")
        if profile.gated
        else ("gated-recurrence", "chrono-init", "orthogonal-recurrence"),
    )


def _longest(measurement: Measurement) -> TimeProfile | None:
    """The layer with the longest reach, if none reaches back far enough."""
    profiles = measurement.through_time
    if not profiles or not all(each.falls_short for each in profiles):
        return None
    return max(profiles, key=lambda each: (each.reach or 0, each.horizon or 0.0))


def _depends(found: Dependence) -> bool:
    return found.certainty >= CERTAIN and found.far >= RELEVANT


def _out_of_reach(found: Dependence) -> float:
    return found.far / (max(found.near, 0.0) + found.far)


def _message(profile: TimeProfile) -> str:
    gain, needed = profile.gain or 0.0, profile.needed or 0
    left = math.exp(max(-700.0, needed * math.log(gain))) if gain > 0 else 0.0
    return (
        f"{profile.name} keeps {percent(gain)} of the gradient a step back in time: over the {needed} steps that the "
        f"loss spans, {number(left)} is left."
    )


def _why(profile: TimeProfile, severity: Severity) -> str:
    memory = f"Its memory horizon is {number(profile.horizon)} steps."
    found = profile.dependence
    if found is None:
        return f"{memory} Whether the data ask for more could not be told from the batches."
    says = (
        f"{memory} Of what simple predictors find about the targets, {percent(_out_of_reach(found))} lies further back "
        f"than {found.reach} steps"
    )
    if severity != "info":
        return f"{says}, from where too little of the gradient arrives to learn by."
    return f"{says}; the nearer steps can teach the layer to look further."


def _evidence(profile: TimeProfile) -> dict[str, float | int | str]:
    evidence: dict[str, float | int | str] = {
        "gain per step": profile.gain or 0.0,
        "memory horizon": profile.horizon or 0.0,
        "lag": profile.needed or 0,
        "reach": profile.reach or 0,
        "probe": profile.probe,
    }
    found = profile.dependence
    if found is not None:
        evidence |= {
            "explained within reach": found.near,
            "explained beyond": found.far,
            "standard errors": found.certainty,
            "samples": found.samples,
        }
    return evidence


RULE = Rule(CODE, NAME, check, __doc__ or "")
