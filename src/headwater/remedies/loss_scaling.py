"""Multiply the gradient by a large number where it enters the model, and divide it by that number at the weights.

## What it does

Gradients that are computed in float16 underflow below 3e-8. Scaled by S on the way in, in float32, they pass through
the model as normal numbers, and the gradient of each float32 weight is divided by S again:

    d(S L)/dw / S = dL/dw

S is a sixteenth of the largest scale with which the diagnosis saw every gradient finite. What overflows all the same
counts as zero. In your own loop `torch.amp.GradScaler` does this, finds S by itself, and skips a step that overflows:
take it for good.

## When not

Where nothing is computed in float16: small gradients in float32 are no underflow (epsilon may rule them: HW503). Not
for weights that are kept in float16: their gradients would underflow again when they are divided; keep them in float32
(`autocast`). Not beside a GradScaler.

## Safety

Safe: powers of two change no digit, only which numbers fall out of the range.

## References

- Micikevicius et al. 2018, "Mixed precision training", ICLR, arXiv 1710.03740, section 3.2
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from headwater.records import Change, Code
from headwater.records.numbers import number
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.wide_step import narrow

_CODE = "loss-scaling"
_ROOM = 16.0
"""Gradients may grow so much before they overflow."""


def scaled_backward(model: nn.Module, forward: Callable[..., Any], scale: float, *args: Any, **options: Any) -> Any:
    """Runs forward so that gradients are larger by `scale` inside of the model, and not at its weights."""
    for p in model.parameters():
        if p.requires_grad and not hasattr(p, "is_unscaled"):
            p.register_hook(partial(unscaled, scale))
            p.is_unscaled = True  # type: ignore[attr-defined]
    return scaled(forward(*args, **options), scale)


def unscaled(scale: float, gradient: Tensor) -> Tensor:
    """Divides a gradient; what overflowed is zero."""
    return torch.nan_to_num(gradient / scale, posinf=0.0, neginf=0.0)


def scaled(output: Any, scale: float) -> Any:
    """The output in float32, in whichever structure; gradients that enter through it are multiplied."""
    if isinstance(output, Tensor) and output.is_floating_point():
        wide = output.float().view_as(output)  # a tensor of its own: the model may go on with the other
        if wide.requires_grad:
            wide.register_hook(partial(torch.mul, scale))
        return wide
    if isinstance(output, dict):
        found = copy.copy(cast("dict[str, Any]", output))
        for name, value in found.items():
            found[name] = scaled(value, scale)
        return found
    if isinstance(output, (list, tuple)):
        values = [scaled(value, scale) for value in cast("list[Any]", output)]
        kind = cast(Any, type)(output)
        return kind(*values) if hasattr(kind, "_fields") else kind(values)
    return output


def _refusal(training: Training) -> str | None:
    precision = training.measurement.precision
    if not precision.gradient_dtype.startswith(("float16", "float8")) or precision.loss_scale is None:
        return "no gradient was seen to underflow in float16"
    if narrow(training):
        return "the weights are in half precision: their gradients would underflow when they are divided by the scale"
    return None


def _apply(training: Training) -> Change:
    model = training.model
    scale = max(1.0, (training.measurement.precision.loss_scale or 1.0) / _ROOM)
    cast(Any, model).forward = partial(scaled_backward, model, model.forward, scale)
    wrapped = f"{{model}}.forward = partial(scaled_backward, {{model}}, {{model}}.forward, {scale})"
    imports = ("import copy", "from collections.abc import Callable", "from functools import partial", "import torch")
    typing = ("from typing import Any", "from typing import cast", "from torch import Tensor", "from torch import nn")
    return Change(
        _CODE,
        f"gradients are multiplied by {number(scale)} inside of the model",
        ("",),
        code=Code(f"{source(unscaled, scaled, scaled_backward)}\n\n{wrapped}", imports=(*imports, *typing)),
    )


REMEDIES = (Remedy(_CODE, "", "safe", 3, _refusal, _apply, __doc__ or ""),)
