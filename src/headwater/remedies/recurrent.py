"""Recurrent layers of a model, and how far back they must remember: what the remedies for them share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from torch import nn

from headwater.remedies.fresh import begun, looks_trained
from headwater.remedies.remedy import Training
from headwater.remedies.rewrite import is_inside

Recurrent = nn.RNNBase | nn.RNNCellBase
SHORTEST = 3
"""Lags from which a bias of ``ln(T - 1)`` says anything: 0 at T = 2 is a gate that is half open, as it is drawn."""


def layers(training: Training, *kinds: type[Recurrent]) -> dict[str, Recurrent]:
    """Returns the recurrent layers of some classes whose recurrent weights look drawn and not learnt, by path."""
    if begun(training) is not None:
        return {}
    named = cast("Iterator[tuple[str, nn.Module]]", training.model.named_modules())
    found = {path: module for path, module in named if isinstance(module, nn.RNNBase | nn.RNNCellBase)}
    return {path: module for path, module in found.items() if isinstance(module, kinds) and not _trained(module)}


def refusal(training: Training, what: str, *kinds: type[Recurrent]) -> str | None:
    """Says why there is no recurrent layer of some classes to change; `what` names them."""
    if not any(isinstance(module, kinds) for module in training.model.modules()):
        return f"the model has no {what}"
    if not layers(training, *kinds):
        return begun(training) or f"the recurrent weights of each {what} look trained: what they learnt is not undone"
    return None


def lag(training: Training, path: str) -> int | None:
    """Returns how many steps a layer must remember: those that the loss spans, else those of the sequence.

    Of a layer whose gradient through time was not measured, it is the longest of the others; ``None`` without any.
    """
    profiles = training.measurement.through_time
    own = [each for each in profiles if is_inside(each.name, path)] or profiles
    return max((each.needed or each.length for each in own), default=None)


def refusal_of_lag(training: Training) -> str | None:
    """Says why it is not known that a layer must remember more than the last steps."""
    longest = max((lag(training, each.name) or 0 for each in training.measurement.through_time), default=None)
    if longest is None:
        return "how many steps the loss spans was not measured"
    return f"the loss spans {longest} steps only" if longest < SHORTEST else None


def at(path: str) -> str:
    """Returns the expression for a module."""
    if all(part.isidentifier() for part in path.split(".")):
        return f"{{model}}.{path}"
    return f"{{model}}.get_submodule({path!r})" if path else "{model}"


def _trained(layer: Recurrent) -> bool:
    return any(looks_trained(weight) for name, weight in layer.named_parameters() if name.startswith("weight_hh"))
