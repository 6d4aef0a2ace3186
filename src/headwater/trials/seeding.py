"""Other random numbers for each trial, from a function that seeds itself.

A factory that begins with ``torch.manual_seed(0)`` builds the same network for every trial: seeds, and a control with
other initial weights, would be fictions. While it runs, every seed that it sets is another one for each trial, as in
the trials of scripts (`headwater.script_trial.seeds`). Under seed 0 it draws what it would draw by itself.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from headwater.script_trial.seeds import APART, other_seed


@contextmanager
def shifted(seed: int) -> Generator[None]:
    """Shifts the seeds that are set inside; the functions that set them are then as they were."""
    holder: Any = torch
    set_torch, set_python, set_numpy = holder.manual_seed, random.seed, np.random.seed
    make = np.random.default_rng

    def torch_seed(a: Any) -> Any:
        return set_torch(int(a) + seed * APART)

    def python_seed(a: Any = None, version: int = 2) -> None:
        set_python(other_seed(a, seed), version)

    def numpy_seed(a: Any = None) -> None:
        set_numpy(other_seed(a, seed))

    def numpy_generator(a: Any = None) -> Any:
        return make(other_seed(a, seed))

    holders: tuple[tuple[Any, str, Any], ...] = (
        (torch, "manual_seed", torch_seed),
        (torch.random, "manual_seed", torch_seed),
        (random, "seed", python_seed),
        (np.random, "seed", numpy_seed),
        (np.random, "default_rng", numpy_generator),
    )
    before = [(holder, name, getattr(holder, name)) for holder, name, _ in holders]
    try:
        for holder, name, other in holders:
            setattr(holder, name, other)
        yield
    finally:
        for holder, name, own in before:
            setattr(holder, name, own)
