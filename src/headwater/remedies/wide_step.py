"""An optimizer's step in a wider format than that of the weights: what the remedies against lost updates share.

For the time of its step each weight and its gradient are widened, so that the step and all that the optimizer
accumulates are float32 (float64 for float32 weights). Then the weight is rounded back. What rounding takes is kept and
added before the next step,

    wide = w + r        wide <- step(wide, g)        w <- round(wide)        r <- wide - w

in float32, which together with w is a float32 master copy of the weight (Micikevicius et al. 2018), or in the weight's
own format (compensated summation, Kahan 1965; Zamirai et al. 2020). Or nothing is kept, and w becomes one of the two
numbers beside `wide` at random, the nearer one with the larger chance, so that it is right on average (stochastic
rounding: Gupta et al. 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from headwater.records import Change, Code
from headwater.remedies.plain import source
from headwater.remedies.remedy import Training


class WideStep(Optimizer):
    """Takes the step of another optimizer in a wider format than that of the weights."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Widens the weights and their gradients, takes the step, and rounds the weights back; complex ones stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        own = [(p, p.data, p.grad) for p in held if p.is_floating_point() and p.dtype != torch.float64]
        for p, weight, gradient in own:
            wide = torch.float64 if p.dtype == torch.float32 else torch.float32
            p.grad = None  # it must have the format of the weight
            p.data = weight.to(wide) + self.remainders().get(p, 0.0)
            p.grad = gradient.to(wide)
        super().step()
        for p, weight, gradient in own:
            p.grad = None
            weight.copy_(self.rounded(p, p.data, weight.dtype))  # where others may share it
            p.data = weight
            p.grad = gradient
        return loss

    step.hooked = True  # type: ignore[attr-defined]  # hooks run around the step inside, once

    def remainders(self) -> dict[Tensor, Tensor]:
        """What rounding took from each weight."""
        return vars(self).setdefault("kept", dict[Tensor, Tensor]())

    def rounded(self, p: Tensor, wide: Tensor, own: torch.dtype) -> Tensor:
        """Rounds to the nearest, and keeps what that takes, as exactly as `wide` can."""
        narrow = wide.to(own)
        self.remainders()[p] = wide - narrow.to(wide.dtype)
        return narrow


class KahanStep(WideStep):
    """The same, with what rounding takes kept in the format of the weights."""

    def rounded(self, p: Tensor, wide: Tensor, own: torch.dtype) -> Tensor:
        """Rounds to the nearest, and rounds what that takes."""
        narrow = super().rounded(p, wide, own)
        kept = own if own.itemsize > 1 else torch.bfloat16
        self.remainders()[p] = self.remainders()[p].to(kept)
        return narrow


class StochasticStep(WideStep):
    """The same with nothing kept: the weights are right on average."""

    def rounded(self, p: Tensor, wide: Tensor, own: torch.dtype) -> Tensor:
        """Rounds up with the chance that the distance to the number below gives, as a share of the spacing."""
        exponent = torch.frexp(wide).exponent - 1
        spacing = torch.finfo(own).eps * torch.exp2(exponent.to(wide.dtype)).clamp_min(torch.finfo(own).tiny)
        below = torch.floor(wide / spacing)
        drawn = torch.empty_like(wide).uniform_(generator=self.drawing(wide.device))
        up = drawn < wide / spacing - below
        return ((below + up) * spacing).to(own)

    def drawing(self, device: torch.device) -> torch.Generator:
        """Random numbers of its own: loaders and dropout draw what they would draw without it."""
        own = vars(self).setdefault("generators", dict[torch.device, torch.Generator]())
        if device not in own:
            own[device] = torch.Generator(device).manual_seed(torch.initial_seed())
        return own[device]


def refusal(training: Training) -> str | None:
    """Says why the step of the optimizer cannot be widened, whatever the format of the weights."""
    if isinstance(training.optimizer, WideStep):
        return "another remedy takes the step in a wider format already"
    if isinstance(training.optimizer, LBFGS):
        return "LBFGS runs the model inside its step, which must find the weights in their own format"
    return None


def refusal_of_narrow(training: Training) -> str | None:
    """Says the same of weights that are to be kept in a narrow format."""
    if not narrow(training):
        return "the weights are kept in float32 or wider"
    return refusal(training)


def narrow(training: Training) -> set[torch.dtype]:
    """Returns the formats, narrower than float32, in which weights are kept that the optimizer moves."""
    held = {p.dtype for group in training.optimizer.param_groups for p in group["params"]}
    return {dtype for dtype in held if dtype.is_floating_point and torch.finfo(dtype).bits < 32}


def widen(training: Training, remedy: str, says: str, kind: type[WideStep]) -> Change:
    """Makes the optimizer take its step in a wider format, in place."""
    optimizer = training.optimizer
    own = type(optimizer)
    optimizer.__class__ = type(own.__name__, (kind, own), {})
    classes = [each for each in reversed(kind.__mro__) if issubclass(each, WideStep)]
    lines = (
        source(*classes),
        f"{{optimizer}}.__class__ = type({own.__name__!r}, ({kind.__name__}, type({{optimizer}})), dict())",
    )
    imports = ("from collections.abc import Callable", "from typing import Any", "import torch")
    needed = (*imports, "from torch import Tensor", "from torch.optim import Optimizer")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    places = tuple(name for name, p in training.model.named_parameters() if id(p) in held)
    return Change(remedy, says, places, code=Code(after="\n".join(lines), imports=needed))
