"""A fresh training, with remedies applied."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import nn
from torch.optim import SGD, Optimizer

from headwater.errors import InputError, ModelError, OptimizerError, RemedyError
from headwater.measure import Objective, seed_all
from headwater.records import Change, Finding, Measurement, SourceLine
from headwater.remedies import Training, remedy
from headwater.remedies.reading import MENDING, Reading, as_meant
from headwater.trials.counting import theirs
from headwater.trials.seeding import shifted

DEFAULT_RATE = 1e-2
"""Of gradient descent where no optimizer is given, as in `headwater.diagnose`."""
OTHER = 1_000_003
"""Added to a seed where other random numbers are wanted: far from the small seeds that trials have."""


@dataclass(frozen=True)
class Recipe:
    """What a training is made of.

    Attributes:
        make_model: returns the model anew, or model and optimizer.
        optimizer: makes it from the parameters; ``None``: plain gradient descent at `DEFAULT_RATE`.
        objective: turns a batch into a loss.
        measurement, findings: of the original.
        optimizer_built: the user's source line that builds the optimizer, when known.
        rehearse: trains a twin with these remedies at these rates, and returns the losses and how many steps it took
            for them now; ``None`` where there are no batches.
    """

    make_model: Callable[[], Any]
    optimizer: Callable[[Any], Optimizer] | None
    objective: Objective
    measurement: Measurement
    findings: tuple[Finding, ...] = ()
    optimizer_built: SourceLine | None = None
    rehearse: Callable[[Sequence[str], Sequence[float]], tuple[Sequence[float], int]] | None = None


@dataclass
class Built:
    """A training that has not begun, what turns its batches into a loss, and what its remedies did.

    Attributes:
        training, objective, changes: these.
        reading: how its outputs are read where it is judged, if not as its loss reads them.
        rehearsed: optimizer steps that its remedies took beforehand, on twins.
    """

    training: Training
    objective: Objective
    changes: tuple[Change, ...]
    reading: Reading | None = None
    rehearsed: int = 0


class RefusedError(RemedyError):
    """A remedy does not apply to this training; the message says why."""


def built(recipe: Recipe, remedies: Sequence[str], *, seed: int, steps: int, control: bool = False) -> Built:
    """Makes the training from `seed` and applies the remedies in their order.

    Seeds that `make_model` sets itself are shifted by the trial's, or all trainings would be the same.

    Random numbers are drawn anew before the model, before the remedies and before the training, so that a remedy sees
    the weights of the original, and what it draws does not depend on how many numbers these took.

    Raises:
        RefusedError: a remedy does not apply.
        RemedyError: a remedy matched nothing.
        InputError: what `make_model` returned cannot be used.
    """
    own = seed + OTHER if control else seed
    seed_all(own)
    with shifted(own):
        model, optimizer = made(recipe.make_model, recipe.optimizer)
    objective = recipe.objective
    if isinstance(objective.loss_fn, nn.Module):  # it may hold weights of its own
        objective = Objective(copy.deepcopy(objective.loss_fn), objective.step)
    training = Training(
        model,
        optimizer,
        recipe.measurement,
        recipe.findings,
        steps,
        built=recipe.optimizer_built,
        loss_fn=objective.loss_fn,
        step=objective.step,
    )
    seed_all(seed + 2 * OTHER)
    rehearsals = [_Rehearsals(recipe, remedies[:place]) for place in range(len(remedies))]
    changes = tuple(_applied(key, training, each) for key, each in zip(remedies, rehearsals, strict=True))
    seed_all(seed + 3 * OTHER)
    if not model.training:  # else each module keeps its mode, as in `headwater.diagnose`
        model.train()
    mended = any(remedy(key).code == MENDING for key in remedies)
    reading = None if mended else as_meant(recipe.measurement, recipe.findings)
    return Built(
        training, Objective(training.loss_fn, training.step), changes, reading, sum(each.steps for each in rehearsals)
    )


@dataclass
class _Rehearsals:
    """Trains twins with what stands before a remedy.

    Attributes:
        recipe, before: the training and its remedies so far.
        steps: taken so far.
    """

    recipe: Recipe
    before: Sequence[str]
    steps: int = 0

    def losses(self, rates: Sequence[float]) -> Sequence[float]:
        assert self.recipe.rehearse is not None
        losses, taken = self.recipe.rehearse(self.before, rates)
        self.steps += taken
        return losses


def _applied(key: str, training: Training, rehearsals: _Rehearsals) -> Change:
    training.rehearse = rehearsals.losses if rehearsals.recipe.rehearse is not None else None
    chosen = remedy(key)
    reason = chosen.refusal(training)
    if reason is not None:
        raise RefusedError(f"{key}: {reason}")
    change = chosen.apply(training)
    training.applied.append(key)
    return change


def made(make_model: Callable[[], Any], optimizer: Callable[[Any], Optimizer] | None) -> tuple[nn.Module, Optimizer]:
    """Calls the user's functions and returns model and optimizer.

    Raises:
        InputError: they return something else.
    """
    with theirs():
        result: Any = make_model()
    if isinstance(result, tuple):
        pair = cast("tuple[Any, ...]", result)
        if len(pair) != 2 or not isinstance(pair[0], nn.Module) or not isinstance(pair[1], Optimizer):
            names = ", ".join(type(each).__name__ for each in pair)
            raise InputError(f"Expected make_model() to return a model, or (model, optimizer); got ({names}).")
        if optimizer is not None:
            raise InputError("make_model() returns an optimizer as well: leave out optimizer=, or return the model.")
        return pair
    if not isinstance(result, nn.Module):
        raise ModelError(f"Expected make_model() to return a torch.nn.Module, got {type(result).__name__}.")
    if not any(parameter.requires_grad for parameter in result.parameters()):
        raise ModelError("make_model() returns a model without a parameter to train.")
    if optimizer is None:
        return result, SGD(result.parameters(), lr=DEFAULT_RATE)
    its: Any = optimizer(result.parameters())
    if not isinstance(its, Optimizer):
        raise OptimizerError(f"The optimizer factory must return a torch.optim.Optimizer, got {type(its).__name__}.")
    return result, its
