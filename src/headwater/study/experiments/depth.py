"""depth: the same network with more and more hidden layers, until it no longer learns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headwater.records.numbers import number
from headwater.study import plain
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, Together, verdict
from headwater.study.plain import Plain
from headwater.study.words import word

WIDTH = 64
ACTIVATIONS = ("sigmoid", "tanh", "relu", "selu", "gelu")
_QUICK_DEPTHS, _DEPTHS = (1, 2, 5, 10, 20, 50, 100), (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
_QUICK_RATES, _RATES = (0.01, 0.1, 1.0), (0.01, 0.1, 0.3, 1.0)
_QUICK_STEPS, _STEPS = 300, 400
SHALLOW, DEEP = 2, 50
_CURVE = 40


@dataclass(frozen=True)
class Profile:
    """A diagnosis at the start: what reaches each layer."""

    activation: str
    depth: int
    seed: int


Point = Plain | Profile


def points(quick: bool, seeds: int) -> list[Point]:
    """Returns all networks at all rates, and the diagnosis of each network."""
    depths, rates, steps = (_QUICK_DEPTHS, _QUICK_RATES, _QUICK_STEPS) if quick else (_DEPTHS, _RATES, _STEPS)
    networks = [(activation, depth) for activation in ACTIVATIONS for depth in depths]
    found: list[Point] = []
    for activation, depth in networks:
        network = Plain(activation, "default", depth, WIDTH, 0.0, steps, 0)
        found += [replace(network, rate=rate, seed=seed) for rate in rates for seed in range(seeds)]
        found += [Profile(activation, depth, seed) for seed in range(seeds)]
    return found


def cost(point: Point) -> float:
    """A diagnosed layer costs as much as some hundred steps of it."""
    return plain.cost(point) if isinstance(point, Plain) else 100 * (point.depth + 2)


def measure(point: Point) -> Sequence[Row]:
    """Trains a network, or diagnoses one."""
    return measure_together([point])[0]


def measure_together(points: Sequence[Point]) -> list[list[Row]]:
    """Trains networks of one shape at different rates and from different seeds; diagnoses go one by one."""
    trainings = [point for point in points if isinstance(point, Plain)]
    if trainings:
        shown = (SHALLOW, DEEP)
        return [
            [row, *(_curve(training.losses) if point.depth in shown else ())]
            for point, (row, training) in zip(trainings, plain.train(trainings), strict=True)
        ]
    return [list(_profile(point)) for point in points if isinstance(point, Profile)]


def _curve(losses: Sequence[float]) -> Iterator[Row]:
    """Mean loss of each fortieth of the training."""
    size = max(1, len(losses) // _CURVE)
    for start in range(0, len(losses) - size + 1, size):
        yield {"part": "curve", "step": start + size, "loss": sum(losses[start : start + size]) / size}


def _profile(point: Profile) -> Iterator[Row]:
    """In double precision: single precision ends at 1e-45, and 100 sigmoid layers leave less."""
    from torch import nn

    from headwater.diagnose import diagnose
    from headwater.study.data import load_dataset
    from headwater.study.training import batches

    data = load_dataset()
    same = Plain(point.activation, "default", point.depth, WIDTH, 0.0, 0, point.seed)
    model = plain.network(same, data).double()
    drawn = [(inputs.double(), labels) for inputs, labels in batches(data, 6, seed=point.seed)]
    report = diagnose(model, drawn, nn.CrossEntropyLoss(), steps=5, seed=point.seed)
    last = report.layers[-1].signal
    for layer in report.layers:
        parts = layer.gain_parts
        yield {
            "part": "layer",
            "layer": layer.depth,
            "share": layer.signal / last if layer.signal is not None and last else None,
            "gain": layer.gain,
            "gain_activation": parts and parts.activation,
            "gain_weights": parts and parts.weights,
            "predicted_gain": layer.predicted_gain,
            "update": layer.update_ratio,
        }


def derive(table: Table) -> list[Row]:
    """The best of the rates, by the loss of the training, and what reaches the first layer beside it."""
    rows: list[Row] = []
    trainings, firsts = table.where(part="training"), table.where(part="layer", layer=1)
    for training in plain.best(trainings, ("activation", "depth", "seed")):
        same = {key: training[key] for key in ("activation", "depth", "seed")}
        rows.append({**training, "attenuation": firsts.where(**same).median("share")})
        curve = table.where(part="curve", rate=training["rate"], **same)
        rows += [{**row, "part": "best curve", "hidden": f"{row['depth']} hidden layers"} for row in curve]
    return rows


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    return [
        _shallow_and_deep(table),
        _first_layers(table),
        _limits(table),
        plain.decided_by(table.where(part="best"), "attenuation", "at the start"),
    ]


def _shallow_and_deep(table: Table) -> Statement:
    median = {
        (activation, depth): table.where(part="best", activation=activation, depth=depth).median("accuracy")
        for activation in ACTIVATIONS
        for depth in (SHALLOW, DEEP)
    }
    known = not any(map(math.isnan, median.values()))
    holds = all(median[name, SHALLOW] >= plain.TRAINED > median[name, DEEP] for name in ACTIVATIONS) if known else None
    found = "; ".join(f"{word(name)} {median[name, SHALLOW]:.2f} and {median[name, DEEP]:.2f}" for name in ACTIVATIONS)
    return Statement(
        f"With PyTorch's default initialisation a network of {SHALLOW} hidden layers learns the digits with any of "
        f"these activations, and the same network with {DEEP} does not, at any rate that was tried.",
        f"Held-out accuracy with {SHALLOW} and with {DEEP} hidden layers, at the best rate: {found}.",
        verdict(holds),
    )


def _first_layers(table: Table) -> Statement:
    best = table.where(part="best", activation="sigmoid", depth=DEEP)
    first, last = best.median("path_first"), best.median("path_last")
    share = table.where(part="layer", activation="sigmoid", depth=DEEP, layer=1).median("share")
    known = not any(map(math.isnan, (first, last, share)))
    return Statement(
        f"Behind {DEEP} sigmoid layers the first layer does not learn.",
        f"Of the gradient at the output layer {number(share)} reaches the first layer. At the best rate all steps of "
        f"the training together are {number(first)} of the first layer's weights, and {number(last)} of the output "
        "layer's.",
        verdict(first < plain.LEARNS if known else None),
    )


def _limits(table: Table) -> Statement:
    deepest = {name: _deepest(table.where(part="best", activation=name)) for name in ACTIVATIONS}
    known = all(len(table.where(part="best", activation=name)) for name in ACTIVATIONS)
    others = [name for name in ACTIVATIONS if name != "sigmoid"]
    holds = all(deepest[name] > deepest["sigmoid"] for name in others) if known else None
    found = ", ".join(f"{word(name)} {deepest[name]}" for name in ACTIVATIONS)
    return Statement(
        "Another activation than the sigmoid puts the limit off, and does not lift it.",
        f"Most hidden layers with which at least half of the seeds trained: {found}; {max(_depths(table))} were tried.",
        verdict(holds and max(deepest.values()) < max(_depths(table)) if known else None),
    )


def _deepest(table: Table) -> int:
    trained = [depth for depth in _depths(table) if table.where(depth=depth).median("accuracy") >= plain.TRAINED]
    return max(trained, default=0)


def _depths(table: Table) -> list[int]:
    return [depth for depth in table.where(part="best").distinct("depth") if isinstance(depth, int)] or [0]


_DEPTH = Column("depth", "hidden layers", log=True)
_ACTIVATION = Column("activation", "activation", order=ACTIVATIONS)

EXPERIMENT = Experiment(
    name="depth",
    title="Depth",
    question="How many hidden layers does a plain network bear before it no longer learns, and what reaches the first?",
    setting=(
        f"Networks of 1 to 100 hidden layers of {WIDTH} units on handwritten digits, with PyTorch's default "
        "initialisation, which is what a user gets. Plain gradient descent, batches of 64, several rates; what is "
        "shown is the rate with the least loss. The diagnosis is Headwater's own, at the start, in double precision."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=cost,
    together=Together(plain.DIFFER, measure_together),
    says=says,
    figures=(
        Figure(
            "accuracy",
            "lines",
            "Accuracy against depth",
            "Share of the held-out images that are classified rightly after training, at the best rate.",
            "The depth at which each line falls to guessing is where its activation gives up.",
            x=_DEPTH,
            y=Column("accuracy", "held-out accuracy (share of images)", limits=(0.0, 1.02)),
            series=_ACTIVATION,
            where={"part": "best"},
            levels=((0.1, "guessing"),),
        ),
        Figure(
            "profile",
            "lines",
            f"The gradient at each layer of {DEEP}",
            "a_l / a_L with a_l = |dL/dz_l|, the Frobenius norm over the batch of the gradient at the layer's output; "
            "L is the output layer. No unit.",
            "A straight line on this axis is a constant factor for each layer.",
            x=Column("layer", "layer, from the input"),
            y=Column("share", "gradient, as a share of the output layer's", log=True),
            series=_ACTIVATION,
            where={"part": "layer", "depth": DEEP},
        ),
        Figure(
            "side-by-side",
            "lines",
            f"{SHALLOW} and {DEEP} hidden layers side by side",
            "Cross-entropy of the training batches (nats), mean of each fortieth of the training, at the best rate.",
            "The two differ in nothing but the number of layers.",
            x=Column("step", "optimizer steps"),
            y=Column("loss", "training loss (nats)"),
            series=Column("hidden", "depth"),
            panels=_ACTIVATION,
            where={"part": "best curve"},
            levels=((math.log(10), "guessing"),),
        ),
        Figure(
            "learning",
            "lines",
            "Layers that learn",
            f"Share of the layers, the output layer among them, of which the steps of the training, summed up, are at "
            f"least {plain.LEARNS:g} of the weights: sum of |update| / |W|, at the best rate.",
            "At one every layer learns. A network that fails learns in its last layers, or in none.",
            x=_DEPTH,
            y=Column("learning", "layers that learn (share)", limits=(-0.02, 1.02)),
            series=_ACTIVATION,
            where={"part": "best"},
        ),
        Figure(
            "first-layers",
            "table",
            f"Layers 1 to 5 of {DEEP}",
            "Gradient: as above. Gain: norm of the gradient handed on over that received; its parts multiply to it, "
            "and theory predicts it from the weights and the pre-activations. Update: |change of the weights| / "
            "|weights| in a step that is bounded to a thousandth of the weights of the layer that moves most.",
            "The gain looks harmless. It is what its power over the layers makes of it.",
            columns=(
                _ACTIVATION,
                Column("layer", "layer"),
                Column("share", "gradient (share of the output layer's)"),
                Column("gain", "gain"),
                Column("gain_activation", "by the activation"),
                Column("gain_weights", "by the weights"),
                Column("predicted_gain", "gain, predicted"),
                Column("update", "relative update"),
            ),
            where={"part": "layer", "depth": DEEP, "layer": (1, 2, 3, 4, 5), "seed": 0},
        ),
    ),
)
