"""The last chapter of the demo: the change that makes the deep network learn, found and proved by `headwater.fix`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from headwater.fix import fix
from headwater.records import FixRecord
from headwater.study.data import Dataset
from headwater.study.demo.story import PLANS, WIDTH
from headwater.study.networks import mlp
from headwater.study.training import BATCH_SIZE, batches
from headwater.trials import SoFar

FIX_STEPS = 200
"""Of the longest trials: a seventh of the demo's trainings tells those that learn from those that do not."""
DEEP = next(plan for plan in PLANS if plan.key == "deep")
_HELD_OUT = 4 * BATCH_SIZE
"""Images of the training part that no trial trains on; the test images judge the demo's networks only."""


def run_fix(
    data: Dataset,
    *,
    seed: int = 0,
    steps: int = FIX_STEPS,
    progress: Callable[[str, int, int], None] | None = None,
) -> FixRecord:
    """Searches for the smallest change after which the deep network learns.

    Args:
        data: what it learns.
        seed: of the order of the images.
        steps: of the longest trials.
        progress: called after each trial.
    """
    rest = replace(data, inputs=data.inputs[_HELD_OUT:], labels=data.labels[_HELD_OUT:])
    result = fix(
        partial(_deep_network, data.features, data.classes),
        batches(rest, steps, seed=seed),
        nn.CrossEntropyLoss(),
        optimizer=partial(torch.optim.SGD, lr=DEEP.rate),
        validation=_held_out(data),
        steps=steps,
        progress=None if progress is None else lambda so_far: progress(_says(so_far), so_far.done, so_far.total),
    )
    return result.record


def _deep_network(features: int, classes: int) -> nn.Module:
    """The network of that chapter, with weights from the random numbers of the moment."""
    seed = int(torch.randint(2**31 - 1, ()))
    return mlp(features, classes, depth=DEEP.depth, width=WIDTH, activation=DEEP.activation, seed=seed)


def _held_out(data: Dataset) -> list[tuple[Tensor, Tensor]]:
    starts = range(0, _HELD_OUT, BATCH_SIZE)
    return [(data.inputs[i : i + BATCH_SIZE], data.labels[i : i + BATCH_SIZE]) for i in starts]


def _says(so_far: SoFar) -> str:
    best = f", best so far: {so_far.best}" if so_far.best else ""
    return f"Trying changes ({so_far.stage}){best}"
