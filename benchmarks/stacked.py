"""How much faster networks of one shape train together (torch.func) than one by one, and that they become the same.

    python -m benchmarks.stacked [--steps 20] [--rounds 5]

Both ways run in turn, in one process and on one thread; the ratio of each round is taken, and the median of the rounds.
Times are the processor's, so that what else runs on the machine counts less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch
from torch import nn

from benchmarks.tables import markdown, write
from headwater.records.numbers import number
from headwater.study.data import Dataset, load_dataset
from headwater.study.networks import mlp
from headwater.study.stacked import is_faster, train_stacked  # what is timed, whatever the number of networks
from headwater.study.training import train

SHAPES = (
    (2, 64, 3),
    (10, 64, 9),
    (30, 64, 1),
    (30, 64, 3),
    (30, 64, 5),
    (30, 64, 9),
    (50, 64, 9),
    (50, 64, 12),
    (50, 128, 9),
    (100, 64, 9),
)
"""Hidden layers, width, and networks that train together; 30 and 50 by 64 are those of the studies."""
_RATE = 0.01
_SAME_STEPS = 5
"""Steps after which losses are compared: rounding errors grow with every further one."""


def networks(depth: int, width: int, count: int, data: Dataset) -> list[nn.Sequential]:
    return [
        mlp(
            data.features, data.classes, depth=depth, width=width, activation="tanh", initialisation="xavier", seed=seed
        )
        for seed in range(count)
    ]


def together(depth: int, width: int, count: int, steps: int, data: Dataset) -> list[float]:
    rates, seeds = [_RATE] * count, list(range(count))
    found = train_stacked(networks(depth, width, count, data), data, rates, steps, seeds)
    return [each.training.losses[-1] for each in found]


def alone(depth: int, width: int, count: int, steps: int, data: Dataset) -> list[float]:
    models = networks(depth, width, count, data)
    return [train(model, data, rate=_RATE, steps=steps, seed=seed).losses[-1] for seed, model in enumerate(models)]


def row(shape: tuple[int, int, int], steps: int, rounds: int, data: Dataset) -> list[str]:
    pairs = zip(together(*shape, _SAME_STEPS, data), alone(*shape, _SAME_STEPS, data), strict=True)
    difference = max(abs(ours / theirs - 1.0) for ours, theirs in pairs)
    ratios, costs = [], []
    for _ in range(rounds):
        one, many = (timed(way, shape, steps, data) for way in (alone, together))
        ratios.append(one / many)
        costs.append(1e3 * many / steps / shape[2])
    print(shape, [round(ratio, 2) for ratio in ratios], file=sys.stderr, flush=True)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return [
        *map(str, shape),
        f"{statistics.median(ratios):.2f}",
        spread,
        number(statistics.median(costs)),
        number(difference),
    ]


def timed(way, shape: tuple[int, int, int], steps: int, data: Dataset) -> float:
    began = time.process_time()
    way(*shape, steps, data)
    return time.process_time() - began


def _parameters(depth: int, width: int, data: Dataset) -> int:
    model = networks(depth, width, 1, data)[0]
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> int:
    """Prints and writes the table; returns 1 where the two do not agree, or where many are slower together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset("digits")
    rows = [row(shape, args.steps, args.rounds, data) for shape in SHAPES]
    head = [
        "hidden layers",
        "width",
        "networks",
        "speed-up",
        "least to greatest",
        "ms a step and network",
        "difference",
    ]
    said = (
        "Plain networks on the digits, batches of 64, plain gradient descent. Speed-up: processor time of one after "
        "the other, over the time of all together; building the networks is in both. Difference: greatest relative "
        f"difference of a loss after {_SAME_STEPS} steps."
    )
    command = f"python -m benchmarks.stacked --steps {args.steps} --rounds {args.rounds}"
    write("stacked", "Networks that train together", command, said, markdown(head, rows))
    wrong = [
        float(each[3]) < 1.0 and is_faster(networks, _parameters(depth, width, data))
        for each, (depth, width, networks) in zip(rows, SHAPES, strict=True)
    ]
    return int(any(wrong) or any(float(each[6]) > 1e-4 for each in rows))


if __name__ == "__main__":
    sys.exit(main())
