"""Every experiment, in the order of the story; a new one gets a line here."""

from __future__ import annotations

import difflib
from typing import Any

from headwater.errors import InputError
from headwater.study.experiment import Experiment
from headwater.study.experiments import (
    activations,
    convolution,
    depth,
    initialisations,
    optimizers,
    published,
    recurrent,
    schedules,
)

EXPERIMENTS: tuple[Experiment[Any], ...] = (
    depth.EXPERIMENT,
    activations.EXPERIMENT,
    initialisations.EXPERIMENT,
    optimizers.EXPERIMENT,
    schedules.EXPERIMENT,
    recurrent.EXPERIMENT,
    convolution.EXPERIMENT,
    published.EXPERIMENT,
)


def experiment(name: str) -> Experiment[Any]:
    """Returns the experiment of this name.

    Raises:
        InputError: there is none.
    """
    known = {each.name: each for each in EXPERIMENTS}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"There is no experiment called {name!r}.{hint} Known: {', '.join(known)}, or all.")
    return known[name]
