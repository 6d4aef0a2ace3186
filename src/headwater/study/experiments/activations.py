"""activations: what each leaves of the gradient, predicted and measured, and whether one of them is the cure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headwater.records.numbers import number
from headwater.study import plain
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, Together, number_in, verdict
from headwater.study.plain import Plain
from headwater.study.words import word

if TYPE_CHECKING:
    from torch import Tensor, nn

ACTIVATIONS = ("sigmoid", "softplus", "tanh", "relu", "leaky_relu", "gelu", "silu", "elu", "selu")
INITIALISATIONS = ("default", "xavier", "lecun", "orthogonal", "he")
WIDE, LAYERS = 512, 30
"""Network on which gains are measured: wide, since the theory is that of wide networks."""
_BATCH = 16
WIDTH, _DEPTHS = 64, (5, 30)
_QUICK_RATES, _RATES = (0.01, 0.1, 1.0), (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_QUICK_STEPS, _STEPS = 300, 400
_DEVIATIONS = 2.0
"""Standard deviations by which a network of this width strays from the theory by chance one time in twenty."""
_MOST = 0.95
"""Share of cells that then lie within them."""


@dataclass(frozen=True)
class Gains:
    """The gains of all activations with the same weights."""

    initialisation: str
    seed: int


Point = Plain | Gains


def points(quick: bool, seeds: int) -> list[Point]:
    """Returns the gains for each initialisation, and trainings with PyTorch's default and, for ReLU, He's."""
    rates, steps = (_QUICK_RATES, _QUICK_STEPS) if quick else (_RATES, _STEPS)
    found: list[Point] = [Gains(name, seed) for name in INITIALISATIONS for seed in range(seeds)]
    kinds = [(activation, "default") for activation in ACTIVATIONS] + [("relu", "he")]
    for activation, initialisation in kinds:
        for depth in _DEPTHS:
            same = Plain(activation, initialisation, depth, WIDTH, 0.0, steps, 0)
            found += [replace(same, rate=rate, seed=seed) for rate in rates for seed in range(seeds)]
    return found


def cost(point: Point) -> float:
    """The gains of all activations take as long as a training of some 20,000 layers times steps."""
    return plain.cost(point) if isinstance(point, Plain) else 20_000


def measure(point: Point) -> Sequence[Row]:
    """Trains a network, or measures the gains of one initialisation."""
    return measure_together([point])[0]


def measure_together(points: Sequence[Point]) -> list[list[Row]]:
    """Trains networks of one shape at once; gains go one by one."""
    trainings = [point for point in points if isinstance(point, Plain)]
    return plain.measure_together(trainings) if trainings else [list(_gains(p)) for p in points if isinstance(p, Gains)]


def _gains(point: Gains) -> Iterator[Row]:
    """Geometric mean of the gains of all layers, for a random gradient at the last one; weights are shared."""
    import torch

    from headwater.predict import predict
    from headwater.study.networks import ACTIVATIONS as MODULES
    from headwater.study.networks import mlp

    plain_network = mlp(
        WIDE, 1, depth=LAYERS, width=WIDE, activation="relu", initialisation=point.initialisation, seed=point.seed
    )
    linears = [module for module in plain_network if isinstance(module, torch.nn.Linear)][:LAYERS]
    draw = torch.Generator().manual_seed(point.seed)
    inputs, gradient = (torch.randn(_BATCH, WIDE, generator=draw) for _ in range(2))
    for activation in ACTIVATIONS:
        theory = predict(activation, point.initialisation, LAYERS, width=WIDE)
        yield {
            "part": "gain",
            "activation": activation,
            "gain": _gain(linears, MODULES[activation], inputs, gradient),
            "predicted": theory.gain,
            "deviation": theory.record.noise / (LAYERS - 1),
        }


def _gain(linears: Sequence[nn.Linear], activation: type[nn.Module], inputs: Tensor, gradient: Tensor) -> float:
    from torch import nn

    from headwater.measure import trace
    from headwater.measure.layers import layers, uses
    from headwater.measure.structure import structure

    modules: list[nn.Module] = [linears[0]]
    for linear in linears[1:]:
        modules += [activation(), linear]
    network = nn.Sequential(*modules)
    traced = trace((network(inputs) * gradient).sum(), model=network)
    shape = structure(traced)
    gains = [layer.gain for layer in layers(traced, shape, uses(traced, shape)) if layer.gain]
    return math.exp(sum(map(math.log, gains)) / len(gains))


def derive(table: Table) -> list[Row]:
    """The best of the rates, with its name; and the error of each prediction, in per cent."""
    rows: list[Row] = []
    for row in plain.best(table.where(part="training"), ("activation", "initialisation", "depth", "seed")):
        he = " with He" if row["initialisation"] == "he" else ""
        rows.append({**row, "network": f"{word(row['activation'])}{he}", "layers": f"{row['depth']} hidden layers"})
    for activation in ACTIVATIONS:
        for initialisation in INITIALISATIONS:
            cell = table.where(part="gain", activation=activation, initialisation=initialisation)
            if len(cell):
                error = cell.median("gain") / cell.median("predicted") - 1.0
                within = abs(math.log1p(error)) <= _DEVIATIONS * cell.median("deviation")
                same: Row = {"activation": activation, "initialisation": initialisation}
                rows.append({"part": "error", **same, "error": 100.0 * error, "within": within})
    return rows


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    return [_theory(table), _keeps(table), _relu_alone(table), _he(table)]


def _theory(table: Table) -> Statement:
    cells = table.where(part="error")
    within = len(cells.where(within=True))
    worst = max(cells, key=lambda row: abs(number_in(row, "error")), default=Row())
    errors = sorted(map(abs, cells.numbers("error")))
    middle = number(errors[len(errors) // 2]) if errors else "-"
    return Statement(
        f"Theory predicts what a layer leaves of the gradient, in at least {100 * _MOST:.0f} % of all cells within two "
        "standard deviations of what chance does at this width.",
        f"{within} of {len(cells)} cells lie within. The median error is {middle} %, the worst "
        f"{number(abs(number_in(worst, 'error')))} % ({word(worst.get('activation'))}, "
        f"{word(worst.get('initialisation'))}).",
        verdict(within >= _MOST * len(cells) if len(cells) else None),
    )


def _keeps(table: Table) -> Statement:
    gains = {
        name: table.where(part="gain", activation=name, initialisation="default").median("gain") for name in ACTIVATIONS
    }
    known = {name: gain for name, gain in gains.items() if not math.isnan(gain)}
    kept = ", ".join(f"{word(name)} {gain:.2f}" for name, gain in known.items())
    most = max(known.values(), default=math.nan)
    return Statement(
        "With PyTorch's default initialisation every activation loses gradient in every layer: none has a gain of one.",
        f"Gain per layer: {kept}. The best leaves {number(most**LAYERS)} over {LAYERS} layers.",
        verdict(most < 1.0 if len(known) == len(ACTIVATIONS) else None),
    )


def _relu_alone(table: Table) -> Statement:
    best, deep = table.where(part="best", initialisation="default"), max(_DEPTHS)
    accuracies = {name: best.where(activation=name, depth=deep).median("accuracy") for name in ("sigmoid", "relu")}
    gain = table.where(part="gain", activation="relu", initialisation="default").median("gain")
    known = not any(map(math.isnan, accuracies.values()))
    return Statement(
        "ReLU alone is not the cure: at PyTorch's default initialisation a deep ReLU network trains no better than one "
        "of sigmoids, at any rate that was tried.",
        f"With {deep} hidden layers at the best rate: sigmoid {accuracies['sigmoid']:.2f} of the held-out images "
        f"right, ReLU {accuracies['relu']:.2f}. A layer of ReLU loses {100 * (1 - gain):.0f} % of the gradient.",
        verdict(all(value < plain.TRAINED for value in accuracies.values()) if known else None),
    )


def _he(table: Table) -> Statement:
    deep = table.where(part="best", activation="relu", depth=max(_DEPTHS))
    default, he = (deep.where(initialisation=name).median("accuracy") for name in ("default", "he"))
    known = not math.isnan(default) and not math.isnan(he)
    return Statement(
        "What ReLU lacks is its initialisation: the same network trains with He's.",
        f"With {max(_DEPTHS)} hidden layers of ReLU at the best rate: {default:.2f} with PyTorch's default, {he:.2f} "
        "with He's (variance 2 / fan_in instead of 1 / (3 fan_in)).",
        verdict(default < plain.TRAINED <= he if known else None),
        "He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers",
    )


_ACTIVATION = Column("activation", "activation", order=ACTIVATIONS)
_INITIALISATION = Column("initialisation", "initialisation", order=INITIALISATIONS)

EXPERIMENT = Experiment(
    name="activations",
    title="Activations",
    question="What does a layer with each activation leave of the gradient, did theory know it, and is ReLU the cure?",
    setting=(
        f"Gains: plain networks of {LAYERS} layers of {WIDE} units, random inputs, a random gradient at the last "
        "layer, before any training; Headwater's own measurement beside headwater.predict, which knows only the names. "
        f"Trainings: handwritten digits, hidden layers of {WIDTH} units, plain gradient descent, batches of 64; of "
        "several rates the one with the least loss is shown."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=cost,
    together=Together(plain.DIFFER, measure_together),
    says=says,
    figures=(
        Figure(
            "gains",
            "heatmap",
            "Gain per layer, and in brackets as predicted",
            "Geometric mean over the layers of |dL/dz_(l-1)| / |dL/dz_l|, norms over the batch; no unit. Prediction: "
            "sqrt(sigma_w^2 E[phi'^2]) along the variances that the layers take (Schoenholz et al. 2017).",
            "White is a gain of one. To the power of the depth, what is below vanishes and what is above explodes.",
            x=_INITIALISATION,
            y=_ACTIVATION,
            value=Column("gain", "gain per layer", log=True, digits=3),
            expected="predicted",
            neutral=1.0,
            where={"part": "gain"},
        ),
        Figure(
            "error",
            "heatmap",
            "Error of the prediction",
            "Measured gain over predicted gain, less one, in per cent.",
            "Largest where the variance of the pre-activations has no stable value: there what chance does grows with "
            "depth.",
            x=_INITIALISATION,
            y=_ACTIVATION,
            value=Column("error", "error (%)"),
            neutral=0.0,
            where={"part": "error"},
        ),
        Figure(
            "accuracy",
            "bars",
            "Who trains at PyTorch's default initialisation",
            "Share of the held-out images that are classified rightly after training, at the best rate.",
            "The last pair differs from ReLU's in nothing but the first weights.",
            x=Column("network", "activation", order=(*map(word, ACTIVATIONS), f"{word('relu')} with He")),
            y=Column("accuracy", "held-out accuracy (share of images)", limits=(0.0, 1.02)),
            series=Column("layers", "depth", order=tuple(f"{depth} hidden layers" for depth in _DEPTHS)),
            where={"part": "best"},
            levels=((0.1, "guessing"),),
        ),
    ),
)
