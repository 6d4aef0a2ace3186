"""Multilayer perceptrons: gradients that vanish or explode, dead, saturated and identical units."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.detection.nets import init_, mlp
from benchmarks.detection.problem import Case, Factory, Family, Problem, adagrad, adam, adamw, rmsprop, sgd
from benchmarks.detection.tasks import ADAM, TASKS, make_problem, with_tail


def perceptron(
    seed: int,
    widen: int = 1,
    *,
    task: str = "digits",
    act: str = "relu",
    depth: int = 3,
    width: int = 64,
    init: str | None = None,
    amount: float = 1.0,
    bias: float | None = 0.0,
    norm: str | None = None,
    dropout: float = 0.0,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 200,
    converge: int = 0,
    shift: float = 0.0,
    shifted: slice = slice(None),
    shock: Factory | None = None,
) -> Problem:
    """`shift` is added to the bias of the `shifted` units of each hidden layer; `shock` trains 20 steps too fast."""
    torch.manual_seed(seed)
    which = TASKS[task]
    model = mlp(which.inputs, width * widen, depth, which.outputs, act, norm=norm, dropout=dropout)
    init_(model, init, amount, bias=bias)
    if shift:
        for layer in [m for m in model if isinstance(m, nn.Linear)][:-1]:
            layer.bias.data[shifted] += shift
    with_tail(model, which)
    if shock is not None:
        make_problem(model, which, seed=seed, opt=shock, batch=batch, converge=20)
    return make_problem(model, which, seed=seed, opt=opt, batch=batch, steps=steps, converge=converge)


MLP = Family("mlp", perceptron)
_HE = {"act": "relu", "init": "he"}

# Tables, a case in as few lines as it takes.
# fmt: off
VANISHING: tuple[Case, ...] = (
    *MLP.pair("sigmoid-8x64-sgd", "HW101", "tune", {"depth": 8, "width": 64, "opt": sgd(0.1)}, {"act": "sigmoid"},
        _HE),
    *MLP.pair("sigmoid-20x256-adam", "HW101", "held_out", {"depth": 20, "width": 256, "opt": adam(3e-4)},
        {"act": "sigmoid"}, _HE),
    *MLP.pair("relu-default-30x100-adam", "HW101", "tune", {"depth": 30, "width": 100, "opt": adam(1e-3)},
        {"act": "relu"}, _HE),
    *MLP.pair("relu-default-40x128-rmsprop", "HW101", "held_out",
        {"depth": 40, "width": 128, "opt": rmsprop(1e-4), "steps": 300}, {"act": "relu"}, _HE),
    *MLP.pair("relu-xavier-30x100-sgd", "HW101", "tune",
        {"act": "relu", "depth": 30, "width": 100, "opt": sgd(1e-3, 0.9), "steps": 300}, {"init": "xavier"},
        {"init": "he"}),
    *MLP.pair("tanh-default-30x100-sgd", "HW101", "held_out",
        {"act": "tanh", "depth": 30, "width": 100, "opt": sgd(0.01, 0.9)}, {}, {"init": "xavier"}),
    *MLP.pair("sigmoid-10x32-binary", "HW101", "held_out",
        {"task": "cancer", "depth": 10, "width": 32, "opt": sgd(0.05, 0.9), "batch": 32}, {"act": "sigmoid"},
        {"act": "tanh", "init": "xavier"}),
    *MLP.pair("gelu-default-24x128-adamw", "HW101", "tune",
        {"act": "gelu", "depth": 24, "width": 128, "opt": adamw(3e-4)}, {}, {"init": "lecun", "amount": 1.5}),
    *MLP.pair("tiny-init-6x64-momentum", "HW101", "held_out", {"depth": 6, "opt": sgd(0.05, 0.9), "batch": 128},
        {"init": "normal", "amount": 1e-3}, {"init": "he"}),
    *MLP.pair("sigmoid-10x50-regression", "HW101", "tune",
        {"task": "friedman-smooth", "depth": 10, "width": 50, "opt": sgd(0.1, 0.9)}, {"act": "sigmoid"},
        {"act": "relu", "init": "he"}),
    *MLP.pair("tanh-default-60x16-default-optimizer", "HW101", "held_out",
        {"act": "tanh", "depth": 60, "width": 16, "opt": None, "batch": 8, "steps": 400, "task": "parity"}, {},
        {"init": "orthogonal"}, learns=0.4),
    *MLP.pair("sigmoid-layernorm-8x100-sgd", "HW101", "tune",
        {"depth": 8, "width": 100, "norm": "layer", "opt": sgd(0.01)}, {"act": "sigmoid"}, {"act": "relu"}),
    *MLP.pair("sigmoid-bce-12x512", "HW101", "held_out",
        {"task": "parity-bce", "depth": 12, "width": 512, "opt": adam(1e-4), "batch": 32, "steps": 150},
        {"act": "sigmoid"}, {"act": "selu", "init": "lecun"}),
)

EXPLODING: tuple[Case, ...] = (
    *MLP.pair("normal-init-8x128-sgd", "HW102", "tune", {"depth": 8, "width": 128, "opt": sgd(1e-2, 0.9)},
        {"init": "normal", "amount": 1.0}, {"init": "he"}, accept=("HW701",)),
    *MLP.pair("he-gain-3-12x256-adam", "HW102", "held_out",
        {"depth": 12, "width": 256, "opt": ADAM, "task": "friedman", "steps": 300}, {"init": "he", "amount": 3.0},
        {"init": "he"}, accept=("HW701",)),
    *MLP.pair("leaky-gain-2-20x32-sgd", "HW102", "held_out",
        {"act": "leaky", "depth": 20, "width": 32, "opt": sgd(3e-3, 0.9), "batch": 16, "steps": 500},
        {"init": "he", "amount": 2.0}, {"init": "he"}, accept=("HW701",)),
    *MLP.pair("elu-normal-6x200-momentum", "HW102", "tune",
        {"act": "elu", "depth": 6, "width": 200, "opt": sgd(2e-3, 0.9), "task": "parity"},
        {"init": "normal", "amount": 0.5}, {"init": "lecun", "amount": 1.1}, accept=("HW701",)),
)

DEAD: tuple[Case, ...] = (
    *MLP.pair("dead-bias-3x64", "HW301", "tune", {"init": "he"}, {"shift": -20.0}, {"shift": 0.0}),
    *MLP.pair("dead-after-shock-4x100", "HW301", "tune", {"depth": 4, "width": 100, "init": "he", "opt": sgd(0.05)},
        {"shock": adam(3.0)}, {"shock": adam(1e-3)}),
    *MLP.pair("dead-negative-weights-3x128", "HW301", "held_out",
        {"task": "digits-unit", "depth": 3, "width": 128, "opt": sgd(0.1, 0.9)}, {"init": "negative", "amount": 0.1},
        {"init": "he"}),
    *MLP.pair("dead-relu6-top-3x256", "HW301", "held_out",
        {"act": "relu6", "depth": 3, "width": 256, "init": "he", "opt": adam(1e-3)}, {"shift": 40.0}, {"shift": 0.0}),
    *MLP.pair("dead-most-units-8x64", "HW301", "held_out", {"depth": 8, "width": 64, "init": "he", "opt": sgd(0.02)},
        {"shift": -30.0, "shifted": slice(0, 56)}, {"shift": 0.0}, effect="worse"),
)

SATURATED: tuple[Case, ...] = (
    *MLP.pair("tanh-normal-4x256", "HW302", "tune", {"act": "tanh", "depth": 4, "width": 256, "opt": sgd(0.01)},
        {"init": "normal", "amount": 5.0}, {"init": "xavier"}),
    *MLP.pair("sigmoid-normal-3x128", "HW302", "held_out",
        {"act": "sigmoid", "depth": 3, "width": 128, "opt": adam(1e-3)}, {"init": "normal", "amount": 40.0},
        {"init": "xavier", "amount": 3.0}),
    *MLP.pair("sigmoid-shifted-2x64", "HW302", "tune",
        {"act": "sigmoid", "depth": 2, "width": 64, "opt": adam(3e-3), "task": "cancer"}, {"shift": 25.0},
        {"shift": 0.0}),
    *MLP.pair("tanh-shifted-5x100-regression", "HW302", "held_out",
        {"task": "friedman", "act": "tanh", "depth": 5, "width": 100, "init": "xavier", "opt": adam(1e-3)},
        {"shift": -12.0}, {"shift": 0.0}),
    *MLP.pair("gelu-shifted-4x64", "HW302", "tune", {"act": "gelu", "depth": 4, "width": 64, "opt": adam(1e-3)},
        {"shift": -8.0}, {"shift": 0.0}),
    *MLP.pair("elu-shifted-3x128", "HW302", "held_out",
        {"act": "elu", "depth": 3, "width": 128, "init": "he", "opt": sgd(0.05, 0.9)}, {"shift": -12.0},
        {"shift": 0.0}, effect="slow"),
)

COLLAPSED: tuple[Case, ...] = (
    *MLP.pair("bias-of-ten-thousand", "HW103", "tune", {"init": "he", "opt": adam(1e-3)}, {"shift": 1e4},
        {"shift": 0.0}),
)

SYMMETRIC: tuple[Case, ...] = (
    *MLP.pair("constant-3x64", "HW607", "tune", {}, {"init": "constant", "amount": 0.02}, {"init": "he"}),
    *MLP.pair("zero-4x100-tanh", "HW607", "held_out", {"act": "tanh", "depth": 4, "width": 100},
        {"init": "constant", "amount": 0.0}, {"init": "xavier"}, accept=("HW602",)),
    *MLP.pair("ones-2x32-sigmoid", "HW607", "held_out",
        {"act": "sigmoid", "depth": 2, "width": 32, "opt": adam(3e-3), "steps": 400},
        {"init": "constant", "amount": 0.1}, {"init": "xavier"}),
)

HEALTHY: tuple[Case, ...] = (
    MLP.healthy("relu-default-4x100", "tune", depth=4, width=100, opt=sgd(0.1), steps=400,
        note="default initialisation loses 59 % a layer, and four layers train all the same"),
    MLP.healthy("tanh-default-5x64-adam", "held_out", act="tanh", depth=5, width=64),
    MLP.healthy("sigmoid-2x64-adam", "tune", act="sigmoid", depth=2, width=64, opt=adam(3e-3), steps=300),
    MLP.healthy("sigmoid-1x256-momentum", "held_out", act="sigmoid", depth=1, width=256, opt=sgd(0.1, 0.9)),
    MLP.healthy("batchnorm-relu-30x100", "tune", depth=30, width=100, norm="batch", opt=sgd(0.01), steps=300,
        note="the gradient grows 1.21 a layer, harmlessly: normalised weights have no scale"),
    MLP.healthy("batchnorm-relu-20x256-b512", "held_out", depth=20, width=256, norm="batch", batch=512,
        opt=sgd(0.05, 0.9), steps=50),
    MLP.healthy("layernorm-relu-12x128", "held_out", depth=12, width=128, norm="layer", opt=adam(3e-4)),
    MLP.healthy("selu-30x128", "tune", act="selu", depth=30, width=128, init="lecun", opt=adam(1e-4), steps=300),
    MLP.healthy("gelu-he-16x200", "held_out", act="gelu", depth=16, width=200, init="lecun", amount=1.5,
        opt=adam(3e-4)),
    MLP.healthy("gelu-sparse-3x128", "held_out", act="gelu", depth=3, width=128, init="he", shift=-1.5, opt=adam(1e-3),
        tempts="HW302", note="most units are flat on most samples"),
    MLP.healthy("silu-sparse-3x256", "tune", act="silu", depth=3, width=256, init="he", shift=-3.0, opt=adam(3e-3),
        tempts="HW302", note="every unit has a slope under a tenth on every sample, and Adam trains all the same"),
    MLP.healthy("orthogonal-tanh-50x64", "tune", act="tanh", depth=50, width=64, init="orthogonal", opt=adam(3e-4)),
    MLP.healthy("dropout-half-4x256", "held_out", depth=4, width=256, init="he", dropout=0.5, steps=300),
    MLP.healthy("sigmoid-output-bce", "tune", task="parity-bce", depth=3, width=64),
    MLP.healthy("nll-log-softmax", "held_out", task="digits-nll", depth=3, width=64, batch=32),
    MLP.healthy("hinge-loss", "tune", task="parity-hinge", depth=2, width=64),
    MLP.healthy("adagrad-3x128", "held_out", depth=3, width=128, opt=adagrad(0.02)),
    MLP.healthy("converged-3x64-adam", "tune", depth=3, width=64, converge=600,
        note="the loss is nearly zero: every gradient is small, and nothing is wrong"),
    MLP.healthy("converged-6x128-sgd", "held_out", depth=6, width=128, init="he", opt=sgd(0.05, 0.9), converge=600),
    MLP.healthy("converged-regression", "held_out", task="friedman", depth=3, width=64, converge=600, batch=128),
    MLP.healthy("relu-output-positive-hidden-16", "tune", task="wine", depth=2, width=16, batch=16, opt=adam(3e-3)),
    MLP.healthy("linear-model", "held_out", depth=0, width=16, opt=sgd(0.1)),
    MLP.healthy("deep-linear-20x64", "tune", act="linear", depth=20, width=64, init="orthogonal", opt=adam(3e-4),
        note="no activation at all"),
    MLP.healthy("batch-8", "held_out", depth=3, width=32, batch=8, opt=sgd(0.02, 0.9), steps=400),
)
# fmt: on

CASES = VANISHING + EXPLODING + DEAD + SATURATED + COLLAPSED + SYMMETRIC + HEALTHY
