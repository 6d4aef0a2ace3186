"""The options of an optimizer, changed in place: a schedule, a scaler and the user's own code hold it already.

Each change is returned as the user would write it: other arguments where the optimizer is built, and the same as
statements behind it. An option that a group has of its own is no argument of that call, and then there are only the
statements.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch.optim import Optimizer

from headwater.records import Change, Code, ReplaceCall
from headwater.remedies.remedy import Training

Group = dict[str, Any]

DIGITS = 3
"""Significant digits of a rate, live and as it is written."""
_ALIKE = ("maximize", "foreach", "capturable", "differentiable", "fused")
"""Options that mean the same in every optimizer of PyTorch's that has them."""


def rounded(value: float, digits: int = DIGITS) -> float:
    """Returns a number with few significant digits, so that what is written is what was tried."""
    return float(f"{value:.{digits}g}")


def rates(optimizer: Optimizer) -> tuple[float, ...]:
    """Returns the learning rate of each group; none where the optimizer has no rates."""
    return tuple(float(group["lr"]) for group in optimizer.param_groups if "lr" in group)


def set_options(training: Training, remedy: str, says: str, new: Callable[[Group], dict[str, Any]]) -> Change:
    """Sets options in each group.

    Args:
        training: whose optimizer is changed.
        remedy: key of the change.
        says: what it does.
        new: from a group to the options that it gets.
    """
    optimizer = training.optimizer
    options = [new(group) for group in optimizer.param_groups]
    together = all(each == options[0] for each in options) and _as_built(optimizer, tuple(options[0]))
    for group, chosen in zip(optimizer.param_groups, options, strict=True):
        _put(group, chosen)
    if together:
        _put(optimizer.defaults, options[0])
    written = _each_group(options)
    kind = type(optimizer)
    if training.built is None or not together or not _is_public(kind):
        return Change(remedy, says, ("",), code=written)
    arguments = {name: repr(value) for name, value in options[0].items()}
    edit = ReplaceCall(training.built, kind.__name__, full_name(kind), arguments=arguments, groups=len(options))
    return Change(remedy, says, ("",), (edit,), instead=written)


def exchange(
    training: Training,
    remedy: str,
    says: str,
    to: type[Optimizer],
    *,
    keep: tuple[str, ...] = (),
    new: Callable[[Group], dict[str, Any]] = lambda group: {},
) -> Change:
    """Makes the optimizer one of another class, with the same parameters in the same groups.

    The object stays, and so do the hooks on it. What it has accumulated does not: there is nothing yet.

    Args:
        training: whose optimizer is changed.
        remedy: key of the change.
        says: what it does.
        to: the class.
        keep: options that mean the same in both classes, besides those that always do.
        new: from a group to the options that it gets otherwise.
    """
    optimizer = training.optimizer
    kind, signature = type(optimizer), inspect.signature(to).parameters
    kept = tuple(name for name in (*keep, *_ALIKE) if name in signature)
    chosen = [new(group) for group in optimizer.param_groups]
    options = [{n: g[n] for n in kept if n in g} | each for g, each in zip(optimizer.param_groups, chosen, strict=True)]
    together = all(each == options[0] for each in options) and _as_built(optimizer, tuple(optimizer.defaults))
    groups = [_own(optimizer, g) | each for g, each in zip(optimizer.param_groups, options, strict=True)]
    written = _built_anew(to, [{n: v for n, v in each.items() if not _usual(signature, n, v)} for each in groups])
    _become(optimizer, to, groups, options[0] if together else {})
    if training.built is None or not together:
        return Change(remedy, says, ("",), code=written)
    arguments = {name: repr(value) for name, value in chosen[0].items()}
    missing = {n: repr(v) for n, v in options[0].items() if n in kept and not _usual(signature, n, v)}
    edit = ReplaceCall(training.built, kind.__name__, full_name(to), ("params", *kept), arguments, missing, len(groups))
    return Change(remedy, says, ("",), (edit,), instead=written)


def _become(optimizer: Optimizer, to: type[Optimizer], groups: list[Group], options: dict[str, Any]) -> None:
    """Builds an optimizer anew, as one of another class; only the hooks registered on it stay."""
    # RemovableHandles refer to these very dictionaries.
    hooks = {name: value for name, value in vars(optimizer).items() if name.endswith("_hooks")}
    optimizer.__class__ = to
    vars(optimizer).clear()
    cast(Any, to).__init__(optimizer, groups, **options)
    vars(optimizer).update(hooks)


def full_name(kind: type[Optimizer]) -> str:
    """Returns the name under which a class of optimizers is imported."""
    return f"torch.optim.{kind.__name__}" if _is_public(kind) else f"{kind.__module__}.{kind.__qualname__}"


def _is_public(kind: type[Optimizer]) -> bool:
    return getattr(torch.optim, kind.__name__, None) is kind


def _as_built(optimizer: Optimizer, names: tuple[str, ...]) -> bool:
    """Whether every group has what the optimizer was built with.

    A group that has the same as an option of its own looks alike; that is told where the call is edited.
    """
    defaults = optimizer.defaults
    return all(group[name] == defaults.get(name) for group in optimizer.param_groups for name in names if name in group)


def _own(optimizer: Optimizer, group: Group) -> Group:
    """What a group has that is no option of its optimizer: its parameters, and marks of the user's."""
    return {name: value for name, value in group.items() if name not in optimizer.defaults}


def _usual(signature: Mapping[str, inspect.Parameter], name: str, value: Any) -> bool:
    """Whether an option need not be written."""
    return name == "params" or (name in signature and value == signature[name].default)


def _put(group: Group, options: dict[str, Any]) -> None:
    """A rate that is a tensor stays one: a compiled step reads it."""
    for name, value in options.items():
        is_tensor = isinstance(group.get(name), torch.Tensor)
        group[name] = torch.full_like(group[name], value) if is_tensor else value


def _each_group(options: list[dict[str, Any]]) -> Code:
    if all(each == options[0] for each in options):
        lines = [f'    group["{name}"] = {value!r}' for name, value in options[0].items()]
        return Code(after="\n".join(["for group in {optimizer}.param_groups:", *lines]))
    groups = [(f"{{optimizer}}.param_groups[{index}]", each) for index, each in enumerate(options)]
    return Code(after="\n".join(f'{at}["{name}"] = {value!r}' for at, each in groups for name, value in each.items()))


def _built_anew(to: type[Optimizer], groups: list[Group]) -> Code:
    """A statement that builds the optimizer from the groups of the one that stands there."""
    name = full_name(to)
    imports = ("import torch",) if name.startswith("torch.") else (f"import {to.__module__}",)
    at = [f'{{optimizer}}.param_groups[{index}]["params"]' for index in range(len(groups))]
    written = [[f"{option}={value!r}" for option, value in options.items()] for options in groups]
    if len(groups) == 1 and set(groups[0]) <= set(inspect.signature(to).parameters):
        return Code(after=f"{{optimizer}} = {name}({', '.join([at[0], *written[0]])})", imports=imports)
    calls = [", ".join([f"params={each}", *options]) for each, options in zip(at, written, strict=True)]
    lines = [f"    dict({call})," for call in calls]
    return Code(after="\n".join([f"{{optimizer}} = {name}([", *lines, "])"]), imports=imports)
