"""initialisations: the whole grid of activations and initialisations, and which of its networks train."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headwater.records.numbers import number
from headwater.study import plain
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, Together, verdict
from headwater.study.plain import Plain
from headwater.study.words import word

_QUICK_ACTIVATIONS = ("sigmoid", "tanh", "relu", "gelu", "silu", "selu")
ACTIVATIONS = ("sigmoid", "softplus", "tanh", "relu", "leaky_relu", "gelu", "silu", "elu", "selu")
INITIALISATIONS = ("default", "xavier", "lecun", "orthogonal", "he")
DEPTH, WIDTH = 30, 64
_QUICK_RATES, _RATES = (0.003, 0.01, 0.1), (0.001, 0.003, 0.01, 0.03, 0.1)
_QUICK_STEPS, _STEPS = 300, 400


def points(quick: bool, seeds: int) -> list[Plain]:
    """Returns every activation with every initialisation at every rate."""
    activations, rates, steps = (
        (_QUICK_ACTIVATIONS, _QUICK_RATES, _QUICK_STEPS) if quick else (ACTIVATIONS, _RATES, _STEPS)
    )
    return [
        Plain(activation, initialisation, DEPTH, WIDTH, rate, steps, seed)
        for activation in activations
        for initialisation in INITIALISATIONS
        for rate in rates
        for seed in range(seeds)
    ]


def measure(point: Plain) -> Sequence[Row]:
    """Trains a network."""
    return plain.measure_together([point])[0]


def derive(table: Table) -> list[Row]:
    """The best of the rates, beside what theory says of the network before it is built."""
    from headwater.predict import predict

    rows: list[Row] = []
    for row in plain.best(table.where(part="training"), ("activation", "initialisation", "seed")):
        theory = predict(str(row["activation"]), str(row["initialisation"]), DEPTH, width=WIDTH)
        rows.append({**row, "predicted": theory.attenuation})
    return rows


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    best = table.where(part="best")
    return [_order(best), _sigmoid(best), _some(best), plain.decided_by(best, "predicted", "as theory predicts it")]


def _order(best: Table) -> Statement:
    names = ("default", "xavier", "he")
    loss = {name: best.where(activation="relu", initialisation=name).median("loss") for name in names}
    right = {name: best.where(activation="relu", initialisation=name).median("accuracy") for name in names}
    known = not any(map(math.isnan, loss.values()))
    found = ", ".join(f"{word(name)} {number(loss[name])} ({right[name]:.2f} right)" for name in names)
    return Statement(
        f"A ReLU network of {DEPTH} layers learns more with Xavier's initialisation than with PyTorch's default, and "
        "most with He's.",
        f"Training loss in nats (and share of held-out images) at the best rate: {found}.",
        verdict(loss["default"] > loss["xavier"] > loss["he"] if known else None),
        "He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers",
    )


def _sigmoid(best: Table) -> Statement:
    own = best.where(activation="sigmoid")
    right = {name: own.where(initialisation=name).median("accuracy") for name in INITIALISATIONS}
    known = {name: value for name, value in right.items() if not math.isnan(value)}
    most = max(known.values(), default=math.nan)
    return Statement(
        f"No initialisation makes {DEPTH} layers of sigmoids train.",
        f"The best of {len(known)} initialisations classifies {most:.2f} of the held-out images rightly.",
        verdict(most < plain.TRAINED if len(known) == len(INITIALISATIONS) else None),
    )


def _some(best: Table) -> Statement:
    others = [name for name in best.distinct("activation") if name not in ("sigmoid", "softplus")]
    found: list[str] = []
    for name in others:
        right = {init: best.where(activation=name, initialisation=init).median("accuracy") for init in INITIALISATIONS}
        trained = [word(init) for init, value in right.items() if value >= plain.TRAINED]
        found.append(f"{word(name)} with {' and '.join(trained) if trained else 'none'}")
    return Statement(
        f"Every other activation trains {DEPTH} layers with one of these initialisations.",
        f"Trained: {'; '.join(found)}.",
        verdict(not any(each.endswith("none") for each in found) if others else None),
    )


_ACTIVATION = Column("activation", "activation", order=ACTIVATIONS)
_INITIALISATION = Column("initialisation", "initialisation", order=INITIALISATIONS)

EXPERIMENT = Experiment(
    name="initialisations",
    title="Initialisations",
    question=f"With which first weights does a network of {DEPTH} layers train, and does theory know it before?",
    setting=(
        f"Plain networks of {DEPTH} hidden layers of {WIDTH} units on handwritten digits: every activation with every "
        "initialisation. Plain gradient descent, batches of 64; of several rates the one with the least loss is shown."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=plain.cost,
    together=Together(plain.DIFFER, plain.measure_together),
    says=says,
    figures=(
        Figure(
            "accuracy",
            "heatmap",
            "Who trains",
            "Share of the held-out images that are classified rightly after training, at the best rate.",
            "Guessing gives 0.1. Each row is one activation: its column decides.",
            x=_INITIALISATION,
            y=_ACTIVATION,
            value=Column("accuracy", "held-out accuracy (share of images)", limits=(0.0, 1.0)),
            where={"part": "best"},
        ),
        Figure(
            "attenuation",
            "points",
            "Accuracy against the attenuation that theory predicts",
            f"Attenuation: predicted norm of the gradient at the first layer over that at the last of {DEPTH}, from "
            "the names of activation and initialisation alone (headwater.predict). Each point is one network at its "
            "best rate.",
            "Networks far to the left have no gradient in their first layers.",
            x=Column("predicted", "predicted attenuation", log=True),
            y=Column("accuracy", "held-out accuracy (share of images)", limits=(0.0, 1.02)),
            series=_INITIALISATION,
            where={"part": "best"},
            levels=((0.1, "guessing"),),
        ),
        Figure(
            "learning",
            "heatmap",
            "Layers that learn",
            f"Share of the {DEPTH + 1} layers of which the steps of the training, summed up, are at least "
            f"{plain.LEARNS:g} of the weights: sum of |update| / |W|, at the best rate.",
            "Where few layers learn, the network is as good as shallow.",
            x=_INITIALISATION,
            y=_ACTIVATION,
            value=Column("learning", "layers that learn (share)", limits=(0.0, 1.0)),
            where={"part": "best"},
        ),
    ),
)
