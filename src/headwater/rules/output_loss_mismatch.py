"""HW603 output-loss-mismatch: what the network puts out is not what the loss expects.

Every loss is written for one kind of output: logits, log-probabilities, probabilities, real numbers. Given another,
it still returns a number and a gradient, so that nothing fails; the network just learns slowly, wrongly, or not at
all.

## What it means

- *Softmax over one unit.* Its output is 1 whatever the input, so every gradient is exactly zero. Nothing can learn.
- *NLL without a logarithm.* `nll_loss` expects log-probabilities. On raw outputs it has no lower bound: the loss goes
  to minus infinity by making one output large. On probabilities it learns, but is blind to confident mistakes: near p
  = 0 the gradient through the softmax is nearly zero.
- *Targets out of reach.* A sigmoid ends at 0 and 1, a tanh at -1 and 1, a ReLU at 0. Towards targets beyond, the
  output is pushed against its limit, where it has no slope.
- *Softmax twice.* `cross_entropy` applies log-softmax itself. Given probabilities, it works on "logits" between 0 and
  1. With K classes the best probability it can reach is e / (e + K - 1): 0.23 for ten classes, a loss of 1.46 at
     best, with gradients an order of magnitude too small. It trains, slowly. A sigmoid before it does the same.
- *Sigmoid twice.* `binary_cross_entropy_with_logits` applies the sigmoid itself. Given [0, 1], it can only say
  probabilities between 0.5 and 0.73, and its loss on a negative stays above ln 2.
- *ReLU before a cross-entropy.* A class whose logit is negative on all samples cannot learn.

## How it is measured

From the operations that autograd recorded between the loss and the last layer, with the ranges of outputs and
targets. Two neighbours count as such where the way from the loss is unbranched, or where the model's own output
confirms it (its shape fits and its values lie in [0, 1]). A softmax over one unit is reported only when the weights
do get zero gradient, or the output is the constant 1.

## Thresholds

| what | severity | reason |
| --- | --- | --- |
| softmax over one unit | error | no gradient at all |
| NLL of raw outputs | error | unbounded below |
| targets beyond the output's limit by over a quarter of their range | error | that part can never be learnt |
| the same by over a twentieth | warning | chosen; less is rounding, augmentation or an outlier |
| NLL of probabilities; softmax or sigmoid applied twice | warning | trains, but slowly and not to the end |
| ReLU before a cross-entropy, with dead classes | warning | those classes cannot learn |

A log-softmax before `cross_entropy` is harmless (the log-softmax of a log-softmax is itself), and so is a softmax
with squared error (the Brier score, a proper one). Both are silent. Ranges are compared only where the targets have
as many elements as the outputs: class numbers that the loss turns into one-hot vectors have no range to reach.

## What to do

Return raw logits from the model, and apply softmax or sigmoid only where probabilities are wanted. With one output
unit use a sigmoid's loss, `binary_cross_entropy_with_logits`. For real targets use no activation on the output, or
scale the targets into its range.

## What not to do

Do not make up for the small gradient with a larger rate: the lowest reachable loss stays where it is. Do not drop the
softmax from the model while other code reads its output as probabilities; move it there.

## References

- PyTorch documentation: `torch.nn.CrossEntropyLoss`, `NLLLoss`, `BCEWithLogitsLoss` (what each expects)
- Zhang, Zhai, Ma, Shen 2021, "AUTOTRAINER: an automatic DNN training problem detection and repair system", ICSE
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from headwater.records import Finding, HeadOp, HeadRecord, Measurement, Severity, Where
from headwater.records.head_ops import LIMITS, SOFTMAX, compares_like, feeder, gives_output, is_straight, regression
from headwater.records.numbers import number
from headwater.rules.common import percent, trainable
from headwater.rules.rule import Rule

CODE, NAME = "HW603", "output-loss-mismatch"

FAR, NEAR = 0.25, 0.05
"""Share of the targets' range that lies beyond the output's limit: never to be learnt; more than rounding."""

_NLL = frozenset(["NllLoss", "NllLoss2D", "NllLossNd"])
_LOGARITHMS = frozenset("LogSoftmax Log LogSigmoid Log1P Logsumexp Logaddexp Logcumsumexp".split())


@dataclass(frozen=True)
class _Fault:
    """One mismatch: the operation at which it stands, and what to say of it."""

    op: HeadOp
    severity: Severity
    message: str
    cause: str
    remedies: tuple[str, ...]
    evidence: dict[str, float | int | str]


def check(measurement: Measurement) -> Finding | None:
    """Tries the mismatches in turn, those that stop learning first."""
    tests: tuple[Callable[[Measurement], _Fault | None], ...] = (
        _softmax_of_one,
        _nll_without_log,
        _out_of_reach,
        _activation_twice,
        _relu_before_cross_entropy,
    )
    faults = [fault for test in tests if (fault := test(measurement))]
    if not faults:
        return None
    fault = next((f for f in faults if f.severity == "error"), faults[0])
    return Finding(
        code=CODE,
        name=NAME,
        severity=fault.severity,
        where=Where(None, (), fault.op.file, fault.op.line),
        message=fault.message,
        cause=fault.cause,
        evidence=fault.evidence,
        remedies=fault.remedies,
    )


def _softmax_of_one(measurement: Measurement) -> _Fault | None:
    head = measurement.head
    single = [
        op
        for op in head.ops
        if op.kind in SOFTMAX | {"LogSoftmax"} and len(op.shape) > 1 and 1 in (op.shape[1], op.shape[-1])
    ]
    weights = [p for p in trainable(measurement) if len(p.shape) > 1 and p.gradient != "none"]
    all_zero = bool(weights) and all(p.gradient == "zero" for p in weights)
    constant = head.output_min == head.output_max == 1.0
    if not single or not (all_zero or constant):
        return None
    op = single[0]
    name, value = ("logarithm of a softmax", 0) if op.kind == "LogSoftmax" else ("softmax", 1)
    return _Fault(
        op,
        "error",
        f"A {name} over a single unit (shape {list(op.shape)}) is always {value}: every gradient is exactly zero.",
        "A softmax divides each unit by the sum over all units: with one unit it divides it by itself.",
        ("match-loss", "remove-softmax"),
        {"operation": op.kind, "shape": str(list(op.shape))},
    )


def _nll_without_log(measurement: Measurement) -> _Fault | None:
    head = measurement.head
    for index, op in enumerate(head.ops):
        if op.kind not in _NLL or not is_straight(head, index):
            continue
        fed = feeder(head, index)
        logs = any(other.kind in _LOGARITHMS for other in head.ops[index:])
        if logs or (head.output_max is not None and head.output_max <= 0):
            return None
        bounded = fed is not None and fed.kind in SOFTMAX | {"Sigmoid"}
        if fed is not None and not bounded and fed.kind != "Relu":
            return None  # something else made the log-probabilities
        what = "probabilities" if bounded else "raw outputs"
        why = (
            "Near a probability of 0 its gradient through the softmax is nearly zero, so confident mistakes stay."
            if bounded
            else "Without the normalisation of a softmax it has no lower bound and rewards any large output."
        )
        severity: Severity = "warning" if bounded else "error"
        evidence: dict[str, float | int | str] = {"loss": op.kind, "fed by": fed.kind if fed else "a layer"}
        if head.output_max is not None:
            evidence["largest output"] = head.output_max
        message = f"nll_loss gets {what}, but expects log-probabilities."
        return _Fault(op, severity, message, why, ("match-loss",), evidence)
    return None


def _out_of_reach(measurement: Measurement) -> _Fault | None:
    head = measurement.head
    index = regression(head)
    if index is None or not is_straight(head, index) or not compares_like(head, index):
        return None
    fed = feeder(head, index)
    if fed is None or fed.kind not in LIMITS or head.target_min is None or head.target_max is None:
        return None
    low, high = LIMITS[fed.kind]
    span = head.target_max - head.target_min
    beyond = max(low - head.target_min, head.target_max - high)
    share = min(beyond / span, 1.0) if span > 0 else float(beyond > 0)
    if share <= NEAR:
        return None
    limits = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
    return _Fault(
        fed,
        "error" if share > FAR else "warning",
        f"The output is {limits} ({fed.kind}), but targets run from {number(head.target_min)} to "
        f"{number(head.target_max)}: {percent(share)} of their range is out of reach.",
        "Towards targets beyond it the output is pushed against its limit, where it has no slope.",
        ("remove-output-activation", "standardise-targets"),
        {"target minimum": head.target_min, "target maximum": head.target_max, "share out of reach": share},
    )


def _activation_twice(measurement: Measurement) -> _Fault | None:
    head = measurement.head
    for index, op in enumerate(head.ops):
        if op.kind not in ("LogSoftmax", "BinaryCrossEntropyWithLogits"):
            continue
        fed = feeder(head, index)
        if fed is None or fed.kind not in SOFTMAX | {"Sigmoid"}:
            continue
        if is_straight(head, index) or gives_output(head, fed):
            return _softmax_twice(op, fed) if op.kind == "LogSoftmax" else _sigmoid_twice(fed)
    return None


def _softmax_twice(op: HeadOp, fed: HeadOp) -> _Fault:
    classes = op.shape[1] if len(op.shape) > 1 else 1
    least = math.log1p((classes - 1) / math.e)
    return _Fault(
        fed,
        "warning",
        f"The cross-entropy applies a softmax of its own, and gets the output of a {fed.kind}: with {classes} classes "
        f"the loss cannot fall below {math.floor(100 * least) / 100:g}.",
        f"It expects raw logits. From values between 0 and 1 its softmax makes at most {number(math.exp(-least))} for "
        "the right class, and gradients that are far too small.",
        ("remove-softmax",),
        {"operation": fed.kind, "classes": classes, "least loss": least},
    )


def _sigmoid_twice(fed: HeadOp) -> _Fault:
    return _Fault(
        fed,
        "warning",
        f"binary_cross_entropy_with_logits applies a sigmoid to the output of a {fed.kind}: it can only say "
        "probabilities between 0.5 and 0.73.",
        "It expects raw logits. From values between 0 and 1 its own sigmoid cannot make a probability near 0 or 1.",
        ("remove-softmax",),
        {"operation": fed.kind, "least loss on a negative": math.log(2.0)},
    )


def _relu_before_cross_entropy(measurement: Measurement) -> _Fault | None:
    head: HeadRecord = measurement.head
    index = next((i for i, op in enumerate(head.ops) if op.kind == "LogSoftmax" and is_straight(head, i)), None)
    fed = feeder(head, index) if index is not None else None
    dead = [u for u in measurement.units if u.role == "output" and u.kind == "relu" and u.dead > 0]
    if fed is None or fed.kind != "Relu" or not dead:
        return None
    return _Fault(
        fed,
        "warning",
        f"A ReLU stands before the cross-entropy: {dead[0].dead} of {dead[0].units} logits are 0 on all "
        f"{dead[0].samples} samples.",
        "Logits must be free to be negative. A class whose logit is cut off at 0 on every sample gets no gradient.",
        ("remove-output-activation",),
        {"dead": dead[0].dead, "units": dead[0].units},
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
