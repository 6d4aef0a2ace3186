"""What watching has in hand of a training without keeping it alive.

A script that trains one model after the other (a sweep, a cross-validation) must have the memory of each back as soon
as Python would give it back. So models and optimizers are known by weak references, and an open probe, which has to
hold the model, is held by the optimizer itself: who holds the optimizer holds the probe.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from headwater.monitor.names import module_of


class Belongings:
    """Hangs on an optimizer, by its hooks, and dies with it.

    Attributes:
        probe: that is open.
    """

    def __init__(self) -> None:
        self.probe: object = None


class Models:
    """Models by name."""

    def __init__(self, models: Mapping[str, nn.Module]) -> None:
        self._known: dict[str, tuple[weakref.ref[nn.Module], weakref.ref[nn.Module]]] = {}
        self.add(models)

    def add(self, models: Mapping[str, nn.Module]) -> None:
        """Knows some more."""
        self._known |= {name: (weakref.ref(each), weakref.ref(module_of(each))) for name, each in models.items()}

    def alive(self) -> dict[str, nn.Module]:
        """Returns those that somebody else holds; without its wrapper where only that is gone."""
        living = {name: [ref() for ref in refs] for name, refs in self._known.items()}
        found = {name: [each for each in pair if each is not None] for name, pair in living.items()}
        return {name: pair[0] for name, pair in found.items() if pair}

    def complete(self) -> bool:
        """Whether none is gone."""
        return len(self.alive()) == len(self._known)


def weakly(held: Any) -> Callable[[], Any]:
    """Returns what returns the object, or ``None`` when it is gone; one that takes no weak reference is held."""
    try:
        return weakref.ref(held)
    except TypeError:
        return lambda: held
