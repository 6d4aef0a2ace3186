"""Keep the model in float32 and compute in half precision under torch.autocast.

## What it does

Weights that are kept in half precision lose steps to rounding, and those in float16 gradients to underflow. The model
is cast to float32, in place, and its forward runs under ``torch.autocast(dtype=torch.bfloat16)``: matrix products and
convolutions compute in bfloat16, which has the range of float32, and what must not be rounded (norms, softmax, the
weights and their gradients) stays float32. Inputs in half precision are widened on their way in.

## When not

Where the memory for float32 weights is not there: `kahan-summation` and `stochastic-rounding` do with less. A model
that is also called by other ways than its forward (``model.encode(x)``) finds its weights in another format there. For
good, take your own ``.half()`` or ``.bfloat16()`` out.

## Safety

Safe: the same functions of the same weights, rounded less.

## References

- Micikevicius et al. 2018, "Mixed precision training", ICLR, arXiv 1710.03740
- Kalamkar et al. 2019, "A study of BFLOAT16 for deep learning training", arXiv 1905.12322
- PyTorch documentation, "Automatic mixed precision package"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch

from headwater.records import Change, Code
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.wide_step import narrow

_CODE = "autocast"


def under_autocast(forward: Callable[..., Any], model: torch.nn.Module, *args: Any, **options: Any) -> Any:
    """Computes in bfloat16 where that is safe; what comes in half precision is widened to that of the weights."""

    def wide(x: Any) -> Any:
        return x.float() if isinstance(x, torch.Tensor) and x.dtype in (torch.float16, torch.bfloat16) else x

    with torch.autocast(next(model.parameters()).device.type, torch.bfloat16):
        return forward(*map(wide, args), **dict(zip(options, map(wide, options.values()), strict=True)))


def _refusal(training: Training) -> str | None:
    return None if narrow(training) else "the weights are kept in float32 or wider already"


def _apply(training: Training) -> Change:
    model = training.model
    formats = ", ".join(sorted(str(each).removeprefix("torch.") for each in narrow(training)))
    places = tuple(name for name, p in model.named_parameters() if p.dtype in narrow(training))
    model.float()
    cast(Any, model).forward = partial(under_autocast, model.forward, model)
    wrapped = "{model}.forward = partial(under_autocast, {model}.forward, {model})"
    imports = ("from collections.abc import Callable", "from functools import partial", "from typing import Any")
    return Change(
        _CODE,
        f"weights in float32 in place of {formats}, and bfloat16 under autocast",
        places,
        code=Code(f"{source(under_autocast)}\n\n{{model}}.float()\n{wrapped}", imports=(*imports, "import torch")),
    )


REMEDIES = (Remedy(_CODE, "", "safe", 3, _refusal, _apply, __doc__ or ""),)
