"""Pass raw logits: the loss applies the softmax or the sigmoid itself.

## What it does

``cross_entropy`` applies a log-softmax to what it gets, ``binary_cross_entropy_with_logits`` a sigmoid. One that the
model applies before falls away: its module becomes an ``nn.Identity``, its call gives way to what it was applied to.
The gradient of the loss with respect to the logits is then p - y again, and no longer that times the slope of the first
softmax.

Where the call's line cannot be changed, the logarithm of the softmax does the same: it is the logits up to a number
that all classes share, which the second softmax takes away.

## When not

Not where the loss expects probabilities (``binary_cross_entropy``, ``nll_loss``, the Brier score), and never the
softmax of an attention or of a mixture. Where other code reads the output as probabilities, it must apply the softmax
itself from now on; a threshold of 1/2 on a sigmoid becomes one of 0 on the logit. The largest class stays the largest.

## Safety

Unsafe: the output changes its meaning, from probabilities to logits.

## References

- PyTorch documentation: `torch.nn.CrossEntropyLoss`, `BCEWithLogitsLoss` (both expect raw logits)
- Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs", NATO ASI F68 (softmax and
  cross-entropy belong together: the gradient is the error)
"""

from __future__ import annotations

from headwater.errors import RemedyError
from headwater.records import Change, Code, HeadOp
from headwater.records.head_ops import SOFTMAX
from headwater.remedies.output import output_operation, refusal, removed, words
from headwater.remedies.remedy import Remedy, Training

_CODE = "remove-softmax"
_APPLIES_ITSELF = frozenset("LogSoftmax BinaryCrossEntropyWithLogits LogSigmoid".split())
_LOGARITHM = "output.clamp_min(torch.finfo(output.dtype).tiny).log()"


def _refusal(training: Training) -> str | None:
    op = _operation(training)
    if op is None:
        return "no softmax and no sigmoid makes the output"
    ops = training.measurement.head.ops
    if not any(other.kind in _APPLIES_ITSELF for other in ops[: ops.index(op)]):
        return f"the loss does not apply the {words(op)} itself"
    return refusal(training, op)


def _operation(training: Training) -> HeadOp | None:
    return output_operation(training.measurement.head, SOFTMAX | {"Sigmoid"})


def _apply(training: Training) -> Change:
    op = _operation(training)
    if op is None:
        raise RemedyError("Removing the softmax found none that makes the output.")
    swap = removed(training, op)
    instead = swap.instead
    if not instead and op.kind in SOFTMAX:
        hook = f"{{model}}.register_forward_hook(lambda module, inputs, output: {_LOGARITHM})"
        instead = Code(before=hook, imports=("import torch",))
    says = f"the model puts out logits: its {words(op)} falls away, which the loss applies itself"
    return Change(_CODE, says, (swap.place,), swap.edits, instead)


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
