"""Stop what overflows or is not defined.

## What it does

A root, a logarithm or an arc cosine has an infinite slope at the edge of where it is defined, also where its value is
fine; a softmax over a row of minus infinities is zero by zero. While the model runs, or the loss is computed (`loss`),
what these functions read is kept by one rounding error of 1 (1.2e-7 in float32) away from that edge. Within that
distance the slope is zero.

| function | reads | its slope is then at most |
| --- | --- | --- |
| square root, and powers below 1 | x >= 1.2e-7 | 1.4e3 |
| one over the square root | x >= 1.2e-7 | 1.2e10 |
| logarithm | x >= 1.2e-7 | 8.4e6 |
| arc sine, arc cosine | -1 + 1.2e-7 <= x <= 1 - 1.2e-7 | 2.0e3 |
| softmax | x >= the least number there is | 1/4 |

The finding names the line. Write the guard there, with a constant that suits what is measured: ``sqrt(x + eps)``, and
not ``sqrt(x) + eps``.

## What to do by hand

A script has no function that computes the loss: outside of the model's forward nothing is guarded there. Use the forms
that are safe at the edges, ``log_softmax``, ``logsumexp``, losses with logits. An exponential that overflows wants a
lower rate, or an input that is bounded. In float16 use a loss scale, or bfloat16. Where a denominator is zero, add a
constant to it.

## When not

Never replace NaN in the gradient by zero: the fault stays and hides.

## Safety

Unsafe: numbers below 1.2e-7 are taken for that.

## References

- Goldberg 1991, "What every computer scientist should know about floating-point arithmetic", ACM Computing Surveys 23
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from headwater.records import Change, Code
from headwater.remedies.plain import MODE_IMPORTS, Rerouted, reroute, source
from headwater.remedies.remedy import Remedy, Training

_CODE = "find-non-finite"
_NON_FINITE = "HW701"
_KINDS = frozenset("Sqrt Rsqrt Pow Log Log2 Log10 Acos Asin Softmax SafeSoftmax Mul Div".split())
"""Where a number that is not finite can come from such a function: zero times the logarithm of zero is none. Whether it
does is seen by trying."""


class Guarded(Rerouted):
    """Keeps what a root, a logarithm, an arc cosine or a softmax reads away from where it has no finite slope."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options: dict[str, Any] = kwargs or {}
        name, x = getattr(func, "__name__", ""), args[0] if args else None
        if isinstance(x, Tensor) and x.is_floating_point():
            edge = torch.finfo(x.dtype).eps
            exponent: Any = args[1] if len(args) > 1 else options.get("exponent")
            root = name == "pow" and isinstance(exponent, float) and exponent < 1
            if root or name in ("sqrt", "rsqrt", "log", "log2", "log10"):
                x = x.clamp_min(edge)
            elif name in ("acos", "arccos", "asin", "arcsin"):
                x = x.clamp(edge - 1, 1 - edge)
            elif name == "softmax":
                x = x.clamp_min(torch.finfo(x.dtype).min)
            args = (x, *args[1:])
        return func(*args, **options)


def _refusal(training: Training) -> str | None:
    found = next((each for each in training.findings if each.code == _NON_FINITE), None)
    if found is None:
        return "every number of the probation is finite"
    place = str(found.evidence.get("place", ""))
    if place.partition(" ")[0] not in _KINDS:
        where = f" at {found.where.file}:{found.where.line}" if found.where.line is not None else ""
        return f"{place or 'what overflows'}{where} has no edge to be kept from: guard it, or lower the rate"
    return None


def _refusal_of_loss(training: Training) -> str | None:
    if training.step is None and training.loss_fn is None:
        return "there is no function that computes the loss"
    return _refusal(training)


def _apply(training: Training) -> Change:
    reroute(training.model, Guarded)
    written = Code(f"{_GUARD}\n{{model}}.forward = Guarded({{model}})", imports=MODE_IMPORTS)
    return Change(_CODE, _SAYS.format("the model"), ("",), code=written)


def _apply_to_loss(training: Training) -> Change:
    name, place = ("loss_fn", "the loss") if training.step is None else ("step", "the step")
    setattr(training, name, Guarded(getattr(training, name)))
    written = Code(f"{_GUARD}\n{name} = Guarded({name})", imports=MODE_IMPORTS, apart=True)
    by_hand = f"write the guard into your own code, and compute the loss under it: {name} = Guarded({name})"
    return Change(f"{_CODE}:loss", _SAYS.format(place), ("",), code=written, by_hand=by_hand)


_GUARD = source(Rerouted, Guarded)
_SAYS = "roots, logarithms, arc cosines and softmaxes of {} are kept from where their slope is infinite"

REMEDIES = (
    Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),
    Remedy(_CODE, "loss", "unsafe", 3, _refusal_of_loss, _apply_to_loss, __doc__ or ""),
)
