"""Make the output what the loss expects.

## What it does

- *Sigmoid for a softmax over one unit* (`match-loss:sigmoid`). That softmax is 1 whatever its input, and passes no
  gradient. A sigmoid makes of one unit the probability that was meant, as the softmax over that unit and a second one
  fixed at 0 would.
- *Log-softmax before the negative log-likelihood* (`match-loss:log-softmax`). ``nll_loss`` takes log-probabilities. On
  raw outputs it has no lower bound; on probabilities it is blind to confident mistakes. The output gets a log-softmax
  over the classes; a softmax or a sigmoid that stood there falls away.

A module is exchanged for another one. Where a function is called, its call falls away and a hook on the model applies
the right one to the output.

## When not

Where the loss can be changed, that is the better place for the second fault: ``cross_entropy`` on raw logits is the
same and exacter. A loss that needs another target (class numbers where it wants one-hot vectors, squared error on class
numbers) cannot be matched from within the model. With one output unit and ``cross_entropy`` there is nothing to learn
from: take ``binary_cross_entropy_with_logits``, in the loss.

## Safety

Unsafe: the output changes its meaning.

## References

- PyTorch documentation: `torch.nn.NLLLoss` (expects log-probabilities), `BCELoss` (expects probabilities)
- Bishop 2006, "Pattern recognition and machine learning", section 4.3 (the sigmoid of one unit is the softmax of two)
"""

from __future__ import annotations

from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code, HeadOp, HeadRecord
from headwater.records.head_ops import SOFTMAX
from headwater.remedies.output import Swap, exchanged, output_operation, own_module, refusal, removed
from headwater.remedies.remedy import Remedy, Training

_CODE = "match-loss"
_NLL = frozenset("NllLoss NllLoss2D NllLossNd".split())
CLASSES = 1
"""Axis of the classes in `nll_loss`."""


def _refuses_sigmoid(training: Training) -> str | None:
    op = _softmax(training)
    if op is None or not _is_over_one_unit(op):
        return "no softmax over one unit makes the output"
    return refusal(training, op)


def _is_over_one_unit(op: HeadOp) -> bool:
    return len(op.shape) > 1 and 1 in (op.shape[1], op.shape[-1])


def _softmax(training: Training) -> HeadOp | None:
    return output_operation(training.measurement.head, SOFTMAX)


def _apply_sigmoid(training: Training) -> Change:
    op = _softmax(training)
    if op is None:
        raise RemedyError("Putting a sigmoid in the place of a softmax over one unit found none.")
    says = "a sigmoid in place of the softmax over one unit, which is always 1"
    if own_module(training, op) is None:
        return _hooked(training, "sigmoid", says, removed(training, op), "sigmoid()")
    swap = exchanged(training, op, nn.Sigmoid())
    return Change(f"{_CODE}:sigmoid", says, (swap.place,), swap.edits, swap.instead)


def _refuses_log_softmax(training: Training) -> str | None:
    if reason := _no_logarithms(training.measurement.head):
        return reason
    op = _probabilities(training)
    return refusal(training, op) if op is not None else None


def expects_logarithms(head: HeadRecord) -> bool:
    """Whether the loss is a negative log-likelihood of what are no log-probabilities."""
    return _no_logarithms(head) is None


def _no_logarithms(head: HeadRecord) -> str | None:
    index = next((i for i, op in enumerate(head.ops) if op.kind in _NLL), None)
    if index is None or head.output_shape is None or head.output_max is None:
        return "the loss is no negative log-likelihood of one output"
    if len(head.output_shape) < 2 or head.ops[index].input_shapes[:1] != (head.output_shape,):
        return "the loss does not read the output as it leaves the model"
    if head.output_max <= 0 or any(op.kind == "LogSoftmax" for op in head.ops):
        return "the loss gets log-probabilities"
    return None


def _probabilities(training: Training) -> HeadOp | None:
    return output_operation(training.measurement.head, SOFTMAX | {"Sigmoid"})


def _apply_log_softmax(training: Training) -> Change:
    op = _probabilities(training)
    says = "the output is a log-probability, as nll_loss expects it"
    if op is None or own_module(training, op) is None:
        swap = removed(training, op) if op is not None else Swap("", ())
        return _hooked(training, "log-softmax", says, swap, f"log_softmax({CLASSES})")
    swap = exchanged(training, op, nn.LogSoftmax(CLASSES), dim=CLASSES)
    return Change(f"{_CODE}:log-softmax", says, (swap.place,), swap.edits, swap.instead)


def _hooked(training: Training, variant: str, says: str, swap: Swap, method: str) -> Change:
    training.model.register_forward_hook(_sigmoid if variant == "sigmoid" else _log_softmax)
    code = Code(before=f"{{model}}.register_forward_hook(lambda module, inputs, output: output.{method})")
    return Change(f"{_CODE}:{variant}", says, (swap.place,), swap.edits, swap.instead, code)


def _sigmoid(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    return output.sigmoid()


def _log_softmax(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    return output.log_softmax(CLASSES)


REMEDIES = (
    Remedy(_CODE, "sigmoid", "unsafe", 3, _refuses_sigmoid, _apply_sigmoid, __doc__ or ""),
    Remedy(_CODE, "log-softmax", "unsafe", 3, _refuses_log_softmax, _apply_log_softmax, __doc__ or ""),
)
