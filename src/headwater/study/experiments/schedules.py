"""schedules: constant, falling and rising rates, how soon each gets there, how far it overshoots and what it wastes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headwater.records.numbers import number
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, verdict

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from headwater.study.data import Dataset

SMALL, LARGE = "constant, small", "constant"
FALLING = ("step", "exponential", "cosine", "on plateau")
WARM = ("warm-up", "warm-up, cosine")
SCHEDULES = (SMALL, LARGE, *FALLING, *WARM)
SMALL_RATE = 0.003
"""A third of the rates at which this network's loss never rises; see the figure of the curves."""
_QUICK_PEAKS, _PEAKS = (0.1, 0.3, 1.0), (0.03, 0.1, 0.3, 0.5, 1.0)
STEPS, _EVERY, _BATCH = 1000, 10, 32
TARGET = 0.05
"""Training loss in nats that counts as there: a network that guesses has 2.3, and 0.05 is nearly every image right."""
DEPTH, WIDTH = 10, 64
_OVERSHOOT = 0.5
"""Rise of the training loss in nats that is more than the noise of a batch."""


@dataclass(frozen=True)
class Point:
    """A training with a schedule whose greatest rate is `peak`."""

    schedule: str
    peak: float
    seed: int


def points(quick: bool, seeds: int) -> list[Point]:
    """Returns all schedules at all peaks, and the small constant rate."""
    peaks = _QUICK_PEAKS if quick else _PEAKS
    grid = [(name, peak) for name in SCHEDULES[1:] for peak in peaks] + [(SMALL, SMALL_RATE)]
    return [Point(name, peak, seed) for name, peak in grid for seed in range(seeds)]


def measure(point: Point) -> Sequence[Row]:
    """Trains by plain gradient descent; every tenth step the loss of all training images is looked at."""
    import torch
    from torch import nn

    from headwater.measure import tiny_numbers_as_zero
    from headwater.study.data import load_dataset
    from headwater.study.networks import mlp

    data = load_dataset()
    model = mlp(
        data.features,
        data.classes,
        depth=DEPTH,
        width=WIDTH,
        activation="tanh",
        initialisation="xavier",
        seed=point.seed,
    )
    optimizer = torch.optim.SGD(model.parameters(), point.peak)
    advance = _schedule(point.schedule, optimizer)
    draw = torch.Generator().manual_seed(point.seed)
    seen = [(0, _loss(model, data), _rate(optimizer))]
    with tiny_numbers_as_zero():
        for step in range(1, STEPS + 1):
            rows = torch.randint(len(data.inputs), (_BATCH,), generator=draw)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(data.inputs[rows]), data.labels[rows]).backward()
            optimizer.step()
            if step % _EVERY == 0:
                seen.append((step, _loss(model, data), _rate(optimizer)))
            advance(step, seen[-1][1])
    right = (model(data.test_inputs).argmax(1) == data.test_labels).float().mean().item()
    return [{"part": "training", "accuracy": right, **_summary(seen)}, *_curve(seen)]


def _loss(model: nn.Module, data: Dataset) -> float:
    import torch
    from torch import nn

    with torch.no_grad():
        return nn.functional.cross_entropy(model(data.inputs), data.labels).item()


def _rate(optimizer: Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


def _schedule(name: str, optimizer: Optimizer) -> Callable[[int, float], None]:
    """Returns what sets the rate of the next step: from the number of steps done, and the last loss that was seen."""
    from torch.optim import lr_scheduler

    if name in (SMALL, LARGE):
        return lambda step, loss: None
    if name == "on plateau":
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=5)
        return lambda step, loss: plateau.step(loss) if step % _EVERY == 0 else None
    scheduler = _by_steps(name, optimizer)
    return lambda step, loss: scheduler.step()


def _by_steps(name: str, optimizer: Optimizer) -> Any:
    from torch.optim import lr_scheduler

    warm = STEPS // 10
    made: dict[str, Callable[[], Any]] = {
        "step": lambda: lr_scheduler.StepLR(optimizer, STEPS // 3, gamma=0.1),
        "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1.0 / STEPS)),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, STEPS),
        "warm-up": lambda: lr_scheduler.LinearLR(optimizer, 0.01, total_iters=warm),
    }
    if name in made:
        return made[name]()
    rising = lr_scheduler.LinearLR(optimizer, 0.01, total_iters=warm)
    falling = lr_scheduler.CosineAnnealingLR(optimizer, STEPS - warm)
    return lr_scheduler.SequentialLR(optimizer, [rising, falling], [warm])


def _summary(seen: Sequence[tuple[int, float, float]]) -> Row:
    """When the target was reached, how far the loss rose above its least so far, and how often it stood above it."""
    least, rises = math.inf, list[float]()
    for _, loss, _ in seen:
        rises.append(loss - least if math.isfinite(least) else 0.0)
        least = min(least, loss)
    reached = next((step for step, loss, _ in seen if loss <= TARGET), None)
    return {
        "reached": reached,
        "loss": seen[-1][1],
        "overshoot": math.inf if any(map(math.isnan, rises)) else max(0.0, *rises),
        "wasted": sum(not rise <= 0.0 for rise in rises) / (len(rises) - 1),
    }


def _curve(seen: Sequence[tuple[int, float, float]]) -> Iterator[Row]:
    for step, loss, rate in seen:
        yield {"part": "curve", "step": step, "loss": loss, "rate": rate}


def derive(table: Table) -> list[Row]:
    """The curves with the small constant rate in the panel of every peak, to compare with."""
    rows: list[Row] = []
    peaks = [peak for peak in table.where(part="curve").distinct("peak") if peak != SMALL_RATE]
    for row in table.where(part="curve"):
        beside = peaks if row["schedule"] == SMALL else [row["peak"]]
        rows += [{**row, "part": "panel", "greatest": f"greatest rate {peak:g}"} for peak in beside]
    return rows


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    trainings = table.where(part="training")
    return [_small(trainings), _large(trainings), _wasted(trainings), _warm(trainings)]


def _small(trainings: Table) -> Statement:
    small, others = trainings.where(schedule=SMALL), [row for row in trainings if row["schedule"] != SMALL]
    soonest = min(Table(tuple(others)).numbers("reached"), default=math.nan)
    overshoot, loss, reached = (small.median(name) for name in ("overshoot", "loss", "reached"))
    when = (
        f"not within {STEPS} steps (its loss is {number(loss)} then)" if math.isnan(reached) else f"after {reached:.0f}"
    )
    slow = math.isnan(reached) or reached >= 3.0 * soonest
    return Statement(
        "A small constant rate overshoots nowhere and wastes time: another schedule is there in a third of its steps.",
        f"At a rate of {SMALL_RATE:g} the loss never rises more than {number(overshoot)} nats, and reaches {TARGET:g} "
        f"{when}. The quickest of the others needs {soonest:.0f} steps.",
        verdict(slow and overshoot < _OVERSHOOT if len(small) and not math.isnan(soonest) else None),
    )


def _large(trainings: Table) -> Statement:
    peak = _largest_that_trains(trainings)
    at = trainings.where(peak=peak)
    constant = at.where(schedule=LARGE).median("loss")
    falling = {name: at.where(schedule=name).median("loss") for name in FALLING}
    known = not math.isnan(constant) and not any(map(math.isnan, falling.values()))
    found = ", ".join(f"{name} {number(loss)}" for name, loss in falling.items())
    return Statement(
        "A large constant rate does not settle: from the same rate every falling schedule ends lower.",
        f"Loss at the end from a rate of {number(peak)}, the largest at which the constant one stays finite and below "
        f"guessing: constant {number(constant)}, {found}.",
        verdict(all(loss < constant for loss in falling.values()) if known else None),
    )


def _largest_that_trains(trainings: Table) -> float:
    constant = trainings.where(schedule=LARGE)
    peaks = [peak for peak in constant.distinct("peak") if isinstance(peak, float)]
    return max((p for p in peaks if constant.where(peak=p).median("loss") < math.log(10)), default=math.nan)


def _wasted(trainings: Table) -> Statement:
    peak = _largest_that_trains(trainings)
    at = trainings.where(peak=peak)
    constant = at.where(schedule=LARGE).median("wasted")
    falling = {name: at.where(schedule=name).median("wasted") for name in FALLING}
    known = not math.isnan(constant) and not any(map(math.isnan, falling.values()))
    found = ", ".join(f"{name} {100 * share:.0f} %" for name, share in falling.items())
    return Statement(
        "With a large constant rate most of the time is spent above a loss that was reached before, more than with any "
        "falling schedule.",
        f"Share of the time at which the loss stands above its least so far, from a rate of {number(peak)}: constant "
        f"{100 * constant:.0f} %, {found}.",
        verdict(constant > 0.5 and all(share < constant for share in falling.values()) if known else None),
    )


def _warm(trainings: Table) -> Statement:
    peaks = [peak for peak in trainings.where(schedule=LARGE).distinct("peak") if isinstance(peak, float)]
    at = trainings.where(peak=max(peaks, default=math.nan))
    loss = {name: at.where(schedule=name).median("loss") for name in ("cosine", "warm-up, cosine")}
    count = {name: len(at.where(schedule=name).numbers("reached")) for name in loss}
    total = len(at.where(schedule="cosine"))
    return Statement(
        f"Warm-up bears a rate that is too large to begin with: from {max(peaks, default=math.nan):g} it reaches the "
        "target, and the same schedule without it does not.",
        f"Cosine from there reaches {TARGET:g} from {count['cosine']} of {total} seeds (loss at the end "
        f"{number(loss['cosine'])}), with warm-up from {count['warm-up, cosine']} ({number(loss['warm-up, cosine'])}).",
        verdict(count["warm-up, cosine"] > total / 2 >= count["cosine"] if total else None),
    )


_SCHEDULE = Column("schedule", "schedule", order=SCHEDULES)
_PEAK = Column("peak", "greatest rate")

EXPERIMENT = Experiment(
    name="schedules",
    title="Schedules",
    question="Which schedule of the learning rate is there first, how far does each overshoot, and what does it waste?",
    setting=(
        f"A network of {DEPTH} hidden layers of {WIDTH} tanh units (Xavier) on handwritten digits; plain gradient "
        f"descent, {STEPS} steps, batches of {_BATCH}. Step: a tenth after each third. Exponential: to a hundredth. "
        "Cosine: to zero. On plateau: 0.3 times, after six looks without a new least. Warm-up: linear over the first "
        f"tenth. The loss is that of all training images, looked at every {_EVERY} steps; the target is {TARGET:g} "
        "nats."
    ),
    points=points,
    measure=measure,
    derive=derive,
    says=says,
    figures=(
        Figure(
            "curves",
            "lines",
            "The loss over the steps",
            "Cross-entropy of all training images (nats).",
            "The small constant rate is the same curve in each panel.",
            x=Column("step", "optimizer steps"),
            y=Column("loss", "training loss (nats)", log=True, limits=(1e-3, 1e2)),
            series=_SCHEDULE,
            panels=Column("greatest", "greatest rate"),
            where={"part": "panel"},
            levels=((TARGET, "target"),),
        ),
        Figure(
            "reached",
            "heatmap",
            "Steps to the target",
            f"First step at which the training loss is at most {TARGET:g} nats; an empty cell did not get there.",
            "Compare a column: the rate is the same, the schedule is not.",
            x=_PEAK,
            y=_SCHEDULE,
            value=Column("reached", "steps"),
            where={"part": "training"},
        ),
        Figure(
            "overshoot",
            "heatmap",
            "Overshoot",
            "Greatest rise of the training loss above its least so far (nats).",
            "Zero: the loss only fell. An empty cell or inf: it was lost.",
            x=_PEAK,
            y=_SCHEDULE,
            value=Column("overshoot", "nats", log=True),
            where={"part": "training"},
        ),
        Figure(
            "wasted",
            "heatmap",
            "What is wasted",
            "Share of the looks at which the training loss stands above its least so far.",
            "Steps in which nothing was gained.",
            x=_PEAK,
            y=_SCHEDULE,
            value=Column("wasted", "share of the time", limits=(0.0, 1.0)),
            where={"part": "training"},
        ),
    ),
)
