"""Give the optimizer the parameters that it misses.

## What it does

An optimizer knows the parameters that it was given when it was made. Those of the model that ask for a gradient and are
in no group get a group of their own, with the options that the optimizer was built with. Layers in a plain list, tuple
or dict are unknown to their module, and so to ``model.parameters()``: they are put into `nn.ModuleList` or
`nn.ModuleDict` (parameters: `nn.ParameterList`, `nn.ParameterDict`) of the same name first, which index and iterate
alike. A dict whose keys cannot be names of modules (numbers, names with a dot) stays as it is, and what it holds gets a
list beside it.

## When not

What is meant to stay fixed should not ask for a gradient: ``requires_grad_(False)``. Layers that are replaced after the
optimizer was built cannot be seen there: build the optimizer behind them. Adagrad prepares its state when it is built,
and takes no parameters later.

## Safety

Safe: no function of the network changes. What was in the optimizer stays in it.

## References

- PyTorch documentation, `torch.optim`: "Constructing it"; `torch.nn.ModuleList`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch import nn
from torch.optim import Adagrad

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies.remedy import Remedy, Training

_CODE = "register-parameters"
_BESIDE = "_registered"
_ADDED = """known = set(id(p) for group in {optimizer}.param_groups for p in group["params"])
missing = [p for p in {model}.parameters() if p.requires_grad and id(p) not in known]
if missing:
    {optimizer}.add_param_group(dict(params=missing))"""


def _refusal(training: Training) -> str | None:
    if not _missing(training) and _unregistered(training.model) is None:
        return "the optimizer holds every parameter that asks for a gradient"
    if isinstance(training.optimizer, Adagrad):
        return "Adagrad takes no parameters after it was built: build it from model.parameters(), behind the last layer"
    return None


def _missing(training: Training) -> dict[str, nn.Parameter]:
    held = {id(p) for group in training.optimizer.param_groups for p in group["params"]}
    return {name: p for name, p in training.model.named_parameters() if p.requires_grad and id(p) not in held}


def _apply(training: Training) -> Change:
    lists: list[str] = []
    while (found := _unregistered(training.model)) is not None:
        path, name = found
        owner = training.model.get_submodule(path)
        layers = getattr(owner, name)
        kind, beside = _registering(layers)
        setattr(owner, name + beside, getattr(nn, kind)(layers.values() if beside else layers))
        at = f"{{model}}.get_submodule({path!r})" if path else "{model}"
        held = f"{at}.{name}.values()" if beside else f"{at}.{name}"
        lists.append(f"{at}.{name}{beside} = torch.nn.{kind}({held})")
    missing = _missing(training)
    if not missing:
        raise RemedyError(f"{_CODE} looked for trainable parameters that the optimizer does not hold")
    training.optimizer.add_param_group({"params": list(missing.values())})
    return Change(
        remedy=_CODE,
        says=f"the optimizer gets {sum(p.numel() for p in missing.values())} numbers in {len(missing)} parameters that "
        "it did not hold",
        places=tuple(missing),
        code=Code("\n".join(lists), _ADDED, ("import torch",) if lists else ()),
    )


def _unregistered(model: nn.Module) -> tuple[str, str] | None:
    """Path of a module, and its attribute that holds layers or parameters of which the model does not know."""
    known = {id(p) for p in model.parameters()}
    for path, module in cast("Iterator[tuple[str, nn.Module]]", model.named_modules()):
        for name, value in vars(module).items():
            if not name.startswith("_") and any(id(p) not in known for p in _parameters(value)):
                return path, name
    return None


def _parameters(value: Any) -> list[nn.Parameter]:
    """The parameters in a list, tuple or dict that holds nothing but modules, or nothing but parameters."""
    held = _held(value)
    if held and all(isinstance(each, nn.Parameter) for each in held):
        return held
    modules = cast("list[nn.Module]", held) if all(isinstance(each, nn.Module) for each in held) else []
    return [p for module in modules for p in module.parameters()]


def _registering(value: Any) -> tuple[str, str]:
    """Class in ``torch.nn`` that registers what a list, tuple or dict holds, and what its name has behind the dict's.

    Empty where it takes the place of the old one: not of a dict whose keys cannot be names of modules.
    """
    holds = "Parameter" if isinstance(_held(value)[0], nn.Parameter) else "Module"
    if not isinstance(value, dict):
        return f"{holds}List", ""
    own = (nn.ModuleDict(), nn.ParameterDict())
    names = all(
        isinstance(key, str) and key and "." not in key and not any(hasattr(each, key) for each in own)
        for key in cast("dict[Any, Any]", value)
    )
    return (f"{holds}Dict", "") if names else (f"{holds}List", _BESIDE)


def _held(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[Any, Any]", value).values())
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
