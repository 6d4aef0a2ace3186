"""Data, outputs and losses that do not fit each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection import data as d
from benchmarks.detection.nets import init_, mlp
from benchmarks.detection.nets_sequence import Recurrent, Transformer
from benchmarks.detection.nets_vision import cnn
from benchmarks.detection.problem import Case, Factory, Family, Problem, adagrad, adam, adamw, sgd
from benchmarks.detection.tasks import ADAM, TASKS, make_problem


class Tail(nn.Module):
    """A function at the end of a network, as people write it in `forward`."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


Change = Callable[[Tensor], Tensor]


def make_network(kind: str, width: int, inputs: int, outputs: int, act: str, depth: int) -> nn.Module:
    if kind == "mlp":
        return init_(mlp(inputs, width, depth, outputs, act), "he" if act == "relu" else "xavier")
    if kind == "cnn":
        return init_(cnn(width, depth, outputs, act, pool_every=2), "he")
    if kind == "transformer":
        return Transformer(inputs, width, depth, outputs)
    return Recurrent(kind, inputs, width, outputs)


def fitted(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "mlp",
    task: str = "digits",
    width: int = 64,
    depth: int = 2,
    act: str = "relu",
    outputs: int | None = None,
    tail: Change | None = None,
    inputs: Change | None = None,
    targets: Change | None = None,
    loss: Any = None,
    score: Any = None,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 200,
) -> Problem:
    """A network of some kind; `inputs` and `targets` change the data, `tail` the output, `loss` the loss."""
    torch.manual_seed(seed)
    which = TASKS[task]
    model = make_network(kind, width * widen, which.inputs, outputs or which.outputs, act, depth)
    if tail is not None:
        model = nn.Sequential(model, Tail(tail))
    source = which.data().map(inputs, targets)
    return make_problem(
        model, which, seed=seed, opt=opt, batch=batch, steps=steps, data=source, loss_fn=loss, score=score
    )


def softmax(x: Tensor) -> Tensor:
    return x.softmax(-1)


def flat(y: Tensor) -> Tensor:
    return y.flatten()


def one_hot(y: Tensor) -> Tensor:
    return F.one_hot(y, 10).float()


def from_pixels(x: Tensor) -> Tensor:
    """Back from standardised pixels to bytes, 0 to 255."""
    return (x * 6.02 + 4.88) * (255 / 16)


def even(y: Tensor) -> Tensor:
    return (y % 2).float()[:, None]


def ninths(y: Tensor) -> Tensor:
    return y.float() / 9


def absolute_error(out: Tensor, y: Tensor) -> Tensor:
    return (out - y).abs().mean()


def squared_error(out: Tensor, y: Tensor) -> Tensor:
    """Written by hand: broadcasts without the warning of `F.mse_loss`."""
    return ((out - y) ** 2).mean()


def logistic(out: Tensor, y: Tensor) -> Tensor:
    """The logistic loss of labels 0 and 1, written by hand."""
    return F.softplus((1 - 2 * y) * out).mean()


def hinge(out: Tensor, y: Tensor) -> Tensor:
    return (1 - out * (2 * y - 1)).clamp_min(0).mean()


_half = d.binary(0.5, 0.5)
FIT = Family("data", fitted)

# Tables, a case in as few lines as it takes.
# fmt: off
MISMATCH: tuple[Case, ...] = (
    *FIT.pair("double-softmax-mlp", "HW603", "tune", {"width": 64, "opt": sgd(0.05, 0.9)}, {"tail": softmax}, {},
        effect="slow"),
    *FIT.pair("double-softmax-cnn", "HW603", "held_out",
        {"kind": "cnn", "task": "images", "width": 16, "opt": sgd(0.01, 0.9)}, {"tail": softmax}, {}, effect="slow"),
    *FIT.pair("double-softmax-transformer", "HW603", "held_out",
        {"kind": "transformer", "task": "tokens", "width": 32, "opt": adam(3e-3)}, {"tail": softmax}, {},
        effect="slow"),
    *FIT.pair("sigmoid-before-bce-with-logits", "HW603", "tune", {"task": "parity", "width": 32, "opt": sgd(0.05)},
        {"tail": torch.sigmoid, "score": _half}, {}, effect="slow"),
    *FIT.pair("nll-on-raw-logits", "HW603", "tune", {"width": 64, "loss": F.nll_loss, "opt": sgd(0.05, 0.9)}, {},
        {"tail": lambda x: x.log_softmax(-1)}, effect="worse"),
    *FIT.pair("nll-on-probabilities-gru", "HW603", "held_out",
        {"kind": "gru", "task": "rows", "width": 48, "loss": F.nll_loss, "opt": sgd(0.1, 0.9)}, {"tail": softmax},
        {"tail": lambda x: x.log_softmax(-1)}, effect="slow"),
    *FIT.pair("relu-on-regression-output", "HW603", "tune", {"task": "friedman", "opt": adam(3e-3)},
        {"tail": torch.relu}, {}, effect="worse"),
    *FIT.pair("sigmoid-on-regression-output", "HW603", "held_out",
        {"task": "friedman", "width": 128, "opt": adam(1e-3), "targets": lambda y: 5 + 3 * y, "steps": 400},
        {"tail": torch.sigmoid}, {}),
    *FIT.pair("one-unit-softmax", "HW603", "tune",
        {"task": "cancer", "loss": F.binary_cross_entropy, "score": d.binary(0.63, 0.5)}, {"tail": softmax},
        {"tail": torch.sigmoid}, accept=("HW602",)),
    *FIT.pair("one-unit-softmax-cnn", "HW603", "held_out",
        {"kind": "cnn", "task": "images", "width": 16, "outputs": 1, "loss": F.mse_loss, "score": _half,
         "targets": even},
        {"tail": softmax}, {"tail": torch.sigmoid}, accept=("HW602",)),
)

BROADCAST: tuple[Case, ...] = (
    *FIT.pair("broadcast-mse-mlp", "HW604", "tune", {"task": "friedman", "targets": flat, "loss": squared_error}, {},
        {"tail": lambda x: x.squeeze(-1)}),
    *FIT.pair("broadcast-target-column", "HW604", "held_out",
        {"task": "friedman", "loss": F.smooth_l1_loss, "width": 128, "opt": adamw(1e-3)},
        {"tail": lambda x: x.squeeze(-1)}, {}),
    *FIT.pair("broadcast-cnn", "HW604", "tune",
        {"kind": "cnn", "task": "images", "outputs": 1, "width": 16, "targets": ninths,
         "score": d.r_squared, "loss": squared_error, "opt": adam(5e-3)},
        {}, {"tail": flat}),
    *FIT.pair("broadcast-lstm-l1", "HW604", "held_out",
        {"kind": "lstm", "task": "rows", "outputs": 1, "width": 48, "targets": ninths,
         "score": d.r_squared, "loss": absolute_error, "opt": adam(5e-3), "batch": 32, "steps": 300},
        {}, {"tail": lambda x: x[:, 0]}),
    *FIT.pair("broadcast-logistic", "HW604", "tune",
        {"task": "cancer", "loss": logistic, "score": d.binary(0.63, 0.0), "opt": adam(3e-3)},
        {"targets": flat}, {}),
    *FIT.pair("broadcast-gru-huber", "HW604", "held_out",
        {"kind": "gru", "task": "rows", "outputs": 1, "width": 48, "targets": ninths,
         "score": d.r_squared, "loss": F.huber_loss, "opt": adam(5e-3), "batch": 32, "steps": 300},
        {}, {"tail": flat}),
)

UNSCALED: tuple[Case, ...] = (
    *FIT.pair("pixels-255-tanh", "HW605", "tune", {"act": "tanh", "opt": sgd(0.1), "width": 64, "depth": 4},
        {"inputs": from_pixels}, {}, effect="worse", accept=("HW302",)),
    *FIT.pair("pixels-255-cnn-sgd", "HW605", "held_out",
        {"kind": "cnn", "task": "images", "width": 16, "opt": sgd(0.01, 0.9)}, {"inputs": from_pixels}, {},
        accept=("HW102", "HW701")),
    *FIT.pair("pixels-255-lstm", "HW605", "tune", {"kind": "lstm", "task": "rows", "width": 48, "opt": sgd(0.2, 0.9)},
        {"inputs": from_pixels}, {}, effect="worse"),
    *FIT.pair("features-of-mixed-scale-wine", "HW605", "held_out", {"width": 32, "batch": 16, "opt": sgd(0.01, 0.9)},
        {"task": "wine-raw"}, {"task": "wine"}, accept=("HW301",)),
    *FIT.pair("features-of-mixed-scale-cancer", "HW605", "tune", {"act": "tanh", "width": 64, "opt": adagrad(0.01)},
        {"task": "cancer-raw"}, {"task": "cancer"}, effect="worse"),
    *FIT.pair("targets-of-1e5", "HW605", "tune", {"task": "friedman", "opt": adam(1e-3)},
        {"targets": lambda y: 1e5 * (y + 3)}, {}),
    *FIT.pair("targets-of-1e5-sgd", "HW605", "held_out",
        {"task": "friedman", "opt": sgd(0.01), "width": 128, "depth": 3}, {"targets": lambda y: 1e5 * (y + 3)}, {},
        accept=("HW701",),
        note="the second step already puts out 1e16"),
    *FIT.pair("scaled-twice", "HW605", "held_out", {"opt": sgd(0.1), "width": 100},
        {"inputs": lambda x: (x * 6.02 + 4.88) / 16 / 255 / 255}, {}, accept=("HW103",)),
    *FIT.pair("timestamps", "HW605", "held_out", {"task": "friedman", "opt": adam(1e-3), "width": 64},
        {"inputs": lambda x: 1.6e6 + x}, {}, accept=("HW103",)),
)

HEALTHY: tuple[Case, ...] = (
    FIT.healthy("log-softmax-then-cross-entropy", "tune", tail=lambda x: x.log_softmax(-1),
        note="harmless: the log-softmax of a log-softmax is itself"),
    FIT.healthy("sigmoid-on-bounded-regression", "held_out", task="friedman", tail=torch.sigmoid,
        targets=lambda y: torch.sigmoid(y), opt=adam(3e-3)),
    FIT.healthy("relu-on-positive-regression", "tune", task="friedman", tail=torch.relu, targets=lambda y: y + 4,
        opt=adam(3e-3), steps=400),
    FIT.healthy("softmax-with-squared-error", "held_out", tail=softmax, loss=lambda o, y: F.mse_loss(o, one_hot(y)),
        opt=adam(3e-3), note="a proper score (Brier), if not the usual one"),
    FIT.healthy("inputs-zero-to-one", "tune", task="digits-unit", opt=adam(2e-3)),
    FIT.healthy("inputs-zero-to-sixteen", "held_out", inputs=lambda x: x * 6.02 + 4.88, opt=adam(1e-3)),
    FIT.healthy("targets-of-fifty", "tune", task="friedman", targets=lambda y: 14 + 5 * y, opt=adam(1e-2), steps=400),
    FIT.healthy("outer-difference-wanted", "held_out", task="friedman", tail=lambda x: x.squeeze(-1), targets=flat,
        loss=lambda o, y: F.softplus(-(o[:, None] - o[None]) * (y[:, None] - y[None]).sign()).mean(),
        score=lambda m, b: _rank_score(m, b), note="a pairwise ranking loss broadcasts on purpose"),
    FIT.healthy("label-smoothing", "tune", kind="cnn", task="images", width=16,
        loss=lambda o, y: F.cross_entropy(o, y, label_smoothing=0.1)),
    FIT.healthy("hinge-converged", "held_out", task="parity", loss=hinge, opt=adam(3e-3), steps=300),
    FIT.healthy("squared-error-one-hot-sum", "tune", loss=lambda o, y: F.mse_loss(o, one_hot(y), reduction="sum"),
        opt=adam(1e-3)),
)
# fmt: on


def _rank_score(model: nn.Module, batch: Any) -> float:
    """Share of pairs in the right order, with chance at 0."""
    with torch.no_grad():
        out, y = model(batch[0]), batch[1]
    agree = ((out[:, None] - out[None]) * (y[:, None] - y[None]) > 0).float().mean()
    return max(0.0, 2 * float(agree) - 1)


CASES = MISMATCH + BROADCAST + UNSCALED + HEALTHY
