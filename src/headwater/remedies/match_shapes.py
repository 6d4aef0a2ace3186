"""Give outputs and targets the same shape.

## What it does

Where outputs are ``(N, 1)`` and targets ``(N,)``, their difference broadcasts to ``(N, N)``: each output is compared
with all targets, and the best that the network can learn is their mean. The output's last axis is dropped, or one is
added, so that it has the shape of the targets.

## When not

Only where the two shapes differ by one trailing axis of extent one; anything else is for its author to say.
"""

from __future__ import annotations

from torch import Tensor, nn

from headwater.records import Change, Code
from headwater.remedies.remedy import Remedy, Training

_CODE = "match-shapes"


def _refusal(training: Training) -> str | None:
    head = training.measurement.head
    if head.output_shape is None or head.target_shape is None:
        return "the shapes of outputs and targets are not known"
    if _dimension(training) == 0:
        return f"outputs {list(head.output_shape)} and targets {list(head.target_shape)} do not differ by one last axis"
    return None


def _dimension(training: Training) -> int:
    """How many axes the targets have more than the outputs: 1 or -1; 0 where that is not what makes them differ."""
    head = training.measurement.head
    output, target = head.output_shape or (), head.target_shape or ()
    if output == (*target, 1):
        return -1
    return 1 if target == (*output, 1) else 0


def _apply(training: Training) -> Change:
    more = _dimension(training) > 0
    training.model.register_forward_hook(_unsqueezed if more else _squeezed)
    how = "unsqueeze" if more else "squeeze"
    return Change(
        remedy=_CODE,
        says=f"the output {'gets a last axis' if more else 'loses its last axis'} and has the shape of the targets",
        places=("",),
        code=Code(before=f"{{model}}.register_forward_hook(lambda module, inputs, output: output.{how}(-1))"),
    )


def _squeezed(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    return output.squeeze(-1)


def _unsqueezed(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    return output.unsqueeze(-1)


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
