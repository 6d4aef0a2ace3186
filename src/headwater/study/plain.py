"""Plain networks on handwritten digits, which several experiments train: the point, its training and its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.records.numbers import number
from headwater.study.experiment import Row, Statement, Table, Value, number_in, verdict

if TYPE_CHECKING:
    from torch import nn

    from headwater.study.data import Dataset
    from headwater.study.training import Training

TRAINED = 0.5
"""Held-out accuracy from which a network counts as trained; guessing gives a tenth."""
LEARNS = 0.05
"""A layer learns when the steps of a training, summed up, are a twentieth of its weights: below that, networks that
failed and networks that trained part (84 trainings of networks on the digits)."""
ENOUGH, TOO_LITTLE = 0.05, 1e-6
"""Attenuations from which plain gradient descent trained, and below which nothing did, in the same trainings."""
DIFFER = ("initialisation", "rate", "seed")
"""Fields in which points may differ that train together: `python -m benchmarks.stacked`."""


@dataclass(frozen=True)
class Plain:
    """A plain network (weights, activation, weights, ...), and its training by plain gradient descent.

    Attributes:
        activation, initialisation: as in `networks.mlp`.
        depth, width: hidden layers, and units in each.
        rate, steps: of the training.
        seed: of the weights and of the batches.
    """

    activation: str
    initialisation: str
    depth: int
    width: int
    rate: float
    steps: int
    seed: int


def cost(point: Plain) -> float:
    """Layers times steps."""
    return (point.depth + 2) * point.steps


def network(point: Plain, data: Dataset) -> nn.Sequential:
    """Builds the network as it is before the training."""
    from headwater.study.networks import mlp

    return mlp(
        data.features,
        data.classes,
        depth=point.depth,
        width=point.width,
        activation=point.activation,
        initialisation=point.initialisation,
        seed=point.seed,
    )


def train(points: Sequence[Plain]) -> list[tuple[Row, Training]]:
    """Trains networks that differ in `DIFFER` only, and returns for each a row and the training itself.

    The row: ``part`` ``"training"``, held-out ``accuracy``, final ``loss``, the share of layers that are ``learning``,
    and the relative updates of the first and of the last layer, summed up: ``path_first``, ``path_last``.
    """
    from headwater.study.data import load_dataset
    from headwater.study.stacked import train_together

    data = load_dataset()
    models = [network(point, data) for point in points]
    rates, seeds = [point.rate for point in points], [point.seed for point in points]
    found: list[tuple[Row, Training]] = []
    for trained in train_together(models, data, rates=rates, steps=points[0].steps, seeds=seeds):
        training, paths = trained.training, trained.paths
        row: Row = {"part": "training", "accuracy": training.accuracy, "loss": training.final_loss}
        learning = sum(path >= LEARNS for path in paths) / len(paths)
        found.append(({**row, "learning": learning, "path_first": paths[0], "path_last": paths[-1]}, training))
    return found


def measure_together(points: Sequence[Plain]) -> list[list[Row]]:
    """Returns the row of each training."""
    return [[row] for row, _ in train(points)]


def best(trainings: Table, alike: Sequence[str]) -> Iterator[Row]:
    """The training with the least final loss of those that are alike in some columns; a diverged one comes last."""
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in trainings:
        groups.setdefault(tuple(row[key] for key in alike), []).append(row)
    for rows in groups.values():
        least = min(rows, key=lambda row: loss if math.isfinite(loss := number_in(row, "loss")) else math.inf)
        yield {**least, "part": "best"}


def decided_by(table: Table, attenuation: str, when: str) -> Statement:
    """Whether the attenuation tells who trains.

    Args:
        table: best trainings.
        attenuation: the column that holds it.
        when: what it is, in words.
    """
    low = [row for row in table if number_in(row, attenuation) < TOO_LITTLE]
    high = [row for row in table if ENOUGH <= number_in(row, attenuation) <= 1.0 / ENOUGH]
    dead, alive = sum(not is_trained(row) for row in low), sum(map(is_trained, high))
    return Statement(
        f"Where less than {number(TOO_LITTLE)} of the gradient reaches the first layer {when}, plain gradient descent "
        f"trains nothing; where between {ENOUGH:g} and {1 / ENOUGH:g} of it does, it trains.",
        f"Of {len(low)} networks below {number(TOO_LITTLE)}, {dead} did not train; of {len(high)} in the band, {alive} "
        "did.",
        verdict(dead == len(low) and alive == len(high) if low and high else None),
    )


def is_trained(row: Row) -> bool:
    """Whether a training got as far as `TRAINED`."""
    return number_in(row, "accuracy") >= TRAINED
