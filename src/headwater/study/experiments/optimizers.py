"""optimizers: what each makes of a gradient that has almost vanished, and where Adam's epsilon ends the help."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headwater.records.numbers import number
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, number_in, verdict
from headwater.study.plain import best

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

NO_EPSILON = "Adam, eps 1e-15"
OPTIMIZERS = ("SGD", "momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam", "AdamW", NO_EPSILON)
PROPORTIONAL, ADAPTIVE = OPTIMIZERS[:3], OPTIMIZERS[3:7]
CASES = (1.0, 1e-3, 1e-6, 1e-9)
"""Gradient of the hidden layers as a share of the last layer's, at which every rate is tried."""
_BETWEEN = (1e-1, 1e-2, 1e-4, 1e-5, 1e-7, 1e-8, 1e-10)
_QUICK_RATES, _RATES = (1e-3, 1e-2, 1e-1), (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_QUICK_STEPS, _STEPS = 150, 200
DEPTH, WIDTH = 3, 64
EPSILONS, _GRADIENTS = (1e-8, 1e-15), tuple(10.0**-k for k in range(3, 17))
_EXACT = 0.01
"""Relative error up to which a measured step agrees with the formula in single precision."""
_LOST, _KEPT = 0.1, 0.5


@dataclass(frozen=True)
class Behind:
    """A training whose hidden layers get a gradient that is `share` of the last layer's, as a vanished one would be."""

    optimizer: str
    share: float
    rate: float
    steps: int
    seed: int


@dataclass(frozen=True)
class Constant:
    """Adam under a constant gradient."""

    gradient: float
    epsilon: float


Point = Behind | Constant


def points(quick: bool, seeds: int) -> list[Point]:
    """Returns all trainings, and the gradients at which Adam's step is measured."""
    rates, steps = (_QUICK_RATES, _QUICK_STEPS) if quick else (_RATES, _STEPS)
    found: list[Point] = [Constant(gradient, epsilon) for epsilon in EPSILONS for gradient in _GRADIENTS]
    for share in CASES if quick else sorted((*CASES, *_BETWEEN), reverse=True):
        for name in OPTIMIZERS:
            found += [Behind(name, share, rate, steps, seed) for rate in rates for seed in range(seeds)]
    return found


def cost(point: Point) -> float:
    """Steps."""
    return point.steps if isinstance(point, Behind) else 1.0


def measure(point: Point) -> Sequence[Row]:
    """Trains behind a gate, or takes steps under a constant gradient."""
    return [_behind(point) if isinstance(point, Behind) else _constant(point)]


def _behind(point: Behind) -> Row:
    from torch import nn

    from headwater.measure import Updates, tiny_numbers_as_zero
    from headwater.study.data import load_dataset
    from headwater.study.networks import mlp
    from headwater.study.training import batches

    data = load_dataset()
    model = mlp(
        data.features, data.classes, depth=DEPTH, width=WIDTH, activation="relu", initialisation="he", seed=point.seed
    )
    drawn = batches(data, point.steps, seed=point.seed)
    hidden, output = model[:-1], model[-1]

    def loss(batch: tuple[Tensor, Tensor], factor: float) -> Tensor:
        return nn.functional.cross_entropy(output(_gated(hidden(batch[0]), factor)), batch[1])

    weights = {"first": cast("nn.Parameter", model[0].weight), "last": cast("nn.Parameter", output.weight)}
    factor = point.share / _ratio(loss(drawn[0], 1.0), weights)
    optimizer = _optimizer(point.optimizer, model.parameters(), point.rate)
    updates, losses = Updates(weights, optimizer), list[float]()
    with tiny_numbers_as_zero():
        for batch in drawn:
            optimizer.zero_grad()
            value = loss(batch, factor)
            value.backward()
            updates.before_step()
            optimizer.step()
            updates.after_step()
            losses.append(value.item())
    right = (model(data.test_inputs).argmax(1) == data.test_labels).float().mean().item()
    return {
        "part": "training",
        "update_first": updates.ratio("first", point.steps),
        "update_last": updates.ratio("last", point.steps),
        "loss": sum(losses[-20:]) / len(losses[-20:]),
        "accuracy": right,
    }


def _gated(signal: Tensor, factor: float) -> Tensor:
    """The signal as it is; on the way back its gradient is multiplied by `factor`."""

    def scaled(gradient: Tensor) -> Tensor:
        return gradient * factor

    signal.register_hook(scaled)
    return signal


def _ratio(loss: Tensor, weights: dict[str, nn.Parameter]) -> float:
    """Gradient of the first layer's weights over that of the last layer's, as norms."""
    import torch

    from headwater.measure.norms import frobenius

    gradients = torch.autograd.grad(loss, [weights["first"], weights["last"]])
    first, last = map(frobenius, gradients)
    return first / last


def _optimizer(name: str, parameters: Iterable[nn.Parameter], rate: float) -> Optimizer:
    """With PyTorch's defaults where nothing is said."""
    from torch import optim

    made: dict[str, Callable[[Any], Optimizer]] = {
        "SGD": lambda p: optim.SGD(p, rate),
        "momentum": lambda p: optim.SGD(p, rate, momentum=0.9),
        "Nesterov": lambda p: optim.SGD(p, rate, momentum=0.9, nesterov=True),
        "AdaGrad": lambda p: optim.Adagrad(p, rate),
        "RMSprop": lambda p: optim.RMSprop(p, rate),
        "Adam": lambda p: optim.Adam(p, rate),
        "AdamW": lambda p: optim.AdamW(p, rate),
        NO_EPSILON: lambda p: optim.Adam(p, rate, eps=1e-15),
    }
    return made[name](parameters)


def _constant(point: Constant) -> Row:
    """The tenth step, from a weight of zero, so that nothing is lost to rounding against the weight itself."""
    import torch

    rate = 1e-3
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([weight], rate, eps=point.epsilon)
    before = weight.detach().clone()
    for _ in range(10):
        weight.grad = torch.full_like(weight, point.gradient)
        before = weight.detach().clone()
        optimizer.step()
    return {
        "part": "step",
        "step": abs((weight.detach() - before).item()) / rate,
        "predicted": point.gradient / (point.gradient + point.epsilon),
        "eps": f"eps {number(point.epsilon)}",
    }


def derive(table: Table) -> list[Row]:
    """The trainings at the rate that is best where nothing vanishes, and what is left of the update there."""
    rows: list[Row] = []
    trainings = table.where(part="training")
    for whole in best(trainings.where(share=1.0), ("optimizer", "seed")):
        same = {key: whole[key] for key in ("optimizer", "rate", "seed")}
        for row in trainings.where(**same):
            kept = number_in(row, "update_first") / number_in(whole, "update_first")
            rows.append({**row, "part": "at its rate", "kept": kept, "behind": _case(row)})
    rows += [{**row, "part": "rates", "behind": _case(row)} for row in trainings.where(share=CASES)]
    return rows


def _case(row: Row) -> str:
    share = number_in(row, "share")
    return "all of the gradient" if share == 1.0 else f"{number(share)} of it"


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    return [*_groups(table), _epsilon(table), _restored(table), _formula(table)]


def _groups(table: Table) -> Iterator[Statement]:
    kept = {name: _kept(table, name, 1e-3) for name in OPTIMIZERS}
    known = not any(map(math.isnan, kept.values()))
    yield Statement(
        "Momentum, of either kind, does nothing for a vanished gradient: the step shrinks with it, as that of SGD "
        "does.",
        f"With a thousandth of the gradient the first layer's relative update is {_told(kept, PROPORTIONAL)} of what "
        "it is with all of it.",
        verdict(all(kept[name] < 1e-2 for name in PROPORTIONAL) if known else None),
    )
    yield Statement(
        "AdaGrad, RMSprop, Adam and AdamW divide the scale of the gradient out: a thousandth of it moves the layer as "
        "far.",
        f"With a thousandth of the gradient the relative update is {_told(kept, ADAPTIVE)} of what it is with all of "
        "it.",
        verdict(all(kept[name] >= _KEPT for name in ADAPTIVE) if known else None),
    )


def _epsilon(table: Table) -> Statement:
    kept = {name: _kept(table, name, 1e-9) for name in ("RMSprop", "Adam", "AdamW")}
    known = not any(map(math.isnan, kept.values()))
    return Statement(
        "With a billionth of the gradient epsilon ends the help of RMSprop, Adam and AdamW.",
        f"With a billionth of the gradient the relative update is {_told(kept, kept)} of what it is with all of it.",
        verdict(all(value < _LOST for value in kept.values()) if known else None),
    )


def _restored(table: Table) -> Statement:
    kept = _kept(table, NO_EPSILON, 1e-9)
    return Statement(
        "A smaller epsilon brings the help back: nothing else stands in the way.",
        f"With eps 1e-15, Adam's relative update at a billionth of the gradient is {number(kept)} of what it is with "
        "all.",
        verdict(None if math.isnan(kept) else kept >= _KEPT),
    )


def _formula(table: Table) -> Statement:
    steps = table.where(part="step")
    errors = [abs(number_in(row, "step") / number_in(row, "predicted") - 1.0) for row in steps]
    return Statement(
        "Under a constant gradient g Adam's step is lr g / (g + eps).",
        f"Over {len(steps)} gradients from {number(_GRADIENTS[-1])} to {number(_GRADIENTS[0])}, with eps "
        f"{' and '.join(number(eps) for eps in EPSILONS)}, the largest relative error is "
        f"{number(max(errors, default=None))}.",
        verdict(max(errors) <= _EXACT if errors else None),
    )


def _kept(table: Table, optimizer: str, share: float) -> float:
    return table.where(part="at its rate", optimizer=optimizer, share=share).median("kept")


def _told(kept: dict[str, float], names: Iterable[str]) -> str:
    return ", ".join(f"{number(kept[name])} ({name})" for name in names)


_OPTIMIZER = Column("optimizer", "optimizer", order=OPTIMIZERS)
_ACCURACY = Column("accuracy", "held-out accuracy (share of images)", limits=(0.0, 1.02))
_SHARE = "gradient of the hidden layers (share of the last layer's)"

EXPERIMENT = Experiment(
    name="optimizers",
    title="Optimizers",
    question="What does each optimizer make of a gradient that has almost vanished, and where does epsilon end it?",
    setting=(
        f"A network of {DEPTH} hidden layers of {WIDTH} ReLU units (He) on handwritten digits. Between the hidden "
        "layers and the last one a gate lets the signal pass as it is and multiplies the gradient on its way back, so "
        "that the first layer's is the stated share of the last layer's at the start: what a vanished gradient is to a "
        "layer, with nothing else changed. PyTorch's defaults, momentum 0.9."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=cost,
    says=says,
    figures=(
        Figure(
            "kept",
            "lines",
            "What is left of the first layer's update",
            "Median over the steps of |change of the weights, less decay| / |weights|, over the same with all of the "
            "gradient; at the rate with the least loss where nothing vanishes. No unit.",
            "A line that falls with the gradient is an optimizer that does not help; where a flat one begins to fall, "
            "epsilon takes over.",
            x=Column("share", _SHARE, log=True),
            y=Column("kept", "relative update (share of that with all)", log=True),
            series=_OPTIMIZER,
            where={"part": "at its rate"},
        ),
        Figure(
            "kept-table",
            "heatmap",
            "The same in numbers",
            "As above, where every rate was tried.",
            "From left to right the gradient vanishes.",
            x=Column("behind", "gradient of the hidden layers", order=tuple(_case({"share": case}) for case in CASES)),
            y=_OPTIMIZER,
            value=Column("kept", "relative update (share of that with all)", log=True, limits=(1e-9, 1.0)),
            where={"part": "at its rate", "share": CASES},
        ),
        Figure(
            "rates",
            "lines",
            "Accuracy over the rates",
            "Share of the held-out images that are classified rightly after training.",
            "Where the hidden layers do not move, what is left is the last layer on random features.",
            x=Column("rate", "learning rate", log=True),
            y=_ACCURACY,
            series=_OPTIMIZER,
            panels=Column("behind", "gradient", order=tuple(_case({"share": case}) for case in CASES)),
            where={"part": "rates"},
            levels=((0.1, "guessing"),),
        ),
        Figure(
            "epsilon",
            "lines",
            "Adam's step against the gradient",
            "The tenth step under a constant gradient, over the learning rate. Dashed: g / (g + eps). No unit.",
            "Half of the step is left where the gradient is as small as epsilon.",
            x=Column("gradient", "gradient g", log=True),
            y=Column("step", "step / learning rate", log=True),
            series=Column("eps", "epsilon"),
            expected="predicted",
            where={"part": "step"},
        ),
    ),
)
