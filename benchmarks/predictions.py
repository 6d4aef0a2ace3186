"""How well the gain of a single layer is predicted: 12 activations under 4 initialisations, in an MLP and in a CNN.

    python -m benchmarks.predictions [--seeds 1]

`benchmarks.gains` compares whole chains with the iterated theory. Here each layer of a network as `headwater.diagnose`
reports it, after a few training steps, is compared with what it predicts for that layer from the norm of the weight
and from mean and variance of the pre-activation. A cell says: median error, and that of the worst layer in ten.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from torch import nn

import headwater
from benchmarks.gains import ACTIVATIONS, initialise
from benchmarks.tables import markdown, write

INITIALISATIONS = ("default", "xavier", "he", "orthogonal 1")


def main() -> None:
    """Measures all cells, prints the tables and writes them."""
    parser = argparse.ArgumentParser(description="How well each layer's gain is predicted.")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts: list[str] = []
    every: list[float] = []
    for title, make in (("MLP, 20 x 256", mlp), ("CNN, 10 x 32 channels, batch normalisation, stride", cnn)):
        rows: list[list[str]] = []
        for activation in ACTIVATIONS:
            cells = [errors(make, activation, how, arguments.seeds) for how in INITIALISATIONS]
            rows.append([activation, *map(cell, cells)])
            every += [error for found in cells for error in found]
        parts += [f"## {title}", markdown(["", *INITIALISATIONS], rows)]
    worst = f"{100 * statistics.quantiles(every, n=10)[-1]:.1f} %"
    summary = f"{len(every)} layers: median error {100 * statistics.median(every):.1f} %, one in ten above {worst}."
    command = f"python -m benchmarks.predictions --seeds {arguments.seeds}"
    write("predictions", "Gain of each layer: predicted against measured", command, summary, *parts)


def mlp(activation: str, how: str) -> tuple[nn.Module, torch.Tensor]:
    """A plain chain."""
    hidden: list[nn.Module] = []
    for _ in range(20):
        linear = nn.Linear(256, 256)
        initialise(linear, how)
        hidden += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*hidden, nn.Linear(256, 10)), torch.randn(64, 256)


def cnn(activation: str, how: str) -> tuple[nn.Module, torch.Tensor]:
    """Zero padding, a stride, batch normalisation in every other layer, pooling."""
    hidden: list[nn.Module] = []
    for i in range(10):
        conv = nn.Conv2d(32 if i else 3, 32, 3, padding=1, stride=2 if i == 4 else 1)
        matrix = nn.Linear(conv.weight[0].numel(), 32)
        initialise(matrix, how)
        with torch.no_grad():
            conv.weight.copy_(matrix.weight.reshape(conv.weight.shape))
        hidden += [conv, *([nn.BatchNorm2d(32)] if i % 2 else []), ACTIVATIONS[activation]()]
    return nn.Sequential(*hidden, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)), torch.randn(16, 3, 20, 20)


def errors(make: object, activation: str, how: str, seeds: int) -> list[float]:
    """Relative errors of the gains of all layers."""
    found: list[float] = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model, x = make(activation, how)  # type: ignore[operator]
        batches = [(torch.randn_like(x), torch.randint(10, (len(x),))) for _ in range(9)]
        layers = headwater.diagnose(model, batches, nn.CrossEntropyLoss(), seed=seed).layers
        found += [abs(e.predicted_gain / e.gain - 1.0) for e in layers if e.predicted_gain is not None and e.gain]
    return found


def cell(found: list[float]) -> str:
    """Median and ninetieth percentile."""
    return f"{100 * statistics.median(found):.1f} %, {100 * statistics.quantiles(found, n=10)[-1]:.1f} %"


if __name__ == "__main__":
    main()
