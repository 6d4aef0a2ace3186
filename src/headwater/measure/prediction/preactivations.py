"""What enters each activation: its mean and its variance, seen as the function is called.

Autograd keeps the result of a ReLU, a sigmoid or a tanh and not what went in, and what went in cannot be told from the
result of a ReLU. So the calls are watched, those of modules and of plain functions alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode

from headwater.graph import Guard, unguarded
from headwater.measure.norms import dense, vector_norm

_FUNCTIONS = frozenset(
    "relu relu_ relu6 sigmoid sigmoid_ tanh tanh_ gelu silu mish elu elu_ selu selu_ celu celu_ leaky_relu leaky_relu_ "
    "hardtanh hardtanh_ hardswish hardsigmoid softplus logsigmoid".split()
)

_CLEAR = 0.01
"""Share of the mean square from which on the difference is right to a thousandth, as with `signals.spread`."""


@dataclass(frozen=True)
class Moments:
    """Mean and variance over all units, samples and positions."""

    mean: torch.Tensor
    variance: torch.Tensor


class PreActivations(TorchFunctionMode):
    """While it is entered, notes the moments of every activation's input. It draws no number and changes none.

    Attributes:
        moments: by the autograd node of the activation.
    """

    def __init__(self, guard: Guard = unguarded) -> None:
        super().__init__()
        self.moments: dict[Any, Moments] = {}
        self._before, self._after = guard(_look), guard(partial(_file, self.moments))  # no cycle

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Calls the function as if nobody looked on."""
        watched = bool(args) and getattr(func, "__name__", "") in _FUNCTIONS
        moments = self._before(args[0]) if watched else None  # before the call, which may work in place
        result = func(*args, **(kwargs or {}))
        if moments is not None:
            self._after(result, moments)
        return result


def _look(z: Any) -> Moments | None:
    return _moments(z) if _differentiable(z) else None


def _file(kept: dict[Any, Moments], result: Any, moments: Moments) -> None:
    if isinstance(result, torch.Tensor) and result.grad_fn is not None:
        kept[result.grad_fn] = moments


def _differentiable(z: Any) -> bool:
    """Whether autograd sees it: what `torch.func` has wrapped is not in the graph, and cannot be read."""
    if not isinstance(z, torch.Tensor) or cast(Any, torch)._C._functorch.is_functorch_wrapped_tensor(z):
        return False
    return z.requires_grad and z.is_floating_point() and z.numel() > 0


def _moments(z: torch.Tensor) -> Moments:
    """Without `torch.var_mean` on a processor: it takes several times as long as the mean and the norm together.

    The difference of mean square and squared mean loses digits where the mean outweighs the spread: there, the numbers
    are centred first.
    """
    numbers = dense(z).float()
    if numbers.device.type != "cpu":
        variance, mean = torch.var_mean(numbers, correction=0)
        return Moments(mean, variance)
    mean = numbers.mean()
    square = vector_norm(numbers, torch.float32).square() / numbers.numel()
    variance = square - mean.square()
    if not variance > _CLEAR * square:  # also where it is no number
        variance = vector_norm(numbers - mean, torch.float32).square() / numbers.numel()
    return Moments(mean, variance)
