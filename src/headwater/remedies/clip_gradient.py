"""Clip the gradient by its norm.

## What it does

Before each step, where the joint norm of all gradients is above a limit, they are multiplied by limit / norm: the
direction stays, the length does not (Pascanu et al. 2013). A single gradient that is a thousand times too large then
costs one step, and not the weights. The limit is 1, which is the common one, or the median of the norms that plain
gradient descent showed,

    |g| = sqrt(sum_l (|dw_l| / rate)^2)              from the updates of the probation

so that an ordinary gradient passes as it is and only the rare one is cut. A closure that is handed to the step, as
Lightning always does, computes the gradient inside of it: there the norm is cut behind the closure. In Lightning
``Trainer(gradient_clip_val=...)`` does the same; take one of both.

## When not

It never cures a vanishing gradient: it makes it smaller. Behind it a rate that is too large stays hidden. Where every
step is clipped, the rate is really another one (HW505). Not with LBFGS, whose line search needs the gradient of the
loss as it is.

## Safety

Safe: no function of the network changes. The hook runs behind `GradScaler.unscale_`; a fused optimizer, which is handed
gradients that are still scaled, gets a limit that is scaled as well.

## References

- Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks", ICML, arXiv 1211.5063
- Zhang, He, Sra, Jadbabaie 2020, "Why gradient clipping accelerates training: a theoretical justification for
  adaptivity", ICLR, arXiv 1905.11881
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.optim import LBFGS, SGD, Optimizer

from headwater.records import Change, Code
from headwater.records.numbers import number
from headwater.remedies.options import rounded
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training

_CODE = "clip-gradient"
_LIMIT = 1.0


def clip_gradient(limit: float, optimizer: Optimizer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Cuts the gradient to a norm of at most `limit`; one that a closure computes, behind the closure."""
    closure = args[1] if len(args) > 1 else options.get("closure")

    def clipped() -> Any:
        loss = None if closure is None else closure()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        scale = getattr(optimizer, "grad_scale", None)  # set by GradScaler where the step itself takes it out
        torch.nn.utils.clip_grad_norm_(parameters, limit if scale is None else limit * float(scale))
        return loss

    if closure is None:
        return clipped()
    return ((args[0], clipped, *args[2:]), options) if len(args) > 1 else (args, {**options, "closure": clipped})


def _refusal(training: Training) -> str | None:
    if isinstance(training.optimizer, LBFGS):
        return "LBFGS computes its gradients inside the step, and searches along them as they are"
    if training.measurement.precision.clips:
        return "the gradient is clipped already"
    return None


def _refusal_of_median(training: Training) -> str | None:
    if _refusal(training) is None and _norm(training) is None:
        return "the norm of the gradient was not measured: that takes steps of plain gradient descent"
    return _refusal(training)


def _norm(training: Training) -> float | None:
    """Median norm of the gradient, where a step is the gradient times the rate."""
    used = training.measurement.optimizer
    optimizer = training.optimizer
    if used.kind != "SGD" or not isinstance(optimizer, SGD) or len(set(used.rates)) != 1 or not used.rates[0]:
        return None
    if not used.given or any(group["momentum"] for group in optimizer.param_groups):
        return None
    moved = [p.update_ratio * p.norm for p in training.measurement.parameters if p.update_ratio is not None]
    norm = math.hypot(*moved) / used.rates[0]
    return rounded(norm) if norm > 0 and math.isfinite(norm) else None


def _apply(key: str, limit_of: Callable[[Training], float]) -> Callable[[Training], Change]:
    def apply(training: Training) -> Change:
        limit = limit_of(training)
        training.optimizer.register_step_pre_hook(partial(clip_gradient, limit))
        hooked = f"{{optimizer}}.register_step_pre_hook(partial(clip_gradient, {limit}))"
        after = f"{source(clip_gradient)}\n\n{hooked}"
        imports = (
            "import torch",
            "from functools import partial",
            "from typing import Any",
            "from torch.optim import Optimizer",
        )
        says = f"the gradient is clipped to a norm of {number(limit)}"
        return Change(key, says, ("",), code=Code(after=after, imports=imports))

    return apply


REMEDIES = (
    Remedy(_CODE, "", "safe", 1, _refusal, _apply(_CODE, lambda training: _LIMIT), __doc__ or ""),
    Remedy(
        _CODE,
        "median",
        "safe",
        1,
        _refusal_of_median,
        _apply(f"{_CODE}:median", lambda training: _norm(training) or _LIMIT),
        __doc__ or "",
    ),
)
