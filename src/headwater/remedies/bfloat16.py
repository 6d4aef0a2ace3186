"""Compute in bfloat16 in place of float16: it has the range of float32.

## What it does

The smallest number of float16 is 6e-8, and gradients below half of it are zero. bfloat16 reaches down to 1e-38, with
eight significant bits in place of eleven. Weights in float16 become bfloat16, in place; and every module computes
under ``torch.autocast(dtype=torch.bfloat16)``, also where your own autocast to float16 stands around it. In your code
the same is ``dtype=torch.bfloat16`` in that line.

## When not

Not on hardware without bfloat16 (NVIDIA before Ampere): scale the loss there. Weights *kept* in bfloat16 lose small
steps (HW501): `autocast` keeps them in float32.

## Safety

Safe: the same functions of the same weights, rounded otherwise.

## References

- Kalamkar et al. 2019, "A study of BFLOAT16 for deep learning training", arXiv 1905.12322
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch

from headwater.records import Change, Code
from headwater.records.numbers import count
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import named
from headwater.remedies.wide_step import narrow

_CODE = "bfloat16"


def in_bfloat16(forward: Callable[..., Any], model: torch.nn.Module, *args: Any, **options: Any) -> Any:
    """Computes in bfloat16, whatever is set around it."""

    def ranged(x: Any) -> Any:
        return x.bfloat16() if isinstance(x, torch.Tensor) and x.dtype == torch.float16 else x

    with torch.autocast(next(model.parameters()).device.type, torch.bfloat16):
        return forward(*map(ranged, args), **dict(zip(options, map(ranged, options.values()), strict=True)))


def _refusal(training: Training) -> str | None:
    device = next(training.model.parameters()).device
    if training.measurement.precision.gradient_dtype != "float16" and torch.float16 not in narrow(training):
        return "nothing is computed in float16"
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "this device has no bfloat16"
    return None


def _apply(training: Training) -> Change:
    model = training.model
    lines = [source(in_bfloat16), "for module in {model}.modules():"]
    if torch.float16 in narrow(training):
        model.bfloat16()
        lines.insert(1, "{model}.bfloat16()")
    modules = [module for _, module in named(model)]
    for module in modules:
        cast(Any, module).forward = partial(in_bfloat16, module.forward, model)
    lines.append("    module.forward = partial(in_bfloat16, module.forward, {model})")
    imports = ("from collections.abc import Callable", "from functools import partial", "from typing import Any")
    return Change(
        _CODE,
        f"bfloat16 in place of float16 in {count(len(modules), 'module')}",
        tuple(path for path, _ in named(model)),
        code=Code("\n".join(lines), imports=(*imports, "import torch")),
    )


REMEDIES = (Remedy(_CODE, "", "safe", 3, _refusal, _apply, __doc__ or ""),)
