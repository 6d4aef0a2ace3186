"""recurrent: how far back seven recurrent networks remember, at the start and while they learn, and what they solve."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headwater.records import HORIZONS
from headwater.records.numbers import number
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, number_in, verdict
from headwater.study.plain import best

KINDS = ("rnn", "rnn-orthogonal", "irnn", "lstm", "lstm-forget-bias", "lstm-chrono", "gru")
PLAIN, GATED = ("rnn", "rnn-orthogonal", "irnn"), ("lstm", "lstm-forget-bias", "lstm-chrono", "gru")
AS_DRAWN = ("rnn", "lstm", "gru")
"""As PyTorch initialises them."""
WIDTH = 64
_QUICK = {"adding": (50, 1750, (5e-3,)), "copy": (20, 1500, (1e-2,))}
_FULL = {"adding": (100, 2000, (2e-3, 5e-3)), "copy": (40, 2000, (5e-3, 1e-2))}
"""By task: lag, steps, and rates of Adam. Of the seeds only number 0 was looked at when they were chosen."""
_LOOKS = 12
SOLVED = 0.1
"""Share of the baseline's loss below which a task counts as solved."""
_SHORT = 4.0
"""Steps: below it, the gradient falls to a twentieth within twelve."""
_SLOW_GRU = 2.5
"""A GRU's step on a CPU costs so many times an LSTM's."""


@dataclass(frozen=True)
class Training:
    """A training on fresh sequences of a task with a lag."""

    task: str
    lag: int
    kind: str
    rate: float
    steps: int
    seed: int


def points(quick: bool, seeds: int) -> list[Training]:
    """Returns all networks on both tasks."""
    return [
        Training(task, lag, kind, rate, steps, seed)
        for task, (lag, steps, rates) in (_QUICK if quick else _FULL).items()
        for kind in KINDS
        for rate in rates
        for seed in range(seeds)
    ]


def cost(point: Training) -> float:
    """Steps of the optimizer times those of a sequence."""
    length = point.lag + 20 if point.task == "copy" else point.lag
    return point.steps * length * (_SLOW_GRU if point.kind == "gru" else 1.0)


def measure(point: Training) -> list[Row]:
    """Trains a network, and looks at its error and its memory on the way."""
    from headwater.study.sequences import KINDS, TASKS, follow

    task = TASKS[point.task](point.lag)
    looks = follow(task, point.kind, width=WIDTH, steps=point.steps, looks=_LOOKS, seed=point.seed, rate=point.rate)
    same: Row = {"part": "look", "network": KINDS[point.kind].title, "title": _title(task.title, point.lag)}
    return [
        {**same, "step": look.step, "loss": look.loss, "error": look.error}
        | {"gain": look.memory.gain, "horizon": look.memory.horizon, "longest_lag": task.lag}
        for look in looks
    ]


def _title(task: str, lag: int) -> str:
    return f"{task}, lag {lag}"


def derive(table: Table) -> list[Row]:
    """The better rate of each network, by the error at its end: that training, and what was seen on its way."""
    found: list[Row] = []
    ends = tuple(row for row in table.where(part="look") if row["step"] == row["steps"])
    for end in best(Table(ends), ("task", "lag", "kind", "seed")):
        looks = table.where(part="look", **{key: end[key] for key in ("task", "lag", "kind", "seed", "rate")})
        (start,) = looks.where(step=0)
        row: Row = {**end, "part": "training", "horizon_start": start["horizon"], "horizon_end": end["horizon"]}
        row["solved"] = number_in(end, "error") < SOLVED
        found += [row, *({**look, "part": "best look"} for look in looks)]
    return found


def says(table: Table) -> list[Statement]:
    """What the numbers say."""
    runs = table.where(part="training")
    return [_starts(runs), _opened(runs), _needed(runs), _lengthened(runs), _chrono(runs)]


def _starts(runs: Table) -> Statement:
    horizons = {kind: runs.where(kind=kind) for kind in AS_DRAWN}
    largest = max((value for each in horizons.values() for value in each.numbers("horizon_start")), default=math.nan)
    said = ", ".join(f"{_name(each)} {number(each.median('horizon_start'))}" for each in horizons.values() if len(each))
    return Statement(
        f"As PyTorch initialises them, an RNN, an LSTM and a GRU start with a memory horizon of less than {_SHORT:g} "
        "steps, whatever lag the task has.",
        f"Medians over tasks and seeds: {said}; the longest of any is {number(largest)} steps.",
        verdict(largest < _SHORT if all(map(len, horizons.values())) else None),
        "Hochreiter 1991; Bengio, Simard and Frasconi 1994, for the plain RNN",
    )


def _opened(runs: Table) -> Statement:
    names = ("lstm", "lstm-forget-bias", "lstm-chrono")
    medians = [runs.where(kind=kind).median("horizon_start") for kind in names]
    said = ", ".join(number(each) for each in medians)
    known = not any(map(math.isnan, medians))
    return Statement(
        "A forget bias of 1 lengthens an LSTM's memory at the start, and chrono initialisation lengthens it further.",
        f"Median horizons at the start as PyTorch draws it, with the bias, with chrono: {said} steps.",
        verdict(medians[0] < medians[1] < medians[2] if known else None),
        'Jozefowicz, Zaremba and Sutskever 2015, "An empirical exploration of recurrent network architectures"; Tallec '
        'and Ollivier 2018, "Can recurrent neural networks warp time?"',
    )


def _needed(runs: Table) -> Statement:
    solved = [row for row in runs if row["solved"]]
    reached = [row for row in solved if HORIZONS * number_in(row, "horizon_end") >= number_in(row, "longest_lag")]
    least = min((number_in(r, "horizon_end") / number_in(r, "longest_lag") for r in solved), default=math.nan)
    return Statement(
        f"No network solves a task whose lag is longer than {HORIZONS} of its memory horizons at the end.",
        f"Of {len(solved)} trainings that solved their task, {len(reached)} end with a horizon of at least "
        f"1/{HORIZONS} of the lag; the shortest is {number(least)} of it.",
        verdict(len(reached) == len(solved) if solved else None),
    )


def _lengthened(runs: Table) -> Statement:
    short = [row for row in runs if HORIZONS * number_in(row, "horizon_start") < number_in(row, "longest_lag")]
    gated, plain = ([row for row in short if row["kind"] in kinds] for kinds in (GATED, PLAIN))
    learnt, others = (sum(bool(row["solved"]) for row in rows) for rows in (gated, plain))
    return Statement(
        "A memory that is too short at the start is a risk and no verdict: gates can lengthen it in training, plain "
        "recurrent weights do not.",
        f"Of {len(gated)} networks with gates whose lag is longer than {HORIZONS} horizons at the start, {learnt} "
        f"solve their task; of {len(plain)} without gates, {others}.",
        verdict(learnt > 0 and others == 0 if gated and plain else None),
    )


def _chrono(runs: Table) -> Statement:
    said: list[str] = []
    better: list[bool] = []
    for title in runs.distinct("title"):
        errors = {kind: runs.where(title=title, kind=kind) for kind in ("lstm", "lstm-forget-bias", "lstm-chrono")}
        medians = [each.median("error") for each in errors.values()]
        said.append(f"{title}: {', '.join(map(number, medians))}")
        if not any(map(math.isnan, medians)):
            better.append(medians[2] < min(medians[:2]))
    return Statement(
        "Of three LSTMs that differ in nothing but the biases of their gates, the one with chrono initialisation has "
        "the least error after the same steps, on each task.",
        f"Median share of the baseline's loss as PyTorch draws it, with a forget bias of 1, with chrono; "
        f"{'; '.join(said)}.",
        verdict(all(better) if better else None),
        'Tallec and Ollivier 2018, "Can recurrent neural networks warp time?"',
    )


def _name(runs: Table) -> str:
    return str(runs.rows[0]["network"])


_NETWORK = Column("network", "network")
_PANELS = Column("title", "task")
_STEP = Column("step", "steps of Adam")
_HORIZON = "memory horizon (steps)"
_HORIZON_DEFINITION = (
    "-1 / ln of the gain, the factor by which |d loss / d h_t| changes per step toward the first (robust slope over "
    "all steps; the layer is replayed step by step). Where the loss reads every step, random unit vectors are sent "
    "back from the last state instead. 1,000 stands for more, and for a gradient that does not fall."
)
_ERROR_DEFINITION = (
    "Loss on 500 fresh sequences over the loss of the best answer that remembers nothing: mean squared error 1/6 "
    "(adding), cross-entropy 10 ln 8 / (lag + 20) (copy)."
)

EXPERIMENT = Experiment(
    name="recurrent",
    title="Recurrent networks",
    question="How far back do recurrent networks remember, at the start and along training, and what do they solve?",
    setting=(
        f"One layer of {WIDTH} units and a linear readout; Adam, batches of 50 fresh sequences, gradients clipped to a "
        "norm of 1. Of two rates the one with the smaller error at the end is shown (quick: one rate for each task, "
        "and shorter lags): a network that fails here may learn at another rate, or later. Adding problem: the sum of "
        "two marked numbers, asked for at the last step. Copy task: ten letters of eight, blanks, then all ten. "
        "Orthogonal: recurrent weights only; IRNN: identity, ReLU, input weights of 0.001; bias 1: of the forget gate; "
        "chrono: gate biases for time scales up to the length of a sequence."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=cost,
    says=says,
    figures=(
        Figure(
            "start",
            "bars",
            "Memory at the start",
            _HORIZON_DEFINITION,
            "The task has no part in it but through its inputs: this is what initialisation gives.",
            x=_NETWORK,
            y=Column("horizon_start", _HORIZON, log=True),
            series=_PANELS,
            where={"part": "training"},
        ),
        Figure(
            "memory",
            "lines",
            "Memory along training",
            _HORIZON_DEFINITION,
            "A network that learns the task lengthens its memory first; one that forgets shortens it.",
            x=_STEP,
            y=Column("horizon", _HORIZON, log=True),
            series=_NETWORK,
            panels=_PANELS,
            where={"part": "best look"},
        ),
        Figure(
            "error",
            "lines",
            "Error along training",
            _ERROR_DEFINITION,
            "At 1 nothing is remembered.",
            x=_STEP,
            y=Column("error", "error (share of the baseline's)", log=True),
            series=_NETWORK,
            panels=_PANELS,
            where={"part": "best look"},
            levels=((1.0, "remembers nothing"), (SOLVED, "solved")),
        ),
        Figure(
            "outcome",
            "table",
            "What was solved",
            f"{_ERROR_DEFINITION} Solved: below {SOLVED:g}.",
            "A long memory is needed, and not enough.",
            columns=(
                _PANELS,
                _NETWORK,
                Column("seed", "seed"),
                Column("rate", "rate"),
                Column("horizon_start", "horizon at the start (steps)"),
                Column("horizon_end", "horizon at the end (steps)"),
                Column("error", "error (share of the baseline's)"),
                Column("solved", "solved"),
            ),
            where={"part": "training"},
        ),
    ),
)
