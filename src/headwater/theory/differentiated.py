"""Any module or function of torch as an activation, its derivative by autograd."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from headwater.errors import InputError
from headwater.theory.activations import Activation
from headwater.theory.named import Array

_DRAWS = 4096
"""Elements of which a share of 0.3 % that is left to chance is seen as good as surely."""
_PROBE = (-2.1, -0.7, 0.3, 1.9)
"""Points at which it is checked that each element of the output depends on its own input only."""


def differentiated(what: Callable[..., Any]) -> Activation:
    """Returns a module (a copy in double precision and evaluation mode) or a function as an activation.

    Raises:
        InputError: it raised, its result has another shape or no gradient, it is not elementwise, or left to chance.
    """
    name = type(what).__name__ if isinstance(what, nn.Module) else getattr(what, "__name__", type(what).__name__)
    # Evaluation mode: RReLU, random in training, is then its mean. A copy: the user's module stays as it is.
    call = copy.deepcopy(what).double().eval() if isinstance(what, nn.Module) else what
    _check(call, name)
    if isinstance(what, nn.Module) and not any(isinstance(part, nn.RReLU) for part in what.modules()):
        _check_chance(copy.deepcopy(what).double().train(), name)
    return Activation(
        name, lambda z: _run(call, z, name)[0].detach().numpy(), lambda z: _slope(*_run(call, z, name), name)
    )


def _run(call: Callable[..., Any], z: Array, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller is in
            at = torch.from_numpy(np.array(z, dtype=np.float64)).requires_grad_()
            out = call(at * 1.0)  # a copy that is no leaf: an activation that works in place may write into it
    except Exception as error:
        raise InputError(
            f"Expected an activation from tensor to tensor; {name} raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(out, torch.Tensor) or out.shape != at.shape:
        came = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, torch.Tensor) else type(out).__name__
        raise InputError(f"Expected {name} to return a tensor of the shape of its input, got {came}.")
    return out, at


def _slope(out: torch.Tensor, at: torch.Tensor, name: str) -> Array:
    if not out.requires_grad:
        raise InputError(f"Expected an activation that autograd can differentiate; no gradient leads through {name}.")
    slope: Any = torch.autograd.grad(out, at, torch.ones_like(out), allow_unused=True)[0]
    if slope is None:
        raise InputError(f"Expected an activation of its input; the result of {name} does not depend on it.")
    return slope.numpy()


def _check(call: Callable[..., Any], name: str) -> None:
    together, at = _run(call, np.array(_PROBE), name)
    _slope(together, at, name)
    alone = torch.cat([_run(call, np.array([z]), name)[0] for z in _PROBE])
    if not torch.allclose(together, alone, rtol=1e-6, atol=1e-9):
        raise InputError(
            f"Expected an elementwise activation; an element of {name}'s output depends on other inputs than its own "
            "(or on chance). Normalisations and softmax have no gain of this kind."
        )


def _check_chance(module: nn.Module, name: str) -> None:
    """Raises for dropout and its kind, which in evaluation mode would pass for something else."""
    at = np.linspace(_PROBE[0], _PROBE[-1], _DRAWS)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        first, second = _run(module, at, name)[0], _run(module, at, name)[0]
    if not torch.equal(first, second):
        raise InputError(
            f"Expected an activation, a function of its input; in training {name} draws its result by chance. Predict "
            "the activation beside it: dropout leaves the norm of the gradient as it is on average."
        )
