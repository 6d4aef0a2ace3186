"""Other random numbers for each trial, in a script that seeds itself or does not.

Under seed 0 the script draws what it would draw by itself; what it leaves to chance is seeded by a constant. Under
seed k every seed that it sets is another one by ``k * APART``, and so are the generators before it begins. Trials of
one seed therefore see the same numbers, whatever is changed in them: the same initial weights and the same batches.
"""

from __future__ import annotations

import random
from typing import Any

APART = 1_000_003
"""A prime far above the seeds that people choose."""
NUMPYS = 2**32
"""Numpy's seeds lie below it."""


def shift_python(seed: int) -> None:
    """Seeds and shifts Python's generator."""
    original = random.seed

    def chosen(a: Any = None, version: int = 2) -> None:
        original(other_seed(a, seed), version)

    random.seed = chosen
    chosen(0)


def shift_numpy(seed: int) -> None:
    """Seeds and shifts numpy's generators: the global one and those that ``default_rng`` makes."""
    import numpy as np

    holder: Any = np.random
    original, make = holder.seed, holder.default_rng

    def chosen(a: Any = None) -> None:
        original(other_seed(a, seed))

    def default_rng(a: Any = None) -> Any:
        return make(other_seed(a, seed))

    holder.seed, holder.default_rng = chosen, default_rng
    chosen(0)


def shift_torch(seed: int) -> None:
    """Shifts torch's generators: the global ones and those that the script makes itself."""
    import torch

    holder: Any = torch
    original, default = holder.manual_seed, torch.Generator().initial_seed()

    def shifted(a: Any) -> int:
        return int(a) + seed * APART

    def chosen(a: Any) -> Any:
        return original(shifted(a))

    def unforeseen() -> int:
        chosen(0)
        return torch.initial_seed()

    class Generator(torch.Generator):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().manual_seed(shifted(default))

        def manual_seed(self, seed: int) -> torch.Generator:
            return super().manual_seed(shifted(seed))

    for each in (holder, holder.random):
        each.manual_seed, each.seed = chosen, unforeseen
    if seed:
        holder.Generator = Generator
    chosen(0)


def other_seed(given: Any, seed: int) -> Any:
    """The seed that is used in place of one that was given; ``None`` asks for any, and anything else stays."""
    if given is None:
        return seed * APART % NUMPYS
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        return given
    return (int(given) + seed * APART) % NUMPYS if seed else given
