"""convolution: a deep convolutional network, plain, with normalisation, and with residual connections."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.records.numbers import number
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, verdict
from headwater.study.plain import TRAINED, best

if TYPE_CHECKING:
    from torch import nn

    from headwater.records import Profile
    from headwater.study.data import Dataset

VARIANTS = ("plain", "plain-he", "normalised", "residual")
_QUICK_DEPTHS, _DEPTHS = (3, 13, 25), (3, 9, 17, 33, 65)
_RATES = (0.1, 0.01)
"""Of gradient descent with momentum 0.9: the first is that of the residual networks of He et al. 2016, section 3.4."""
_QUICK_STEPS, _STEPS = 240, 300


@dataclass(frozen=True)
class Training:
    """A training of a network with `depth` convolutions."""

    variant: str
    depth: int
    rate: float
    steps: int
    seed: int


@dataclass(frozen=True)
class Start:
    """A backward pass before training."""

    variant: str
    depth: int
    seed: int


Point = Training | Start


def points(quick: bool, seeds: int) -> list[Point]:
    """Returns all networks at both rates, and their starts."""
    depths, steps = (_QUICK_DEPTHS, _QUICK_STEPS) if quick else (_DEPTHS, _STEPS)
    found: list[Point] = []
    for variant in VARIANTS:
        for depth in depths:
            for seed in range(seeds):
                found += [Training(variant, depth, rate, steps, seed) for rate in _RATES]
                found.append(Start(variant, depth, seed))
    return found


def cost(point: Point) -> float:
    """Layers times steps; looking at a start costs some twenty steps."""
    return point.depth * (point.steps if isinstance(point, Training) else 20)


def measure(point: Point) -> list[Row]:
    """Trains a network, or looks at its gradient before training."""
    from headwater.study.convolutions import VARIANTS, cnn, images

    data = images()
    network = cnn(point.variant, depth=point.depth, side=data.inputs.shape[-1], classes=data.classes, seed=point.seed)
    same: Row = {"network": VARIANTS[point.variant].title, "data": data.title}
    if isinstance(point, Training):
        return [{**same, **_trained(network, data, point)}]
    from headwater.study.convolutions import start

    return [{**same, **row} for row in _places(start(network, data, seed=point.seed))]


def _trained(network: nn.Module, data: Dataset, point: Training) -> Row:
    from headwater.study.literature.trainings import fit, sgd

    fitted = fit(network, data, sgd(point.rate, 0.9), steps=point.steps, seed=point.seed)
    return {"part": "training", "loss": fitted.loss, "accuracy": fitted.accuracy}


def _places(found: Profile) -> Iterator[Row]:
    last = found.points[-1].signal
    yield {"part": "start", "attenuation": found.attenuation, "layer_gain": found.gain}
    for place in found.points:
        yield {"part": "place", "layer": place.depth, "share": place.signal / last if last else None}


def derive(table: Table) -> list[Row]:
    """The better of the two rates, by the loss, with the gradient that reached the first layer at the start."""
    starts, keys = table.where(part="start"), ("variant", "depth", "seed")
    return [
        {**row, "attenuation": starts.where(**{key: row[key] for key in keys}).median("attenuation")}
        for row in best(table.where(part="training"), keys)
    ]


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    runs = table.where(part="best")
    return [_plain(runs), _initialised(runs), _deepest(runs), _degradation(runs)]


def _plain(runs: Table) -> Statement:
    shallow, deep = _ends(runs)
    few, many = (runs.where(variant="plain", depth=depth).median("accuracy") for depth in (shallow, deep))
    left = runs.where(variant="plain", depth=deep).median("attenuation")
    return Statement(
        "As PyTorch initialises it, a plain convolutional network trains with few layers, and with many at neither "
        "rate.",
        f"Median accuracy with {shallow} layers {number(few)}, with {deep} {number(many)}; there {number(left)} of the "
        "gradient reaches the first layer at the start.",
        verdict(few >= TRAINED > many if not math.isnan(few + many) else None),
    )


def _initialised(runs: Table) -> Statement:
    trained: dict[str, list[int]] = {}
    for variant in ("plain", "plain-he"):
        depths = [int(depth) for depth in runs.where(variant=variant).numbers("depth")]
        trained[variant] = [d for d in sorted(set(depths)) if _trains(runs.where(variant=variant, depth=d))]
    deepest = {variant: max(depths, default=0) for variant, depths in trained.items()}
    return Statement(
        "He's initialisation alone trains deeper plain networks than PyTorch's.",
        f"The deepest that train in the median: {deepest['plain-he']} layers from He's, {deepest['plain']} from "
        "PyTorch's.",
        verdict(deepest["plain-he"] > deepest["plain"] if len(runs) else None),
        'He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers"',
    )


def _deepest(runs: Table) -> Statement:
    residual = runs.where(variant="residual")
    accuracies = {int(depth): residual.where(depth=depth).median("accuracy") for depth in residual.numbers("depth")}
    said = ", ".join(f"{depth}: {number(value)}" for depth, value in sorted(accuracies.items()))
    return Statement(
        "With batch normalisation and residual connections networks of every depth that was tried train.",
        f"Median accuracy by layers: {said}.",
        verdict(min(accuracies.values()) >= TRAINED if accuracies else None),
        'He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition"',
    )


def _degradation(runs: Table) -> Statement:
    _, deep = _ends(runs)
    loss = {variant: runs.where(variant=variant, depth=deep).median("loss") for variant in ("normalised", "residual")}
    return Statement(
        "The deepest network with normalisation alone learns less in the same steps than the one with residual "
        "connections as well.",
        f"Median loss over training images with {deep} layers: {number(loss['normalised'])} without residual "
        f"connections, {number(loss['residual'])} with them.",
        verdict(loss["residual"] < loss["normalised"] if not any(map(math.isnan, loss.values())) else None),
        'He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", figure 1',
    )


def _ends(runs: Table) -> tuple[int, int]:
    depths = [int(depth) for depth in runs.numbers("depth")]
    return min(depths, default=0), max(depths, default=0)


def _trains(runs: Table) -> bool:
    return runs.median("accuracy") >= TRAINED


_NETWORK = Column("network", "network")
_DEPTH = Column("depth", "convolutions", log=True)
_SHARE = (
    "a_l / a_L with a_l = |dL/dz_l|, the Frobenius norm over a batch of the gradient at the output of layer l (of a "
    "residual network: of the stream between two blocks); L is the output layer. Before training, in double precision."
)

EXPERIMENT = Experiment(
    name="convolution",
    title="Convolutional networks",
    question="How deep may a convolutional network be, plain, with normalisation, and with residual connections?",
    setting=(
        "3 x 3 convolutions of 16 channels, zero padding, in blocks of two; the mean over the map, a linear output. "
        "Fashion-MNIST at 14 x 14 pixels where it is installed, of which the first convolution takes every other one, "
        "else the digits. Gradient descent with momentum 0.9 at two rates, batches of 64; what is shown is the rate "
        "with the lower loss. Some hundred steps: who trains is asked, not who is best. All but the first kind draw "
        "weights of variance 2 / fan_in (He). Residual: x + f(x), with the ReLU behind the sum."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=cost,
    says=says,
    figures=(
        Figure(
            "accuracy",
            "lines",
            "Accuracy against depth",
            "Share of the test images that are classified rightly after training, at the better of two rates.",
            "Where a line falls to guessing, its kind of network no longer trains.",
            x=_DEPTH,
            y=Column("accuracy", "test accuracy (share of images)", limits=(0.0, 1.02)),
            series=_NETWORK,
            where={"part": "best"},
            levels=((0.1, "guessing"),),
        ),
        Figure(
            "attenuation",
            "lines",
            "What reaches the first layer",
            f"The first layer's {_SHARE}",
            "A straight line is a constant factor for each layer.",
            x=Column("depth", "convolutions"),
            y=Column("attenuation", "gradient at the first layer (share)", log=True),
            series=_NETWORK,
            where={"part": "start"},
        ),
        Figure(
            "profile",
            "lines",
            "The gradient at each layer",
            _SHARE,
            "A straight line on this axis is a constant factor for each layer; what bends gains by less and less.",
            x=Column("layer", "layer, from the input"),
            y=Column("share", "gradient, as a share of the output layer's", log=True),
            series=_NETWORK,
            panels=Column("depth", "convolutions"),
            where={"part": "place"},
        ),
        Figure(
            "outcome",
            "table",
            "All networks",
            "Accuracy on the test images and loss over training images (nats, guessing costs 2.3) at the better rate; "
            "attenuation: the gradient at the first layer over that at the output layer, before training.",
            "An attenuation far above one, too, leaves the accuracy as it is where a normalisation follows each layer.",
            columns=(
                _NETWORK,
                Column("depth", "convolutions"),
                Column("seed", "seed"),
                Column("rate", "rate"),
                Column("loss", "loss"),
                Column("accuracy", "accuracy"),
                Column("attenuation", "attenuation"),
            ),
            where={"part": "best"},
        ),
    ),
)
