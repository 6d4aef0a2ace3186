"""Recurrent networks and transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.detection.nets import init_, mlp
from benchmarks.detection.nets_sequence import Recurrent, Transformer, Unrolled, library_transformer
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, adamw, rmsprop, sgd
from benchmarks.detection.tasks import ADAM, ADAM_3, TASKS, make_problem


def recurrent(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "lstm",
    width: int = 32,
    layers: int = 1,
    task: str = "rows",
    forget: float | None = None,
    init: str | None = None,
    amount: float = 1.0,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 150,
) -> Problem:
    """A fused recurrent layer over rows of pixels, or over embedded tokens (`chain`)."""
    torch.manual_seed(seed)
    which = TASKS[task]
    width = width * widen
    model: nn.Module = Recurrent(
        kind,
        width if task == "chain" else which.inputs,
        width,
        which.outputs,
        layers=layers,
        every_step=task == "chain",
    )
    if forget is not None:
        model.rnn.bias_ih_l0.data[width : 2 * width] = forget
    init_(model, init, amount)
    if task == "chain":
        model = nn.Sequential(nn.Embedding(which.inputs, width), model)
    return make_problem(model, which, seed=seed, opt=opt, batch=batch, steps=steps)


def unrolled(
    seed: int,
    widen: int = 1,
    *,
    width: int = 48,
    act: str = "tanh",
    front: str | None = None,
    front_depth: int = 8,
    recur: float = 1.0,
    bias: float = 0.0,
    every: float | None = None,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 150,
) -> Problem:
    """A cell in a loop; `front` is a perceptron over each row before it; `every` fills all weights."""
    torch.manual_seed(seed)
    width = width * widen
    before = None if front is None else mlp(8, width, front_depth, width, front)
    if front == "relu" and before is not None:
        init_(before, "he")
    model = Unrolled(8 if front is None else width, width, 10, act, front=before)
    model.recur.weight.data.mul_(recur)
    model.inner.weight.data.mul_(recur)
    model.inner.bias.data.add_(bias)
    if every is not None:
        init_(model, "constant", every)
    return make_problem(model, TASKS["rows"], seed=seed, opt=opt, batch=batch, steps=steps)


def transformer(
    seed: int,
    widen: int = 1,
    *,
    task: str = "tokens",
    width: int = 32,
    depth: int = 2,
    init: str | None = None,
    amount: float = 1.0,
    feed_bias: float = 0.0,
    feed_scale: float = 1.0,
    opt: Factory | None = ADAM_3,
    batch: int = 64,
    steps: int = 200,
    **options: Any,
) -> Problem:
    """Our transformer; `feed_bias` and `feed_scale` change the inner layer of every feed-forward part."""
    torch.manual_seed(seed)
    which = TASKS[task]
    language = task == "chain"
    model = Transformer(
        which.inputs, width * widen, depth, which.outputs, pool=not language, causal=language, **options
    )
    init_(model, init, amount)
    for block in model.blocks:
        block.feed[0].bias.data.add_(feed_bias)
        block.feed[0].weight.data.mul_(feed_scale)
    return make_problem(model, which, seed=seed, opt=opt, batch=batch, steps=steps)


def library(seed: int, widen: int = 1, *, norm_first: bool, depth: int = 3, opt: Factory = ADAM_3) -> Problem:
    torch.manual_seed(seed)
    model = library_transformer(32 * widen, depth, 10, norm_first)
    return make_problem(model, TASKS["patches"], seed=seed, opt=opt, steps=150)


def sparse(seed: int, widen: int = 1) -> Problem:
    """An embedding with sparse gradients, most of whose rows no batch touches."""
    torch.manual_seed(seed)
    width = 32 * widen
    model = nn.Sequential(nn.Embedding(5000, width, sparse=True), nn.Flatten(), nn.Linear(16 * width, 10))
    return make_problem(model, TASKS["tokens"], seed=seed, opt=sgd(0.5), steps=300)


class FlatBag(nn.Module):
    """Mean of embeddings with a padding token, then a linear head."""

    def __init__(self, width: int):
        super().__init__()
        self.embed = nn.Embedding(17 * 16, width, padding_idx=0)
        self.head = nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embed(tokens + 17 * torch.arange(16)).mean(1))


def bag(seed: int, widen: int = 1) -> Problem:
    torch.manual_seed(seed)
    return make_problem(FlatBag(32 * widen), TASKS["tokens"], seed=seed, opt=adam(1e-2), steps=200)


FUSED = Family("rnn", recurrent)
CELL = Family("rnn", unrolled)
TRANSFORMER = Family("transformer", transformer)

# Tables, a case in as few lines as it takes.
# fmt: off
BROKEN: tuple[Case, ...] = (
    *CELL.pair("rnn-behind-sigmoid-stack", "HW101", "tune", {"opt": sgd(0.05, 0.9)}, {"front": "sigmoid"},
        {"front": "relu"}),
    *TRANSFORMER.pair("transformer-no-skip-sigmoid", "HW101", "held_out",
        {"depth": 6, "order": "none", "act": "sigmoid", "steps": 250}, {"skip": False}, {"skip": True},
        accept=("HW104",), note="without skips positions become equal too"),
    *TRANSFORMER.pair("transformer-no-skip-default", "HW101", "tune",
        {"depth": 6, "width": 48, "order": "none", "opt": adam(1e-3)}, {"skip": False}, {"skip": True},
        accept=("HW104",), note="without skips positions become equal too"),
    *TRANSFORMER.pair("transformer-normal-no-norm", "HW102", "tune",
        {"depth": 4, "width": 64, "order": "none", "opt": sgd(2e-2, 0.9), "steps": 250},
        {"init": "normal", "amount": 0.5}, {}, accept=("HW701",)),
    *CELL.pair("rnn-dead-relu", "HW301", "held_out", {"act": "relu", "opt": adam(1e-3)}, {"bias": -30.0},
        {"bias": 0.0}),
    *TRANSFORMER.pair("transformer-dead-feed-forward", "HW301", "tune", {"act": "relu", "depth": 3},
        {"feed_bias": -40.0}, {"feed_bias": 0.0}, effect="part", part="blocks.0.feed.0"),
    *CELL.pair("rnn-saturated", "HW302", "tune", {"width": 64, "opt": sgd(0.05, 0.9)}, {"recur": 150.0},
        {"recur": 1.0}, effect="worse"),
    *TRANSFORMER.pair("transformer-saturated-feed-forward", "HW302", "held_out",
        {"act": "tanh", "depth": 3, "opt": sgd(0.05, 0.9), "steps": 300}, {"feed_scale": 1e4}, {"feed_scale": 1.0},
        ),
    *CELL.pair("rnn-constant", "HW607", "tune", {}, {"every": 0.05}, {}),
    *FUSED.pair("lstm-constant", "HW607", "held_out", {"kind": "lstm", "opt": adam(3e-3)},
        {"init": "constant", "amount": 0.1}, {},
        note="units are equal within a gate, while the four gates differ"),
    *TRANSFORMER.pair("transformer-zero", "HW607", "tune", {"depth": 2}, {"init": "constant", "amount": 0.0}, {},
        accept=("HW602",)),
)

HEALTHY: tuple[Case, ...] = (
    FUSED.healthy("lstm-rows", "tune", kind="lstm", width=64, opt=adam(3e-3)),
    FUSED.healthy("gru-rows", "held_out", kind="gru", width=32, opt=adam(3e-3), batch=32),
    FUSED.healthy("rnn-rows", "tune", kind="rnn", width=64, opt=adam(3e-3)),
    FUSED.healthy("lstm-forget-bias", "held_out", kind="lstm", forget=2.0, opt=rmsprop(2e-3)),
    FUSED.healthy("gru-two-layers", "tune", kind="gru", layers=2, width=48, opt=adam(3e-3)),
    FUSED.healthy("lstm-language-model", "held_out", kind="lstm", task="chain", opt=adam(1e-2), learns=0.6),
    CELL.healthy("unrolled-tanh", "held_out", opt=sgd(0.05, 0.9)),
    TRANSFORMER.healthy("transformer-pre-8", "tune", depth=8, order="pre", opt=adam(1e-3)),
    TRANSFORMER.healthy("transformer-post-4", "held_out", depth=4, order="post", opt=adam(5e-4), steps=300),
    TRANSFORMER.healthy("transformer-gelu-wide", "tune", width=128, depth=2, act="gelu", opt=adamw(1e-3)),
    TRANSFORMER.healthy("causal-language-model", "held_out", task="chain", opt=adamw(3e-3), steps=200),
    TRANSFORMER.healthy("tied-embeddings", "tune", task="chain", tied=True, opt=adam(3e-3), steps=200),
    Case("library-transformer-pre", None, "transformer", "held_out",
        lambda seed, widen=1: library(seed, widen, norm_first=True)),
    Case("library-transformer-post", None, "transformer", "tune",
        lambda seed, widen=1: library(seed, widen, norm_first=False)),
    Case("sparse-embedding", None, "embedding", "held_out", sparse,
        note="a sparse gradient; nearly all rows are zero by design"),
    Case("embedding-bag-padding", None, "embedding", "tune", bag),
)
# fmt: on

CASES = BROKEN + HEALTHY
