"""Keep the path from the parameters to the loss in tensors that autograd follows.

## What it does

Autograd's path ends at ``detach()``, ``.data`` and ``torch.no_grad()``; it goes on with a slope of zero behind
``round``, ``floor``, ``ceil``, ``trunc`` and ``sign``. While the model's forward runs,

- ``x.detach()`` and ``x.data`` are x, and ``no_grad`` has no effect;
- a dropout of everything drops nothing;
- rounding and sign keep their values, and pass the gradient on as if they were not there (straight-through estimator):
  y = x + (round(x) - x), with the bracket detached;
- so do numbers that leave for Python or numpy and come back in the same shape (``tolist``, ``numpy``, ``item``, then
  ``torch.tensor`` or ``torch.as_tensor``), where only one tensor of that shape has left, and ``torch.tensor(x)`` of a
  tensor x;
- ``one_hot(x.argmax(-1)).float()`` keeps its value and has the gradient of ``softmax(x)``.

Where all that the forward methods of the model's own classes hold is ``detach()``, it falls away in the source.

## What to do by hand

What is calculated in numpy or in Python is better written as operations on tensors: its own slope is then had as well.
PyTorch shows nobody a call of ``torch.from_numpy``: write ``torch.as_tensor``. A choice by a comparison needs a soft
one (sigmoid, softmax), or the same estimator with a smooth function in the bracket. Of a dropout of 1.0 nothing comes
through: 0.1 was meant, or the share to keep.

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

import torch
from torch import Tensor

from headwater.graph import class_of
from headwater.graph.frames import is_users
from headwater.records import Change, Code, ReplaceCall, SourceLine
from headwater.remedies.plain import MODE_IMPORTS, Rerouted, reroute, source
from headwater.remedies.remedy import Remedy, Training

_CODE = "reconnect"
_CUTS = frozenset(
    "data no_grad set_grad_enabled inference_mode dropout round floor ceil trunc sign numpy tolist item tensor "
    "as_tensor argmax".split()
)
"""What else in a forward method changes, and is not a call that could fall away."""


class Connected(Rerouted):
    """Keeps a model's forward in the graph: nothing is detached, and what has no slope passes the gradient on."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        first: Any = args[0] if args else kwargs.get("input")
        if name == "_set_grad_enabled":
            return None
        everything = name == "dropout" and 1 in (*args[1:2], kwargs.get("p"))
        if everything or name == "detach" or getattr(func, "__self__", None) is Tensor.data:
            return first
        if name in ("numpy", "tolist", "item"):
            if first.requires_grad:
                self.left.setdefault(first.shape, {})[id(first)] = first
            return func(first.detach(), *args[1:], **kwargs)
        result = func(*args, **kwargs)
        if name in ("round", "floor", "ceil", "trunc", "sign"):
            return self.bridged(result, first)
        if name in ("tensor", "as_tensor"):
            left = [first] if isinstance(first, Tensor) else list(self.left.get(result.shape, {}).values())
            same = len(left) == 1 and (result.dim() > 0 or bool(result == left[0]))  # numbers alone are many
            return self.bridged(result, left[0]) if same else result  # of several it cannot be told which came back
        if name == "argmax" and (args[1:] or (kwargs.get("dim"),))[0] in (-1, first.dim() - 1):
            self.scores[id(result)] = result, first
        elif name == "one_hot" and id(first) in self.scores:
            self.scores[id(result)] = result, self.scores[id(first)][1]
        elif name in ("float", "double", "half", "bfloat16", "to", "type", "type_as") and id(first) in self.scores:
            scores = self.scores[id(first)][1]
            return self.bridged(result, scores.softmax(-1)) if result.shape == scores.shape else result
        return result

    def bridged(self, result: Tensor, origin: Tensor) -> Tensor:
        """The same values, with the gradient of another tensor of that shape."""
        fits = result.is_floating_point() and origin.requires_grad and result.shape == origin.shape
        if not fits or result.device != origin.device:
            return result
        return torch.where(origin.isfinite(), origin - origin.detach(), 0.0).to(result.dtype) + result

    def __enter__(self) -> Connected:
        """Knows nothing yet of what leaves the graph in this forward pass."""
        self.left: dict[Any, dict[int, Tensor]] = {}
        self.scores: dict[int, tuple[Tensor, Tensor]] = {}
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Lets go of it."""
        self.left, self.scores = {}, {}
        super().__exit__(*error)


def _refusal(training: Training) -> str | None:
    cut = any(_CODE in each.remedies for each in training.findings)
    return None if cut else "every parameter that runs is connected to the loss"


def _apply(training: Training) -> Change:
    edits = _detached(training)
    reroute(training.model, Connected)
    live = Code(f"{source(Rerouted, Connected)}\n\n{{model}}.forward = Connected({{model}})", imports=MODE_IMPORTS)
    return Change(
        remedy=_CODE,
        says="nothing in the model's forward leaves the graph: no detach, no_grad or .data, and rounding or a trip "
        "through Python passes the gradient on",
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
