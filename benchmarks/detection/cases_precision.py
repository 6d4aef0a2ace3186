"""Steps and gradients that rounding, epsilon, weight decay or clipping take away."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import NAdam, RMSprop

from benchmarks.detection.cases_data import make_network
from benchmarks.detection.nets import Experts, ResidualMlp
from benchmarks.detection.nets_precision import (
    Autocast,
    Kept,
    LayerScaled,
    adam_with,
    clipped,
    hooked,
    rounding,
    stored_mlp,
    warming,
)
from benchmarks.detection.nets_sequence import Transformer
from benchmarks.detection.nets_vision import resnet
from benchmarks.detection.problem import Case, Factory, Family, Problem, adagrad, adam, adamw, sgd
from benchmarks.detection.tasks import ADAM, TASKS, make_problem

BF16, FP16, E4M3, E5M2 = torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2


def precise(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "mlp",
    task: str = "digits",
    width: int = 64,
    depth: int = 2,
    act: str = "relu",
    make: Any = None,
    kept: torch.dtype | None = None,
    autocast: torch.dtype | None = None,
    scale: float = 1.0,
    opt: Factory = ADAM,
    batch: int = 64,
    steps: int = 200,
    converge: int = 0,
) -> Problem:
    """A network `kept` in a dtype, or under `autocast`; the loss times `scale`.

    `converge`: Adam trains it so many steps beforehand, in float32 and with the loss as it is.
    """
    torch.manual_seed(seed)
    which = TASKS[task]
    network = (
        make(width * widen) if make else make_network(kind, width * widen, which.inputs, which.outputs, act, depth)
    )
    if converge:
        make_problem(network, which, seed=seed, opt=adam(1e-3), converge=converge)
    model = Kept(network, kept) if kept is not None else network
    model = Autocast(model, autocast) if autocast is not None else model
    return make_problem(
        model, which, seed=seed, opt=opt, batch=batch, steps=steps, loss_fn=lambda o, y: scale * which.loss_fn(o, y)
    )


P = Family("precision", precise)
_CNN = {"kind": "cnn", "task": "images", "width": 16}
_GRU = {"kind": "gru", "task": "rows", "width": 48}
_LSTM = {"kind": "lstm", "task": "rows", "width": 48}
_TRANSFORMER = {"kind": "transformer", "task": "tokens", "width": 32}
_FRIEDMAN = {"task": "friedman", "width": 64}

# Tables, a case in as few lines as it takes.
# fmt: off
LOST: tuple[Case, ...] = (
    *P.pair("bfloat16-weights-sgd", "HW501", "tune", {"opt": sgd(0.003), "steps": 500, "width": 100},
        {"kept": BF16}, {}, effect="slow"),
    *P.pair("bfloat16-weights-adam-cnn", "HW501", "tune", {**_CNN, "kept": BF16, "steps": 300},
        {"opt": rounding(1e-4)}, {"opt": rounding(1e-4, "kahan")}, effect="slow", learns=0.5),
    *P.pair("bfloat16-weights-transformer", "HW501", "held_out", {**_TRANSFORMER, "kept": BF16, "steps": 1500},
        {"opt": rounding(1.4e-4)}, {"opt": rounding(1.4e-4, "master")}, effect="slow"),
    *P.pair("bfloat16-weights-gru", "HW501", "held_out", {**_GRU, "opt": adamw(1e-4), "steps": 900},
        {"kept": BF16}, {"autocast": BF16}, effect="slow"),
    *P.pair("float8-weights", "HW501", "held_out", {"make": lambda w: stored_mlp(64, w, 10, E4M3), "steps": 300},
        {"opt": rounding(1e-3)}, {"opt": rounding(1e-3, "stochastic")}, effect="slow"),
    *P.pair("bfloat16-weights-regression", "HW501", "held_out", {**_FRIEDMAN, "steps": 600},
        {"kept": BF16, "opt": sgd(0.003)}, {"kept": BF16, "opt": rounding(3e-4, "stochastic")}, effect="slow"),
    P.healthy("bfloat16-weights-adamw", "tune", kept=BF16, opt=adamw(1e-3)),
    P.healthy("bfloat16-weights-cnn-sgd", "held_out", **_CNN, kept=BF16, opt=sgd(0.1, 0.9)),
    P.healthy("bfloat16-weights-large-embedding", "held_out", **_TRANSFORMER, kept=BF16, opt=adamw(3e-3), steps=300,
        note="the lookup table, drawn with variance 1, loses most of its steps"),
    P.healthy("bfloat16-weights-converged", "tune", kept=BF16, converge=600, opt=sgd(1e-3)),
    P.healthy("bfloat16-weights-warm-up", "held_out", kept=BF16, converge=60, opt=warming(adamw(1e-3), 0.001)),
    P.healthy("float32-fine-tuning-at-1e-9", "tune", converge=400, opt=sgd(1e-9)),
    P.healthy("float16-weights-sgd", "tune", kept=FP16, opt=sgd(0.1), act="tanh"),
)

UNDERFLOW: tuple[Case, ...] = (
    *P.pair("small-loss-float16", "HW502", "tune", {"scale": 1e-6, "opt": sgd(1e5)}, {"autocast": FP16},
        {"autocast": BF16}, accept=()),
    *P.pair("small-loss-float16-cnn", "HW502", "tune", {**_CNN, "opt": adam_with(2e-3, eps=1e-15), "autocast": FP16},
        {"scale": 1e-7}, {"scale": 1e-2}),
    *P.pair("small-loss-float16-gru", "HW502", "held_out", {**_GRU, "opt": adam_with(3e-3, eps=1e-15)},
        {"autocast": FP16, "scale": 1e-7}, {"scale": 1e-7}),
    *P.pair("small-loss-float16-transformer", "HW502", "held_out",
        {**_TRANSFORMER, "opt": adam_with(3e-3, eps=1e-15), "autocast": FP16}, {"scale": 1e-7}, {"scale": 100.0}),
    *P.pair("small-loss-float16-weights", "HW502", "held_out",
        {**_FRIEDMAN, "kept": FP16, "steps": 300, "act": "tanh", "opt": rounding(2e-3, "master")},
        {"scale": 1e-7}, {"scale": 16.0}),
    *P.pair("float8-gradients", "HW502", "held_out",
        {"width": 128, "make": lambda w: stored_mlp(64, w, 10, E5M2), "opt": rounding(1e-2, "master")},
        {"scale": 3e-5}, {"scale": 16.0}, effect="part", part="0.weight", accept=("HW602",)),
    P.healthy("float16-autocast", "tune", autocast=FP16, opt=sgd(0.1)),
    P.healthy("float16-autocast-loss-of-a-thousandth", "tune", autocast=FP16, scale=1e-3, opt=adam(2e-3)),
    P.healthy("float16-autocast-experts", "held_out", make=lambda w: Experts(64, w, 4, 10), autocast=FP16, width=32,
        opt=adam(3e-3), note="three quarters of the experts' gradients are zero for each sample, one expert's always"),
    P.healthy("float16-autocast-untouched-rows", "held_out", task="tokens", autocast=FP16, opt=adam(3e-3), width=32,
        make=lambda w: Transformer(1000, w, 1, 10), note="983 of 1000 rows of the table have no gradient"),
    P.healthy("float16-loss-scaled-by-hand", "held_out", **_CNN, autocast=FP16, scale=1024.0, opt=sgd(0.1 / 1024, 0.9)),
    P.healthy("float16-dead-units", "tune", autocast=FP16, opt=adam(2e-3), width=256,
        make=lambda w: _with_dead_units(64, w, 10), note="a tenth of the units never has a gradient, in any format"),
)

EPSILON: tuple[Case, ...] = (
    *P.pair("tiny-loss-adamw", "HW503", "tune", {"scale": 1e-9, "steps": 300}, {"opt": adamw(1e-3)},
        {"opt": adam_with(1e-3, eps=1e-18)}),
    *P.pair("tiny-loss-cnn", "HW503", "tune", _CNN, {"scale": 1e-9}, {"scale": 1.0}),
    *P.pair("tiny-loss-rmsprop-gru", "HW503", "held_out", {**_GRU, "scale": 1e-9, "steps": 300},
        {"opt": partial(RMSprop, lr=1e-3)}, {"opt": partial(RMSprop, lr=1e-3, eps=1e-18)}),
    *P.pair("large-epsilon-transformer", "HW503", "held_out", {**_TRANSFORMER, "steps": 300},
        {"opt": adam_with(1e-3, eps=1.0)}, {"opt": adam_with(1e-3, eps=1e-8)}),
    *P.pair("tiny-loss-adagrad", "HW503", "held_out", {**_FRIEDMAN, "opt": adagrad(0.02), "steps": 300},
        {"scale": 1e-12}, {"scale": 1.0}),
    *P.pair("tiny-loss-nadam-tanh", "HW503", "held_out", {"act": "tanh", "scale": 1e-9},
        {"opt": partial(NAdam, lr=1e-3)}, {"opt": partial(NAdam, lr=1e-3, eps=1e-18)}),
    P.healthy("small-loss-adamw", "tune", scale=1e-4, opt=adamw(1e-3)),
    P.healthy("large-epsilon-and-rate", "tune", opt=adam_with(0.3, eps=1.0, betas=(0.9, 0.999)), steps=300,
        note="epsilon rules every element, and the rate was chosen for it"),
    P.healthy("adam-converged-to-1e-6", "held_out", converge=1500, opt=adam(1e-4)),
    P.healthy("adam-untouched-rows", "held_out", task="tokens", opt=adam(3e-3), width=32,
        make=lambda w: Transformer(1000, w, 1, 10)),
    P.healthy("layer-scale-of-a-millionth", "held_out", make=lambda w: LayerScaled(64, w, 4, 10), opt=adamw(2e-3)),
    P.healthy("zero-initialised-branches-adam", "tune", opt=adam(1e-3),
        make=lambda w: ResidualMlp(64, w, 6, 10, zero_last=True)),
    P.healthy("resnet-adam-epsilon-1e-3", "held_out", task="images", make=lambda w: resnet(w, 2), width=16, steps=300,
        opt=adam_with(3e-2, eps=1e-3)),
)

DECAY: tuple[Case, ...] = (
    *P.pair("adam-decays-small-gradients", "HW504", "tune", {"scale": 1e-6},
        {"opt": adam_with(1e-3, weight_decay=1e-4)},
        {"opt": adam_with(1e-3, weight_decay=1e-4, decoupled_weight_decay=True, eps=1e-12)}),
    *P.pair("adam-decays-small-gradients-cnn", "HW504", "tune", {**_CNN, "opt": adam_with(2e-3, weight_decay=1e-2)},
        {"scale": 1e-4}, {"scale": 1.0}),
    *P.pair("adam-decays-small-gradients-lstm", "HW504", "held_out", {**_LSTM, "scale": 1e-5, "steps": 300},
        {"opt": adam_with(3e-3, weight_decay=1e-3)}, {"opt": adam_with(3e-3, eps=1e-12)}),
    *P.pair("adam-decays-small-gradients-transformer", "HW504", "held_out",
        {**_TRANSFORMER, "opt": adam_with(3e-3, weight_decay=1e-3)}, {"scale": 1e-4}, {"scale": 1.0}),
    *P.pair("rmsprop-decays-small-gradients", "HW504", "held_out", {**_FRIEDMAN, "scale": 1e-6, "steps": 300},
        {"opt": partial(RMSprop, lr=1e-3, weight_decay=1e-3)}, {"opt": partial(RMSprop, lr=1e-3, eps=1e-12)}),
    P.healthy("adam-with-decay", "tune", opt=adam_with(1e-3, weight_decay=1e-4)),
    P.healthy("adam-with-strong-decay", "tune", **_CNN, opt=adam_with(2e-3, weight_decay=1e-2)),
    P.healthy("adam-with-decay-converged", "held_out", converge=1500, opt=adam_with(1e-4, weight_decay=1e-4)),
    P.healthy("sgd-with-decay-small-loss", "held_out", **_GRU, scale=1e-6, steps=300,
        opt=partial(torch.optim.SGD, lr=5e4, momentum=0.9, weight_decay=1e-9)),
    P.healthy("adam-with-decay-untouched-rows", "held_out", task="tokens", opt=adam_with(3e-3, weight_decay=1e-4),
        width=32, make=lambda w: Transformer(1000, w, 1, 10)),
    P.healthy("adamw-small-loss-strong-decay", "tune", scale=1e-4, opt=partial(torch.optim.AdamW, lr=1e-3,
        weight_decay=0.1)),
)

CLIPPED: tuple[Case, ...] = (
    *P.pair("clip-of-a-hundredth", "HW505", "tune", {"steps": 300}, {"opt": clipped(0.1, 0.005)},
        {"opt": clipped(0.1, 5.0)}),
    *P.pair("clip-in-hook-cnn", "HW505", "tune", _CNN, {"opt": hooked(sgd(0.05, 0.9), clip_grad_norm_, 1e-3)},
        {"opt": hooked(sgd(0.05, 0.9), clip_grad_norm_, 1.0)}),
    *P.pair("clip-by-value-gru", "HW505", "held_out", {**_GRU, "steps": 300},
        {"opt": hooked(sgd(0.1, 0.9), clip_grad_value_, 1e-6)}, {"opt": hooked(sgd(0.1, 0.9), clip_grad_value_, 0.1)}),
    *P.pair("clip-of-a-thousandth-regression", "HW505", "held_out", {**_FRIEDMAN, "steps": 300},
        {"opt": clipped(0.03, 1e-2)}, {"opt": clipped(0.03, 10.0)}),
    *P.pair("clip-in-hook-transformer", "HW505", "held_out", {**_TRANSFORMER, "steps": 300},
        {"opt": hooked(sgd(0.05, 0.9), clip_grad_norm_, 1e-3)}, {"opt": hooked(sgd(0.05, 0.9), clip_grad_norm_, 10.0)}),
    P.healthy("clip-always-with-its-rate", "tune", **_GRU, opt=clipped(20.0, 0.02), steps=300,
        note="normalised gradient descent, with a rate chosen for it"),
    P.healthy("clip-always-adam", "tune", opt=hooked(adam(1e-3), clip_grad_norm_, 1e-3), note="the factor cancels"),
    P.healthy("clip-mildly", "held_out", opt=clipped(0.1, 0.3), steps=300),
    P.healthy("clip-rarely-rnn", "held_out", kind="rnn", task="rows", width=48, steps=300,
        opt=hooked(adam(3e-3), clip_grad_norm_, 1.0)),
    P.healthy("clip-at-first-large-gradients", "held_out", **_CNN, scale=100.0, opt=clipped(0.05, 1.0, 0.9),
        note="the loss is large at first; the steps are of healthy size"),
    P.healthy("clip-by-value-adamw", "tune", **_TRANSFORMER, opt=hooked(adamw(3e-3), clip_grad_value_, 1e-4)),
)
# fmt: on


def _with_dead_units(inputs: int, width: int, outputs: int) -> nn.Module:
    model = make_network("mlp", width, inputs, outputs, "relu", 2)
    for layer in (model[0], model[2]):
        layer.bias.data[: width // 12] = -50.0
    return model


CASES = LOST + UNDERFLOW + EPSILON + DECAY + CLIPPED
