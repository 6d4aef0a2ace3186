"""Give outputs and targets the same shape.

## What it does

Where outputs are ``(N, 1)`` and targets ``(N,)``, their difference broadcasts to ``(N, N)``: each output is compared
with all targets, and the best that the network can learn is their mean. A hook on the model drops the output's axes of
extent one, and adds those that the targets have, so that both have the same shape.

## When not

Only where the two shapes are the same but for axes of extent one; anything else is for its author to say. Not for
losses that compare all pairs on purpose.

## Safety

Safe: the same numbers are put out, in the shape in which the loss compares them with their own targets. Code that reads
the output's last axis elsewhere has to follow.

## References

- PyTorch documentation, "Broadcasting semantics"
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from headwater.records import Change, Code, HeadRecord
from headwater.remedies.remedy import Remedy, Training

_CODE = "match-shapes"


def _refusal(training: Training) -> str | None:
    head = training.measurement.head
    output, target = head.output_shape, head.target_shape
    if output is None or target is None:
        return "the shapes of outputs and targets are not known"
    if output == target:
        return f"outputs and targets have the same shape {list(output)}"
    if _long(output) != _long(target):
        return f"outputs {list(output)} and targets {list(target)} differ by more than axes of extent one"
    return None


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without axes of extent one; the first one, of the batch, stays."""
    return shape[:1] + tuple(extent for extent in shape[1:] if extent != 1)


def _axes(head: HeadRecord) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes of extent one that the output loses, the last first, and those that it then gets."""
    output, target = head.output_shape or (), head.target_shape or ()
    lost = tuple(axis for axis in reversed(range(1, len(output))) if output[axis] == 1)
    added = tuple(axis for axis in range(1, len(target)) if target[axis] == 1)
    return lost, added


def _apply(training: Training) -> Change:
    head = training.measurement.head
    lost, added = _axes(head)
    training.model.register_forward_hook(partial(_reshaped, lost=lost, added=added))
    calls = "".join([*(f".squeeze({axis})" for axis in lost), *(f".unsqueeze({axis})" for axis in added)])
    return Change(
        remedy=_CODE,
        says=f"the output goes from shape {list(head.output_shape or ())} to {list(head.target_shape or ())}, that of "
        "the targets",
        places=("",),
        code=Code(before=f"{{model}}.register_forward_hook(lambda module, inputs, output: output{calls})"),
    )


def _reshaped(
    _module: nn.Module, _inputs: object, output: Tensor, lost: tuple[int, ...], added: tuple[int, ...]
) -> Tensor:
    for axis in lost:
        output = output.squeeze(axis)
    for axis in added:
        output = output.unsqueeze(axis)
    return output


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
