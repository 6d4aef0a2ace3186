"""Keep the path from the parameters to the loss in tensors that autograd follows.

## What it does

Autograd's path ends at ``detach()``, ``.data`` and ``torch.no_grad()``; it goes on with a slope of zero behind
``round``, ``floor``, ``ceil``, ``trunc`` and ``sign``. While the model's forward runs,

- ``x.detach()`` and ``x.data`` are x, and ``no_grad`` has no effect;
- a dropout of everything drops nothing;
- rounding and sign keep their values, and pass the gradient on as if they were not there (straight-through estimator):
  y = x + (round(x) - x), with the bracket detached.

Where all that the forward methods of the model's own classes hold is ``detach()``, it falls away in the source.

## What to do by hand

A trip through numpy, ``.item()``, ``.tolist()`` or ``torch.tensor(x)`` made from a tensor has to be written as
operations on tensors. A choice by ``argmax`` or by a comparison needs a soft one (softmax), or the same estimator with
a smooth function in the bracket. Of a dropout of 1.0 nothing comes through: 0.1 was meant, or the share to keep.

## When not

Not where the cut is meant: a target network, a stop-gradient between two branches, a backbone that is to stay as it
is (then say so, with ``requires_grad_(False)``, and this finding goes away). All cuts of the forward are mended, also
those that libraries make in it. The straight-through gradient is biased; it is right to the extent that the rounding
is fine.

## Safety

Unsafe: weights move that did not; the function at their present values stays.

## References

- Bengio, Léonard, Courville 2013, "Estimating or propagating gradients through stochastic neurons for conditional
  computation", arXiv 1308.3432 (the straight-through estimator)
- PyTorch documentation, "Autograd mechanics"
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from torch import Tensor

from headwater.graph import class_of
from headwater.graph.frames import is_users
from headwater.records import Change, Code, ReplaceCall, SourceLine
from headwater.remedies.plain import MODE_IMPORTS, Rerouted, reroute, source
from headwater.remedies.remedy import Remedy, Training

_CODE = "reconnect"
_CUTS = frozenset("data no_grad set_grad_enabled inference_mode dropout round floor ceil trunc sign".split())
"""What else in a forward method changes, and is not a call that could fall away."""


class Connected(Rerouted):
    """Keeps a model's forward in the graph: nothing is detached, and rounding passes the gradient on."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "_set_grad_enabled":
            return None
        everything = name == "dropout" and 1 in (*args[1:2], (kwargs or {}).get("p"))
        if everything or name == "detach" or getattr(func, "__self__", None) is Tensor.data:
            return args[0]
        result = func(*args, **(kwargs or {}))
        if name in ("round", "floor", "ceil", "trunc", "sign") and args[0].requires_grad:
            return args[0] + (result - args[0]).detach()
        return result


def _refusal(training: Training) -> str | None:
    cut = any(_CODE in each.remedies for each in training.findings)
    return None if cut else "every parameter that runs is connected to the loss"


def _apply(training: Training) -> Change:
    edits = _detached(training)
    reroute(training.model, Connected)
    live = Code(f"{source(Rerouted, Connected)}\n\n{{model}}.forward = Connected({{model}})", imports=MODE_IMPORTS)
    return Change(
        remedy=_CODE,
        says="nothing in the model's forward leaves the graph: no detach, no_grad or .data, and rounding passes the "
        "gradient on",
        places=("",),
        edits=edits,
        instead=live if edits else Code(),
        code=Code() if edits else live,
    )


def _detached(training: Training) -> tuple[ReplaceCall, ...]:
    """The calls of ``detach()`` in the model's own forward methods; none where something else there is changed too."""
    found: dict[SourceLine, None] = {}
    for kind in {class_of(module): None for module in training.model.modules()}:
        file = inspect.getsourcefile(kind.forward)
        if file is None or not is_users(file):
            continue
        lines, first = inspect.getsourcelines(kind.forward)
        for node in ast.walk(ast.parse(textwrap.dedent("".join(lines)))):
            if not isinstance(node, ast.Attribute | ast.Name):
                continue
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in _CUTS:
                return ()
            if name == "detach":
                found[SourceLine(file, first + (node.end_lineno or 1) - 1)] = None
    return tuple(ReplaceCall(line, "detach", "") for line in found)


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
