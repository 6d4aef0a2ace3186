"""The gradient through time: the gains of recurrent layers against reference numbers, exactness, and cost.

    python -m benchmarks.through_time [--seeds 5] [--rounds 9]

Gains: geometric mean of |dloss/dh_t| / |dloss/dh_t+1| over lags 10 to 40, of a layer on noise of 32 features under a
loss on the last step (T = 100, batch 32, float64). The reference numbers are means of 5 seeds, measured by autograd
through unrolled cells in another program. Narrow layers differ more between seeds and get four times as many.

Exactness: the replay against autograd through unrolled cells. Cost: one replay beside one plain forward and backward
pass (T = 200, H = 128, batch 32), interleaved in one process.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.tables import markdown, write
from headwater.measure.through_time.capture import Captured, capture, prepared
from headwater.measure.through_time.replay import replay
from headwater.measure.through_time.summary import log_norms
from headwater.study.sequences.memory import replayed

STEPS, BATCH, FEATURES = 100, 32, 32
TOLERANCE, ERRORS = 0.03, 3.0
"""A gain may differ from its reference by this share, or by so many standard errors of both means if that is more."""
REFERENCE_SEEDS, NARROW = 5, 64
MOST_COST = 4.0

Change = Callable[[nn.RNNBase], None]


def _fill(layer: nn.RNNBase, gate: int, value: float | Tensor) -> None:
    """Sets one gate's bias, which PyTorch keeps twice."""
    width = layer.hidden_size
    layer.bias_ih_l0[gate * width : (gate + 1) * width] = value
    layer.bias_hh_l0[gate * width : (gate + 1) * width] = 0.0


def _orthogonal(layer: nn.RNNBase) -> None:
    for block in layer.weight_hh_l0.split(layer.hidden_size):
        block.copy_(nn.init.orthogonal_(torch.empty_like(block)))


def _identity(layer: nn.RNNBase) -> None:
    nn.init.eye_(layer.weight_hh_l0)
    nn.init.normal_(layer.weight_ih_l0, std=0.001)
    layer.bias_ih_l0.zero_()
    layer.bias_hh_l0.zero_()


def _chrono(layer: nn.RNNBase) -> None:
    bias = torch.empty(layer.hidden_size, dtype=torch.float64).uniform_(1, 99).log()
    layer.bias_ih_l0.zero_()
    layer.bias_hh_l0.zero_()
    _fill(layer, 1, bias)
    _fill(layer, 0, -bias)


def _keras(layer: nn.RNNBase) -> None:
    _orthogonal(layer)
    _fill(layer, 1, 1.0)


RNN, LSTM, GRU = nn.RNN, nn.LSTM, nn.GRU
RELU: dict[str, Any] = {"nonlinearity": "relu"}
ROWS: tuple[tuple[str, type[nn.RNNBase], dict[str, Any], int, Change | None, float], ...] = (
    ("RNN tanh", RNN, {}, 64, None, 0.526),
    ("RNN tanh", RNN, {}, 128, None, 0.538),
    ("RNN tanh", RNN, {}, 256, None, 0.557),
    ("RNN relu", RNN, RELU, 64, None, 0.407),
    ("RNN relu", RNN, RELU, 128, None, 0.410),
    ("RNN relu", RNN, RELU, 256, None, 0.406),
    ("LSTM", LSTM, {}, 64, None, 0.619),
    ("LSTM", LSTM, {}, 128, None, 0.631),
    ("LSTM", LSTM, {}, 256, None, 0.631),
    ("GRU", GRU, {}, 64, None, 0.626),
    ("GRU", GRU, {}, 128, None, 0.634),
    ("GRU", GRU, {}, 256, None, 0.635),
    ("RNN tanh, orthogonal", RNN, {}, 128, _orthogonal, 0.844),
    ("RNN relu, identity", RNN, RELU, 128, _identity, 0.994),
    ("LSTM, forget bias 1", LSTM, {}, 128, lambda layer: _fill(layer, 1, 1.0), 0.847),
    ("LSTM, forget bias 2", LSTM, {}, 128, lambda layer: _fill(layer, 1, 2.0), 0.972),
    ("LSTM, forget bias 5", LSTM, {}, 128, lambda layer: _fill(layer, 1, 5.0), 1.016),
    ("LSTM, chrono to 100", LSTM, {}, 128, _chrono, 0.966),
    ("LSTM, orthogonal and forget bias 1", LSTM, {}, 128, _keras, 0.925),
    ("GRU, update bias 1", GRU, {}, 128, lambda layer: _fill(layer, 1, 1.0), 0.793),
    ("GRU, update bias 3", GRU, {}, 128, lambda layer: _fill(layer, 1, 3.0), 0.955),
)


def gain(kind: type[nn.RNNBase], options: dict[str, Any], width: int, change: Change | None, seed: int) -> float:
    torch.manual_seed(seed)
    layer = kind(FEATURES, width, **options).double()
    if change is not None:
        with torch.no_grad():
            change(layer)
    x = torch.randn(STEPS, BATCH, FEATURES, dtype=torch.float64)
    aim = torch.randn(BATCH, width, dtype=torch.float64)
    (scan,) = replayed(layer, lambda: (layer(x)[0][-1] * aim).sum())
    logs = log_norms(scan.total, None, reverse=False)
    return math.exp((logs[STEPS - 40] - logs[STEPS - 10]) / 30)


def gains(seeds: int) -> tuple[str, float]:
    """The table of gains, and the worst error as a share of what is allowed."""
    rows, worst = [], 0.0
    for name, kind, options, width, change, reference in ROWS:
        found = [gain(kind, options, width, change, seed) for seed in range(seeds * (4 if width <= NARROW else 1))]
        mean = statistics.fmean(found)
        error = mean / reference - 1
        spread = statistics.stdev(found) * math.sqrt(1 / len(found) + 1 / REFERENCE_SEEDS) / mean
        worst = max(worst, abs(error) / max(TOLERANCE, ERRORS * spread))
        horizon = f"{-1 / math.log(mean):.1f}" if mean < 1 else "none"
        row = (
            name,
            width,
            f"{reference:.3f}",
            f"{mean:.3f}",
            f"{100 * error:+.1f} %",
            f"{min(found):.3f} to {max(found):.3f}",
        )
        rows.append((*row, horizon))
        print(*rows[-1], file=sys.stderr)
    return markdown(["layer", "H", "reference", "measured", "error", "seeds", "memory horizon"], rows), worst


def exactness() -> tuple[str, float]:
    """Worst error of a replay against autograd through unrolled cells, by kind, relative to the largest gradient."""
    rows, worst = [], 0.0
    for name, kind, options, cell in (
        ("RNN tanh", RNN, {}, nn.RNNCell),
        ("RNN relu", RNN, RELU, nn.RNNCell),
        ("LSTM", LSTM, {}, nn.LSTMCell),
        ("GRU", GRU, {}, nn.GRUCell),
    ):
        torch.manual_seed(0)
        layer = kind(FEATURES, 64, **options).double()
        x = torch.randn(60, 8, FEATURES, dtype=torch.float64)
        aim = torch.randn(60, 8, 64, dtype=torch.float64)
        (scan,) = replayed(layer, lambda layer=layer, x=x, aim=aim: (layer(x)[0] * aim).sum())
        expected = _unrolled(layer, cell(FEATURES, 64, **options).double(), x, aim)
        error = float((scan.total - expected).abs().max() / expected.abs().max())
        worst = max(worst, error)
        rows.append((name, f"{error:.1e}"))
    return markdown(["layer", "largest error"], rows), worst


def _unrolled(layer: nn.RNNBase, cell: nn.RNNCellBase, x: Tensor, aim: Tensor) -> Tensor:
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    h = c = x.new_zeros(x.shape[1], layer.hidden_size)
    states: list[Tensor] = []
    for step in x:
        if isinstance(cell, nn.LSTMCell):
            h, c = cell(step, (h, c))
        else:
            h = cell(step, h)
        h.retain_grad()
        states.append(h)
    sum(((h * a).sum() for h, a in zip(states, aim, strict=True)), x.new_zeros(())).backward()
    return torch.stack([h.grad for h in states if h.grad is not None])


def cost(rounds: int) -> tuple[str, float]:
    """Median over rounds of the replay's time over that of a plain pass; both in float32, as in training."""
    rows, worst = [], 0.0
    for name, kind in (("RNN tanh", RNN), ("LSTM", LSTM), ("GRU", GRU)):
        for read in ("last step", "every step"):
            torch.manual_seed(0)
            layer, x = kind(128, 128), torch.randn(200, 32, 128)
            plain, replays = [], []
            for _ in range(rounds):
                loss = _loss(read)
                start = time.perf_counter()
                loss(layer(x)[0]).backward()
                plain.append(time.perf_counter() - start)
                calls: dict[str, list[Captured]] = {}
                with capture(nn.ModuleDict({"layer": layer}), calls):
                    out = layer(x)[0]
                loss(out).backward()
                start = time.perf_counter()
                replay(layer, *prepared(calls["layer"][0]), torch.Generator())
                replays.append(time.perf_counter() - start)
            ratio = statistics.median(b / a for a, b in zip(plain, replays, strict=True))
            worst = max(worst, ratio)
            rows.append((name, read, f"{1e3 * statistics.median(plain):.0f} ms", f"{ratio:.2f}"))
    return markdown(["layer", "loss reads", "plain pass", "replay / plain pass"], rows), worst


def _loss(read: str) -> Callable[[Tensor], Tensor]:
    return lambda out: (out[-1] if read == "last step" else out).square().sum()


def main() -> int:
    """Prints and writes the tables; returns 1 when a number is out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    (table, error), (exact, off), (costs, ratio) = gains(args.seeds), exactness(), cost(args.rounds)
    write(
        "through-time",
        "Gradient through time",
        f"python -m benchmarks.through_time --seeds {args.seeds} --rounds {args.rounds}",
        f"## Gain per step\n\nLargest error as a share of what is allowed (the larger of {100 * TOLERANCE:.0f} % and "
        f"{ERRORS:.0f} standard errors of the two means): {error:.2f}.",
        table,
        "## Exactness\n\nAgainst autograd through unrolled cells in float64, all steps (T = 60, H = 64); the tests "
        "hold every configuration (layers, directions, packed sequences, projections, dropout) to the same standard, "
        "and to finite differences.",
        exact,
        f"## Cost\n\nWorst ratio: {ratio:.2f} (limit {MOST_COST:.0f}). A diagnosis replays at most 16 sequences of a "
        "batch, on two of its steps.",
        costs,
    )
    return int(error > 1 or off > 1e-6 or ratio > MOST_COST)


if __name__ == "__main__":
    sys.exit(main())
