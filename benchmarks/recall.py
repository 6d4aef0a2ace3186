"""Over how many of its memory horizons does a recurrent layer learn to recall?

    python -m benchmarks.recall [--steps 1500] [--seeds 1] [--jobs 1]    (half an hour)

Each network reads a sequence and tells what stood at its beginning: a symbol of four, or a number. Nothing nearer
helps, so that no short lag teaches a long one. The lag is a multiple of the horizon that the network has before
training. Trained with Adam on fresh data at three rates, it has learned when it names more than half of 512 unseen
symbols, or explains more than half of the variance of as many numbers. This is where HW201 takes the horizons from
after which nothing is left of the gradient.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.tables import markdown, write
from headwater import diagnose

SYMBOLS, BATCH, UNSEEN = 4, 64, 512
LOOK = 100
"""Steps between two looks at whether it has learned."""
DATA = 20
"""Batches of a diagnosis."""
LONG = 40
"""Steps of the sequences at which the horizon is measured."""
BINS = (0, 6, 7, 8, 9, 10, 12, 14, math.inf)
MULTIPLES = (6, 8, 10, 13)
WIDTHS, RATES, TASKS = (32, 128), (1e-3, 3e-3, 1e-2), ("symbol", "number")
LAYERS: dict[str, Any] = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}


@dataclass(frozen=True)
class Setting:
    """One training."""

    layer: str
    width: int
    task: str
    rate: float
    multiple: int
    seed: int
    steps: int


@dataclass(frozen=True)
class Outcome:
    """The lag in horizons, and after how many steps it was learned, if ever."""

    setting: Setting
    horizons: float
    learned: int | None


class Recall(nn.Module):
    """What stood at the beginning? Input of shape (batch, steps) or (batch, steps, 2)."""

    def __init__(self, layer: str, width: int, task: str) -> None:
        super().__init__()
        self.embed = nn.Embedding(SYMBOLS, 8) if task == "symbol" else nn.Linear(2, 8)
        self.rnn = LAYERS[layer](8, width, batch_first=True)
        self.out = nn.Linear(width, SYMBOLS if task == "symbol" else 1)

    def forward(self, x: Tensor) -> Tensor:
        """Reads the last state."""
        states, _ = self.rnn(self.embed(x))
        return self.out(states[:, -1])


def _drawn(task: str, length: int, size: int) -> tuple[Tensor, Tensor]:
    if task == "symbol":
        x = torch.randint(SYMBOLS, (size, length))
        return x, x[:, 0]
    x = torch.randn(size, length, 2)
    return x, x[:, 0, :1]


def _has_learned(model: nn.Module, task: str, unseen: tuple[Tensor, Tensor]) -> bool:
    x, y = unseen
    with torch.no_grad():
        out = model(x)
    return float((out.argmax(1) == y).float().mean() if task == "symbol" else 1 - (out - y).square().mean()) > 0.5


def trained(setting: Setting) -> Outcome:
    """Measures the horizon of a fresh network, and trains it on sequences of a multiple of it."""
    torch.set_num_threads(1)
    torch.manual_seed(setting.seed)
    task, model = setting.task, Recall(setting.layer, setting.width, setting.task)
    loss_fn = nn.CrossEntropyLoss() if task == "symbol" else nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.rate)
    horizon = functools.partial(_horizon, model, loss_fn, task)
    lag = max(2, round(setting.multiple * horizon(LONG)))
    length = 1 + lag
    horizons = lag / horizon(length)
    unseen = _drawn(task, length, UNSEEN)
    for step in range(1, setting.steps + 1):
        x, y = _drawn(task, length, BATCH)
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        if step % LOOK == 0 and _has_learned(model, task, unseen):
            return Outcome(setting, horizons, step)
    return Outcome(setting, horizons, None)


def _horizon(model: nn.Module, loss_fn: nn.Module, task: str, length: int) -> float:
    """Before training: the diagnosis trains a copy, at a rate of next to nothing."""
    still = torch.optim.SGD(model.parameters(), lr=1e-9)
    report = diagnose(model, [_drawn(task, length, BATCH) for _ in range(DATA)], loss_fn, optimizer=still, seed=0)
    found = report.measurement.through_time[0].horizon
    assert found is not None  # as these layers are drawn, none carries the gradient without loss
    return found


def _rows(outcomes: Sequence[Outcome]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for layer in LAYERS:
        own = [each for each in outcomes if each.setting.layer == layer]
        cells: list[str] = []
        for low, high in itertools.pairwise(BINS):
            some = [each for each in own if low <= each.horizons < high]
            cells.append(f"{sum(each.learned is not None for each in some)} of {len(some)}" if some else "")
        reached = [each.horizons for each in own if each.learned is not None]
        rows.append((layer, *cells, f"{max(reached):.1f}" if reached else "none"))
    return rows


def main() -> None:
    """Prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    work = [
        Setting(layer, width, task, rate, multiple, seed, args.steps)
        for multiple, layer, width, task, rate, seed in itertools.product(
            MULTIPLES, LAYERS, WIDTHS, TASKS, RATES, range(args.seeds)
        )
    ]
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for outcome in pool.map(trained, work):
            outcomes.append(outcome)
            print(f"[{len(outcomes)}/{len(work)}] {outcome}", flush=True)
    bounds = [f"{low} to {high}" for low, high in itertools.pairwise(BINS[1:-1])]
    header = ("layer", f"below {BINS[1]}", *bounds, f"above {BINS[-2]}", "longest learned")
    write(
        "recall",
        "Lags that recurrent layers learn",
        f"python -m benchmarks.recall --steps {args.steps} --seeds {args.seeds}",
        f"Trainings of {args.steps} steps that learned to recall the beginning of a sequence, of those whose lag is so "
        "many memory horizons of the layer before training. Widths 32 and 128, Adam at "
        "0.001, 0.003 and 0.01, four symbols or a number.",
        markdown(header, _rows(outcomes)),
    )


if __name__ == "__main__":
    main()
