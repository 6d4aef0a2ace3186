"""Copies of an optimizer that drive copies of its parameters, its step, and small questions to it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import torch
from torch.optim import Optimizer

from headwater.errors import OptimizerError


def copied(optimizer: Optimizer, memo: dict[int, Any], *, hooks: bool) -> Optimizer:
    """Returns a deep copy of an optimizer, over what `memo` holds for its parameters.

    PyTorch copies only the groups and the state. What a subclass keeps besides (the norm that it clips to) is carried
    over too, and with `hooks` what is registered to run before a step. Instance attributes that stand in for methods
    are not: a learning rate scheduler puts a `step` there that would drive the original.
    """
    twin = copy.deepcopy(optimizer, memo)
    for name, value in vars(optimizer).items():
        if name not in vars(twin) and not hasattr(type(optimizer), name):
            setattr(twin, name, copy.deepcopy(value, memo))
    if hooks:
        for hook in cast(Any, optimizer)._optimizer_step_pre_hooks.values():
            twin.register_step_pre_hook(copy.deepcopy(hook, memo))
    return twin


def rate_of(group: dict[str, Any]) -> float | None:
    """The learning rate of a parameter group; ``None`` where the optimizer has none, or finds it by itself."""
    rate = group.get("lr")
    return None if rate is None else float(rate)


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether the step evaluates the loss itself, as LBFGS does."""
    step = cast(Any, optimizer).step
    its_class = getattr(step, "__func__", None)
    return _evaluates(step) if its_class is None or "step" in vars(optimizer) else _evaluates_always(its_class)


def _evaluates(step: Callable[..., Any]) -> bool:
    required = inspect.signature(step).parameters.get("closure")
    return required is not None and required.default is inspect.Parameter.empty


@lru_cache
def _evaluates_always(step: Callable[..., Any]) -> bool:
    """The same of a class's step: it is asked before each one, and a signature takes some 20 microseconds to read."""
    return _evaluates(step)


_NORMALISED = frozenset(["exp_avg_sq", "square_avg", "sum", "exp_inf", "max_exp_avg_sq", "row_var", "variance"])
_SIGNS = frozenset(["Lion", "Muon", "Rprop", "SignSGD", "LARS", "Adafactor"])


def adaptive(optimizer: Optimizer) -> bool:
    """Whether the size of a step does not depend on the scale of the gradient: it is divided by its own size.

    Known by the second moment in the optimizer's state, so after at least one step, or by name.
    """
    known = any(_NORMALISED & set(state) for state in cast("dict[Any, dict[str, Any]]", optimizer.state).values())
    return known or type(optimizer).__name__ in _SIGNS


def optimise(optimizer: Optimizer, loss: Callable[[], torch.Tensor]) -> None:
    """Takes one step; an optimizer that evaluates the loss itself (LBFGS) gets a closure that does so."""

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    step = cast(Any, optimizer).step
    try:
        if needs_closure(optimizer):
            step(closure)
        else:
            step()
    except Exception as error:
        raise OptimizerError(
            f"The step of {type(optimizer).__name__} raised {type(error).__name__}: {error}\nIt must be able to "
            "step over the model's parameters as they are; sparse gradients need SGD, Adagrad or SparseAdam."
        ) from error
