"""Recurrent networks whose gradient vanishes or explodes through time, and those that learn although it looks so."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from benchmarks.detection.data import accuracy, r_squared
from benchmarks.detection.nets_time import CELLS, DATA, Fused, Loop, start
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, sgd


def over_time(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "rnn",
    task: str = "recall",
    length: int = 50,
    width: int = 32,
    read: str = "last",
    layers: int = 1,
    init: str | None = None,
    amount: float = 1.0,
    opt: Factory | None = None,
    batch: int = 50,
    steps: int = 500,
) -> Problem:
    """One recurrent layer, fused or in a loop, over sequences of a known lag; `init` is that of `nets_time.start`."""
    torch.manual_seed(seed)
    make, inputs, outputs = DATA[task]
    data = make(length, 16000)
    loop = kind in CELLS or kind in ("tanh", "relu")
    model = (
        Loop(kind, inputs, width * widen, outputs)
        if loop
        else Fused(kind, inputs, width * widen, outputs, read=read, layers=layers)
    )
    start(model, init, amount, length)
    classes = not data.y.is_floating_point()
    return Problem(
        model,
        data.batches(batch, seed),
        data.test,
        accuracy(1.0 / outputs) if classes else r_squared,
        F.cross_entropy if classes else F.mse_loss,
        opt or adam(3e-3),
        steps,
    )


TIME = Family("through time", over_time)
ORTHOGONAL, CHRONO = {"init": "orthogonal"}, {"init": "chrono"}

# fmt: off
BROKEN: tuple[Case, ...] = (
    *TIME.pair("recall-rnn-50", "HW201", "tune", {"steps": 600}, {"kind": "rnn"}, {"kind": "gru", "init": "chrono"}),
    *TIME.pair("recall-lstm-40", "HW201", "held_out",
        {"kind": "lstm", "length": 40, "steps": 800}, {}, CHRONO),
    *TIME.pair("recall-gru-50", "HW201", "tune", {"kind": "gru", "steps": 600}, {}, CHRONO),
    *TIME.pair("recall-tanh-loop-30", "HW201", "tune", {"length": 30, "opt": adam(2e-3), "steps": 1000},
        {"kind": "tanh"}, {"kind": "lstm-cell", "init": "chrono"},
        note="gates that start open; orthogonal weights learned it with one seed of two"),
    *TIME.pair("recall-rnn-cell-36", "HW201", "held_out",
        {"kind": "rnn-cell", "length": 36, "opt": adam(2e-3), "steps": 800}, {}, ORTHOGONAL),
    *TIME.pair("recall-lstm-cell-40", "HW201", "held_out", {"kind": "lstm-cell", "length": 40, "steps": 600},
        {}, CHRONO),
    *TIME.pair("quiet-gru-two-layers-60", "HW201", "held_out",
        {"kind": "gru", "layers": 2, "task": "quiet", "length": 60}, {}, CHRONO),
    *TIME.pair("quiet-lstm-closed-gates", "HW201", "tune",
        {"kind": "lstm", "task": "quiet", "length": 40, "init": "gates"}, {"amount": -3.0}, {"amount": 3.0}),
    *TIME.pair("adding-rnn-100", "HW201", "held_out",
        {"task": "adding", "length": 100, "opt": adam(1e-3), "steps": 1500}, {"kind": "rnn"}, {"kind": "gru"},
        learns=0.3, note="the GRU starts with no longer a memory, and works its way to long lags"),
    *TIME.pair("recent-relu-identity-1.2", "HW202", "tune",
        {"kind": "rnn-relu", "task": "recent", "length": 80, "opt": sgd(0.01)},
        {"init": "identity", "amount": 1.2}, {"init": "identity", "amount": 0.6}, effect="diverges"),
    *TIME.pair("pixels-tanh-orthogonal-3", "HW202", "held_out", {"task": "pixels"},
        {"init": "orthogonal", "amount": 3.0}, ORTHOGONAL),
    *TIME.pair("pixels-rnn-normal", "HW202", "tune", {"task": "pixels"}, {"init": "normal", "amount": 1.0}, ORTHOGONAL),
    *TIME.pair("pixels-tanh-loop-normal", "HW202", "held_out", {"kind": "tanh", "task": "pixels"},
        {"init": "normal", "amount": 0.6}, ORTHOGONAL),
    *TIME.pair("quiet-lstm-normal", "HW202", "held_out", {"kind": "lstm", "task": "quiet", "length": 80, "steps": 1500},
        {"init": "normal", "amount": 1.5}, CHRONO),
    *TIME.pair("quiet-gru-cell-normal", "HW202", "tune", {"kind": "gru-cell", "task": "quiet", "length": 60},
        {"init": "normal", "amount": 2.0}, CHRONO),
    *TIME.pair("recent-relu-loop-1.3", "HW202", "held_out",
        {"kind": "relu", "task": "recent", "length": 60, "opt": sgd(0.01)},
        {"init": "identity", "amount": 1.3}, {"init": "identity", "amount": 0.5}, effect="diverges"),
)

HEALTHY: tuple[Case, ...] = (
    TIME.healthy("adding-lstm-40", "tune", tempts="HW201", kind="lstm", task="adding", length=40, opt=adam(1e-2),
        steps=900, note="the gradient at lag 40 is 1e-8 at the start; shorter lags teach first"),
    TIME.healthy("adding-gru-50", "held_out", tempts="HW201", kind="gru", task="adding", opt=adam(5e-3), steps=600),
    TIME.healthy("recent-rnn-100", "tune", tempts="HW201", task="recent", length=100, steps=300,
        note="long sequences, but only the last three inputs matter"),
    TIME.healthy("recent-tanh-loop-80", "held_out", tempts="HW201", kind="tanh", task="recent", length=80, steps=300),
    TIME.healthy("pixels-lstm", "held_out", tempts="HW201", kind="lstm", task="pixels", opt=adam(5e-3), steps=600),
    TIME.healthy("majority-gru-cell-60", "tune", tempts="HW201", kind="gru-cell", task="majority", length=60,
        opt=adam(5e-3), steps=600),
    TIME.healthy("majority-rnn-mean-60", "held_out", tempts="HW201", task="majority", length=60, read="mean", steps=300,
        note="the head reads every state: no input is far from the loss"),
    TIME.healthy("delayed-rnn-60", "tune", tempts="HW201", task="delayed", length=60, read="every", opt=adam(5e-3),
        steps=400, note="a loss at every step"),
    TIME.healthy("delayed-gru-80", "held_out", tempts="HW201", kind="gru", task="delayed", length=80, read="every",
        opt=adam(5e-3), steps=400),
    TIME.healthy("pixels-lstm-gates-4", "tune", tempts="HW202", kind="lstm", task="pixels", init="gates", amount=4.0,
        opt=adam(5e-3), steps=600),
    TIME.healthy("pixels-rnn-orthogonal-1.05", "held_out", tempts="HW202", task="pixels", init="orthogonal",
        amount=1.05, steps=600),
    TIME.healthy("pixels-gru-gates-3", "held_out", tempts="HW202", kind="gru", task="pixels", init="gates", amount=3.0,
        opt=adam(5e-3), steps=600),
    TIME.healthy("pixels-relu-loop-identity", "tune", tempts="HW202", kind="relu", task="pixels", init="identity",
        amount=0.98, opt=adam(3e-4), steps=1200),
    TIME.healthy("delayed-relu-identity", "held_out", tempts="HW202", kind="rnn-relu", task="delayed", length=60,
        read="every", init="identity", opt=adam(2e-3), steps=600),
)
# fmt: on

CASES = BROKEN + HEALTHY
