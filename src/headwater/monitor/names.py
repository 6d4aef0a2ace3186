"""Finds the model and the optimizer inside what libraries wrap around them, and names their parameters."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from headwater.errors import ModelError, OptimizerError
from headwater.graph import class_of


def module_of(model: Any) -> nn.Module:
    """Takes the user's module out of ``torch.compile`` and of data parallel wrappers."""
    return unwrapped(model)[0]


def unwrapped(model: Any) -> tuple[nn.Module, str]:
    """As `module_of`, with the attributes that lead there: ``".module"`` out of a data parallel wrapper."""
    way = ""
    while True:
        parallel = issubclass(type(model), nn.DataParallel | nn.parallel.DistributedDataParallel)
        name = "module" if parallel else "_orig_mod"
        held = cast("dict[str, Any]", vars(model).get("_modules", {})) if issubclass(type(model), nn.Module) else {}
        inner = held.get(name)  # without the code of a user who has a say in attributes
        if not isinstance(inner, nn.Module):
            return cast(nn.Module, model), way
        model, way = inner, f"{way}.{name}"


def optimizer_of(optimizer: Any) -> Any:
    """Takes PyTorch's optimizer out of Accelerate's and Lightning's wrappers, which pass the step on to it."""
    while True:
        inner: Any = getattr(optimizer, "optimizer", None) or getattr(optimizer, "_optimizer", None)
        if not isinstance(inner, Optimizer):
            return optimizer
        optimizer = inner


def named_models(model: Any) -> dict[str, nn.Module]:
    """Returns the modules to watch by name: one without a name, several with theirs.

    Raises:
        ModelError: something that was given is no module.
    """
    if isinstance(model, nn.Module):
        return {"": model}
    if isinstance(model, Mapping):
        given = {str(name): each for name, each in cast("Mapping[Any, Any]", model).items()}
    elif isinstance(model, Sequence) and not isinstance(model, str):
        given = {str(place): each for place, each in enumerate(cast("Sequence[Any]", model))}
    else:
        given = {"": model}
    for name, each in given.items():
        if not isinstance(each, nn.Module):
            raise ModelError(
                f"Expected model as a torch.nn.Module, or several in a list or dict; got {type(each).__name__}"
                + (f" under {name!r}." if name else ".")
            )
    if not given:
        raise ModelError("Expected at least one model, got none.")
    return cast("dict[str, nn.Module]", given)


def named_optimizers(optimizer: Any) -> dict[str, Any]:
    """Returns the optimizers to watch by name: those of a dict with theirs, several with their numbers, one without.

    Raises:
        OptimizerError: something that was given has no step or no parameter groups.
    """
    if isinstance(optimizer, Mapping):
        given = {str(name): each for name, each in cast("Mapping[Any, Any]", optimizer).items()}
    elif isinstance(optimizer, list | tuple):
        given = {str(place): each for place, each in enumerate(cast("Sequence[Any]", optimizer))}
    else:
        given = {"": optimizer}
    found = {name: optimizer_of(each) for name, each in given.items()}
    for each in found.values():
        if not hasattr(each, "param_groups") or not callable(getattr(each, "step", None)):
            raise OptimizerError(
                f"Expected optimizer as a torch.optim.Optimizer, or several in a list or dict; got {_type(each)}."
            )
    if not found:
        raise OptimizerError("Expected at least one optimizer, got none.")
    return found if len(found) > 1 or isinstance(optimizer, Mapping) else {"": next(iter(found.values()))}


class Together(nn.ModuleDict):
    """Several models under watch, side by side."""


def together(models: Mapping[str, nn.Module]) -> nn.Module:
    """Returns the model, or one that holds several under their names. Nothing is moved or copied."""
    inside = {name: module_of(each) for name, each in models.items()}
    return next(iter(inside.values())) if len(inside) == 1 else Together(inside)


def trained(model: nn.Module, held: Container[int]) -> tuple[str, int]:
    """What one optimizer trains: class names and parameters, without those of models beside it.

    Args:
        model: that is watched, or several together.
        held: identities of the parameters that the optimizer holds.
    """
    parts = list(model.children()) if isinstance(model, Together) else [model]
    own = [part for part in parts if any(id(p) in held for p in part.parameters())] or parts
    parameters = {id(p): p.numel() for part in own for p in part.parameters()}
    return " + ".join(class_of(part).__name__ for part in own), sum(parameters.values())


def identities(model: nn.Module) -> dict[str, int]:
    """Returns which object each parameter is, by its name."""
    return {name: id(p) for name, p in model.named_parameters()}


def _type(value: object) -> str:
    return type(value).__name__
