"""Measured gain per layer of 12 activations under 6 initialisations, against mean field and a Monte Carlo reference.

    python -m benchmarks.gains [--width 1000] [--depth 50] [--seeds 1]

The reference numbers are those of Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017 ("Deep Information
Propagation", arXiv 1611.01232): the geometric mean of sqrt(chi_1(q_l)) along the trajectory of q from q_0 = 1. Six of
the 72 cells (marked) have an unstable fixed point of q, which amplifies fluctuations of width 1/N with depth.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.tables import markdown, write
from headwater.study.literature.gains import itemised, mean_gain

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky .01": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
}
INITIALISATIONS = ("default", "xavier", "lecun", "he", "orthogonal 1", "orthogonal sqrt2")

PREDICTED: dict[str, tuple[float, ...]] = {
    "linear": (0.5774, 1.0000, 1.0000, 1.4142, 1.0000, 1.4142),
    "sigmoid": (0.1413, 0.2355, 0.2355, 0.3167, 0.2355, 0.3167),
    "tanh": (0.5736, 0.9578, 0.9578, 1.0424, 0.9578, 1.0424),
    "relu": (0.4082, 0.7071, 0.7071, 1.0000, 0.7071, 1.0000),
    "leaky .01": (0.4083, 0.7071, 0.7071, 1.0000, 0.7071, 1.0000),
    "elu": (0.5688, 0.9440, 0.9440, 1.0551, 0.9440, 1.0551),
    "selu": (0.8079, 1.0352, 1.0352, 1.1141, 1.0352, 1.1141),
    "gelu": (0.2903, 0.5076, 0.5076, 0.7698, 0.5076, 0.7698),
    "silu": (0.2895, 0.5040, 0.5040, 0.7288, 0.5040, 0.7288),
    "softplus": (0.2949, 0.5375, 0.5375, 0.8911, 0.5375, 0.8911),
    "mish": (0.3473, 0.6045, 0.6045, 0.9034, 0.6045, 0.9034),
    "hardswish": (0.2891, 0.5028, 0.5028, 0.7231, 0.5028, 0.7231),
}
UNSTABLE = {(a, i) for a in ("gelu", "softplus", "mish") for i in ("he", "orthogonal sqrt2")}
TOLERANCE = 0.01


def initialise(layer: nn.Linear, how: str) -> None:
    """Draws weight and bias of one layer."""
    n = layer.in_features
    if how == "default":
        return  # nn.Linear draws U(-1/sqrt(n), 1/sqrt(n)) itself
    nn.init.zeros_(layer.bias)
    if how == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    elif how == "lecun":
        nn.init.normal_(layer.weight, std=math.sqrt(1.0 / n))
    elif how == "he":
        nn.init.normal_(layer.weight, std=math.sqrt(2.0 / n))
    else:
        nn.init.orthogonal_(layer.weight, gain=1.0 if how == "orthogonal 1" else math.sqrt(2.0))


def measured_gain(network: nn.Sequential, width: int) -> float:
    """Geometric mean of the layers' gains for a random gradient at the last pre-activation."""
    return mean_gain(itemised(network, torch.randn(16, width, dtype=torch.float64)))


def table(width: int, depth: int, seeds: int) -> dict[tuple[str, str], list[float]]:
    """Measures every cell. The linear layers of one initialisation are shared by all activations."""
    found: dict[tuple[str, str], list[float]] = {}
    for how in INITIALISATIONS:
        for seed in range(seeds):
            torch.manual_seed(seed)
            linears = [nn.Linear(width, width).double() for _ in range(depth)]
            for linear in linears:
                initialise(linear, how)
            for name, activation in ACTIVATIONS.items():
                stack: list[nn.Module] = [linears[0]]
                for linear in linears[1:]:
                    stack += [activation(), linear]
                found.setdefault((name, how), []).append(measured_gain(nn.Sequential(*stack), width))
            print(f"  {how}, seed {seed}: done", file=sys.stderr)
    return found


def main() -> int:
    """Prints and writes the table; returns 1 when a stable cell is off by more than one per cent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = table(args.width, args.depth, args.seeds)
    rows, worst = [], 0.0
    for name in ACTIVATIONS:
        row = [name]
        for i, how in enumerate(INITIALISATIONS):
            mean = sum(found[name, how]) / len(found[name, how])
            error = mean / PREDICTED[name][i] - 1.0
            unstable = (name, how) in UNSTABLE
            worst = worst if unstable else max(worst, abs(error))
            row.append(
                f"{PREDICTED[name][i]:.4f} / {mean:.4f} ({100 * error:+.2f} %{', unstable' if unstable else ''})"
            )
        rows.append(row)
    summary = f"Worst error of the 66 stable cells: {100 * worst:.2f} % (limit {100 * TOLERANCE:.0f} %)."
    command = f"python -m benchmarks.gains --width {args.width} --depth {args.depth} --seeds {args.seeds}"
    write("gains", "Gain per layer: mean field / measured", command, summary, markdown(["", *INITIALISATIONS], rows))
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
