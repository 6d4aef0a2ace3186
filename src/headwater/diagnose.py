"""From a model and data to a report: the first story told from the pieces."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from torch import nn
from torch.optim import SGD, Optimizer

from headwater.errors import InputError, ModelError, OptimizerError
from headwater.measure import (
    Objective,
    Updates,
    batch_size,
    copied,
    held_names,
    look_at_rate,
    measurement,
    optimizer_record,
    probation,
    take,
    untouched,
)
from headwater.measure.objective import LossFunction, Step, tensors
from headwater.report import Report
from headwater.rules import judge
from headwater.source import with_origins

OptimizerFactory = Callable[[Any], Optimizer]

_DEFAULT_RATE = 1e-2


def diagnose(
    model: nn.Module,
    batches: Any,
    loss_fn: LossFunction | None = None,
    *,
    step: Step | None = None,
    optimizer: Optimizer | OptimizerFactory | None = None,
    steps: int = 8,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Finds where the gradient of a model vanishes or explodes, and why.

    A copy of the model is trained for a few steps, each backward pass of which is itemised; the later steps are
    judged. The model, its gradients, the optimizer and every random number generator are left exactly as they were.

    Args:
        model: the network, on any device.
        batches: one batch, or an iterable of batches (a ``DataLoader``). A batch is ``(inputs, targets)``, where a
            tuple of inputs is passed as ``model(*inputs)``, or a dict, passed as ``model(**batch)``. Tensors are moved
            to the model's device. One batch of nested tuples goes into a list of its own. At most ``steps + 1`` batches
            are read, and up to 64 more when units look dead.
        loss_fn: ``loss_fn(outputs, targets)``; for a dict batch ``loss_fn(outputs, batch)``. ``None``: the model's
            output carries ``.loss`` (for a tuple batch it is called as ``model(*batch)``).
        step: ``step(model, batch)`` returning a scalar loss, for anything unusual; replaces `loss_fn`.
        optimizer: an optimizer over the model's parameters (a copy of it is used), or a factory such as
            ``lambda params: torch.optim.Adam(params, 1e-3)``. ``None``: plain gradient descent whose steps are
            bounded to a thousandth of the weights, so that no verdict depends on the scale of the loss.
        steps: number of training steps on the copy; the first three are not judged.
        seed: of all random numbers drawn during the diagnosis.
        progress: called after each step with the steps done and their number.

    Returns:
        The report: findings (root cause first), layers, and ways to print, save and plot them.

    Raises:
        InputError: something passed cannot be used; the subclass and the message say what (`headwater.errors`).
    """
    model = checked(model, loss_fn, step, steps)
    criterion = copy.deepcopy(loss_fn) if isinstance(loss_fn, nn.Module) else loss_fn  # it may hold weights of its own
    objective = Objective(criterion, step)
    with untouched(model, seed, batches):
        first, more = take(batches, steps + 1)  # a loader that shuffles draws random numbers
        given = optimizer is not None
        twin, its_optimizer = training_copy(model, optimizer)
        record = optimizer_record(its_optimizer, twin, given=given)
        updates = Updates(dict(twin.named_parameters()), its_optimizer)
        result = probation(
            twin, objective, first, more, its_optimizer, updates, steps=steps, bounded=not given, progress=progress
        )
        held = held_names(its_optimizer, twin)
        size = batch_size(first[0])
        found = measurement(twin, result, updates, record, held, batch_size=size, batches=len(first))
        found = with_origins(found, model)
        if given:
            found = replace(
                found,
                rate=look_at_rate(
                    found,
                    result.progress,
                    its_optimizer,
                    lambda: training_copy(model, optimizer),
                    objective,
                    first,
                    more,
                    seed=seed,
                    progress=progress,
                ),
            )
    return Report(found, judge(found))


def at_least_one(**numbers: Any) -> None:
    """Says of a number that it is no whole one, or below 1; ``True`` is none."""
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"Expected {name} as a whole number of at least 1, got {value!r}.")


def checked(model: Any, loss_fn: Any, step: Any, steps: Any) -> nn.Module:
    """Returns the user's module, out of its wrappers; raises what `diagnose` says where something cannot be used."""
    if not isinstance(model, nn.Module):
        raise ModelError(f"Expected model as a torch.nn.Module, got {type(model).__name__}. Pass the module itself.")
    for name, function in (("loss_fn", loss_fn), ("step", step)):
        if function is not None and not callable(function):
            raise InputError(f"Expected {name} as a function, got {type(function).__name__}.")
    at_least_one(steps=steps)
    model = _unwrapped(model)
    parameters = list(model.parameters())
    if not parameters:
        raise ModelError(
            "The model has no parameters: there is no gradient to follow. Is it built lazily? Run it once."
        )
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in parameters):
        raise ModelError("The model has lazy layers that were never run. Run one batch through it first.")
    if not any(p.requires_grad for p in parameters):
        raise ModelError(
            "All parameters are frozen (requires_grad is False): nothing can be trained. Unfreeze at least one, e.g. "
            "model.requires_grad_(True)."
        )
    if any(p.is_meta for p in parameters):
        raise ModelError(
            "The model lies on the meta device and holds no numbers. Move it with model.to_empty(device=...)."
        )
    return model


def _unwrapped(model: nn.Module) -> nn.Module:
    """Takes the user's module out of torch.compile and of data parallel wrappers."""
    while True:
        inner: Any = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = cast(Any, model).module
        if not isinstance(inner, nn.Module):
            return cast(nn.Module, model)
        model = inner


def training_copy(model: nn.Module, optimizer: Any) -> tuple[nn.Module, Optimizer]:
    """Returns a copy of the model, ready to be trained, and its optimizer: plain gradient descent for ``None``."""
    twin, its_optimizer = _copy(model, optimizer)
    if not twin.training:  # else each module keeps its mode: a frozen normalisation inside a model in training is meant
        twin.train()
    return twin, its_optimizer


def _copy(model: nn.Module, optimizer: Any) -> tuple[nn.Module, Optimizer]:
    """Copies the model, and the optimizer with it so that it drives the copy."""
    if optimizer is not None and not callable(optimizer) and not isinstance(optimizer, Optimizer):
        raise OptimizerError(
            f"Expected optimizer as a torch.optim.Optimizer or a function of the parameters, got "
            f"{type(optimizer).__name__}. For example optimizer=lambda params: torch.optim.Adam(params, 1e-3)."
        )
    try:
        if isinstance(optimizer, Optimizer):
            memo = _results(model)
            twin = copy.deepcopy(model, memo)
            its_optimizer = copied(optimizer, memo, hooks=True)
        else:
            twin, its_optimizer = copy.deepcopy(model, _results(model)), None
    except Exception as error:
        raise ModelError(
            f"The model cannot be copied ({type(error).__name__}: {error}), and Headwater never trains the original. "
            "Something on it can be neither copied nor pickled, such as an open file or a lock."
        ) from error
    if optimizer is None:
        return twin, SGD(twin.parameters(), lr=_DEFAULT_RATE)
    if its_optimizer is None:
        return twin, _made(optimizer, twin)
    if not _holds_any(its_optimizer, twin):
        raise OptimizerError(
            f"Expected an optimizer over parameters of the model, got {type(optimizer).__name__} over none of them. It "
            "belongs to another model, or the parameters were replaced after it was made: make it anew from "
            "model.parameters()."
        )
    return twin, its_optimizer


def _holds_any(optimizer: Optimizer, model: nn.Module) -> bool:
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return any(id(parameter) in held for parameter in model.parameters())


def _results(model: nn.Module) -> dict[int, Any]:
    """Copies for the tensors on modules that are results of operations, which deepcopy refuses.

    Weight normalisation by hooks keeps such a weight and computes it anew in every forward pass; a network that keeps
    its last state would carry the old graph along.
    """
    kept = [tensor for module in model.modules() for value in vars(module).values() for tensor in tensors(value)]
    return {id(tensor): tensor.detach().clone() for tensor in kept if tensor.grad_fn is not None}


def _made(factory: Any, twin: nn.Module) -> Optimizer:
    try:
        made: Any = factory(twin.parameters())
    except Exception as error:
        raise OptimizerError(f"The optimizer factory raised {type(error).__name__}: {error}") from error
    if not isinstance(made, Optimizer):
        raise OptimizerError(f"The optimizer factory must return a torch.optim.Optimizer, got {type(made).__name__}.")
    if not _holds_any(made, twin):
        raise OptimizerError(
            "Expected the optimizer factory to use the parameters that it is given, those of a copy of the model; got "
            f"{type(made).__name__} over none of them. Use the argument, as in lambda params: "
            "torch.optim.Adam(params, 1e-3), or pass the optimizer itself instead of a factory."
        )
    return made
