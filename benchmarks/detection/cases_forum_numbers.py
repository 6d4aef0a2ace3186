"""Questions that people post, and networks that only look as if: number formats, epsilon, decay and clipping.

Written without sight of the thresholds and of the other cases; nothing is ever tuned on them.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from benchmarks.detection import data as d
from benchmarks.detection import nets_forum as n
from benchmarks.detection.cases_forum import CNN, HELD, MLP, RNN, TRANSFORMER, cnn, reader, two_layer, writer
from benchmarks.detection.forum import adamw_with, classes, sgd_with, times, unscaled
from benchmarks.detection.nets_precision import Autocast, Kept, adam_with, hooked, rounding
from benchmarks.detection.problem import Case, adam, adamw, rmsprop, sgd

BF16, FP16 = torch.bfloat16, torch.float16
_NORM, _VALUE = nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_
_DIGITS = {"net": two_layer()}
_IMAGES = {"net": cnn(), "data": d.image_digits}
_ROWS = {"net": reader(nn.LSTM, 8, 32, 10), "data": d.row_digits}
_LETTERS = {"net": writer(), "data": n.backwards, "chance": 1 / n.LETTERS, "opt": adam(3e-3), "steps": 250}
_SMOOTH = {"net": two_layer(inputs=10, outputs=1), "data": d.friedman, "chance": None}


def kept(dtype: torch.dtype):
    return partial(Kept, dtype=dtype)


def autocast(dtype: torch.dtype):
    return partial(Autocast, dtype=dtype)


def offset_two_layer(offset: float):
    return lambda w: nn.Sequential(
        n.Rescaled(64, 64 * w, offset), nn.ReLU(), n.Rescaled(64 * w, 64, offset), nn.ReLU(), n.Rescaled(64, 10, offset)
    )


# fmt: off
FORMATS: tuple[Case, ...] = (
    # HW501
    *MLP.pair("forum-bf16-weights-adamw-5e-5", "HW501", HELD, {**_DIGITS, "opt": adamw(5e-5), "steps": 600},
        {"narrow": kept(BF16)}, {"narrow": kept(torch.float32)}, effect="worse"),
    *CNN.pair("forum-bf16-cnn-adam", "HW501", HELD, {**_IMAGES, "opt": adam(1e-4), "steps": 800},
        {"narrow": kept(BF16)}, {"narrow": kept(torch.float32)}, effect="worse"),
    *RNN.pair("forum-bf16-gru-adam", "HW501", HELD, {"net": reader(nn.GRU, 8, 48, 10), "data": d.row_digits,
        "opt": adam(2e-4), "steps": 600}, {"narrow": kept(BF16)}, {"narrow": kept(torch.float32)}, effect="worse"),
    *MLP.pair("forum-weights-around-1e5", "HW501", HELD, {"opt": adam(1e-3)},
        {"net": offset_two_layer(1e5)}, {"net": offset_two_layer(0.0)}, effect="worse"),
    MLP.healthy("forum-bf16-autocast-small-rate", HELD, **_DIGITS, opt=adamw(1e-4), steps=400, narrow=autocast(BF16),
        tempts="HW501"),
    MLP.healthy("forum-bf16-weights-sgd-large", HELD, **_DIGITS, opt=sgd(0.2), narrow=kept(BF16), tempts="HW501"),
    CNN.healthy("forum-bf16-stochastic-rounding", HELD, **_IMAGES, opt=rounding(1e-3, "stochastic"), narrow=kept(BF16),
        tempts="HW501"),
    RNN.healthy("forum-bf16-adam-3e-3", HELD, **_ROWS, opt=adam(3e-3), narrow=kept(BF16), tempts="HW501"),
    MLP.healthy("forum-bf16-converged", HELD, **_DIGITS, before=(adam(1e-3), 500), opt=adam(1e-3), narrow=kept(BF16),
        tempts="HW501"),
    # HW502
    *MLP.pair("forum-no-grad-scaler", "HW502", HELD, {**_DIGITS, "loss_fn": times(1e-5)},
        {"narrow": autocast(FP16), "opt": adam_with(1e-3, eps=1e-12)},
        {"narrow": autocast(FP16), "loss_fn": times(1e-5 * 2**16),
         "opt": unscaled(adam_with(1e-3, eps=1e-12), 2**16)}),
    *CNN.pair("forum-fp16-cnn-mean-over-pixels", "HW502", HELD,
        {**_IMAGES, "loss_fn": times(1e-7), "opt": adam_with(1e-3, eps=1e-14)},
        {"narrow": autocast(FP16)}, {"narrow": autocast(BF16)}),
    *MLP.pair("forum-fp16-weights-sgd", "HW502", HELD, {**_SMOOTH, "batch": 256, "steps": 400,
        "loss_fn": times(1e-6, nn.functional.mse_loss), "opt": sgd(6e4)},
        {"narrow": kept(FP16)}, {"narrow": kept(BF16)}, accept=("HW501",), effect="worse"),
    *TRANSFORMER.pair("forum-fp16-transformer-no-scaler", "HW502", HELD,
        {**_LETTERS, "loss_fn": times(1e-6), "opt": adam_with(3e-3, eps=1e-14)},
        {"narrow": autocast(FP16)}, {"narrow": autocast(BF16)}, effect="worse"),
    MLP.healthy("forum-fp16-autocast-no-scaler-needed", HELD, **_DIGITS, opt=sgd(0.1), narrow=autocast(FP16),
        tempts="HW502"),
    CNN.healthy("forum-bf16-tiny-loss", HELD, **_IMAGES, loss_fn=times(1e-8), opt=sgd(5e6), narrow=autocast(BF16),
        tempts="HW502"),
    TRANSFORMER.healthy("forum-fp16-scaled", HELD, **{**_LETTERS, "opt": unscaled(adam(3e-3), 1024.0)},
        loss_fn=times(1024.0), narrow=autocast(FP16), tempts="HW502"),
    MLP.healthy("forum-fp16-converged", HELD, **_DIGITS, before=(adam(1e-3), 500), opt=adam(1e-3),
        narrow=autocast(FP16), tempts="HW502", note="the gradients vanish because all is learnt"),
)

STEPS: tuple[Case, ...] = (
    # HW503
    *MLP.pair("forum-eps-1", "HW503", HELD, _DIGITS, {"opt": adam_with(1e-3, eps=1.0)},
        {"opt": adam_with(1e-3, eps=1e-8)}),
    *CNN.pair("forum-loss-times-1e-10", "HW503", HELD, _IMAGES, {"loss_fn": times(1e-10)}, {"loss_fn": classes}),
    *RNN.pair("forum-rmsprop-eps-1", "HW503", HELD, _ROWS,
        {"opt": partial(torch.optim.RMSprop, lr=1e-3, eps=1.0)}, {"opt": rmsprop(1e-3)}),
    *TRANSFORMER.pair("forum-adamw-eps-0.1", "HW503", HELD, _LETTERS, {"opt": adamw_with(3e-3, eps=0.1)},
        {"opt": adamw(3e-3)}),
    MLP.healthy("forum-eps-1-rate-1", HELD, **_DIGITS, opt=adam_with(1.0, eps=1.0), tempts="HW503",
        note="with such an epsilon Adam is momentum, and its rate is chosen for that"),
    TRANSFORMER.healthy("forum-eps-1e-6", HELD, **{**_LETTERS, "opt": adamw_with(3e-3, eps=1e-6)}, tempts="HW503"),
    MLP.healthy("forum-adam-all-learnt", HELD, **_DIGITS, before=(adam(3e-3), 800), tempts="HW503"),
    RNN.healthy("forum-adagrad-eps", HELD, **_ROWS, opt=partial(torch.optim.Adagrad, lr=0.05, eps=1e-5),
        tempts="HW503"),
    # HW504
    *MLP.pair("forum-adam-decay-1", "HW504", HELD, _DIGITS, {"opt": adam_with(1e-3, weight_decay=1.0)},
        {"opt": adam_with(1e-3, weight_decay=1e-4)}, effect="worse"),
    *CNN.pair("forum-sgd-decay-0.5", "HW504", HELD, _IMAGES, {"opt": sgd_with(0.1, weight_decay=0.5)},
        {"opt": sgd_with(0.1, weight_decay=5e-4)}),
    *TRANSFORMER.pair("forum-adamw-decay-30", "HW504", HELD, _LETTERS, {"opt": adamw_with(3e-3, weight_decay=30.0)},
        {"opt": adamw_with(3e-3, weight_decay=0.1)}),
    *RNN.pair("forum-lstm-decay-0.3", "HW504", HELD, _ROWS, {"opt": adam_with(3e-3, weight_decay=0.3)},
        {"opt": adam_with(3e-3, weight_decay=1e-5)}, effect="worse"),
    TRANSFORMER.healthy("forum-adamw-decay-0.1", HELD, **{**_LETTERS, "opt": adamw_with(3e-3, weight_decay=0.1)},
        tempts="HW504"),
    MLP.healthy("forum-adamw-decay-1", HELD, **_DIGITS, opt=adamw_with(1e-3, weight_decay=1.0), tempts="HW504"),
    CNN.healthy("forum-batch-norm-decay", HELD, net=cnn(norm=True), data=d.image_digits,
        opt=sgd_with(0.1, momentum=0.9, weight_decay=5e-3), tempts="HW504"),
    MLP.healthy("forum-converged-with-decay", HELD, **_DIGITS,
        before=(adamw_with(1e-3, weight_decay=0.1), 600), tempts="HW504"),
    # HW505
    *MLP.pair("forum-clip-norm-0.01", "HW505", HELD, _DIGITS, {"opt": hooked(sgd(0.1), _NORM, 0.01)},
        {"opt": hooked(sgd(0.1), _NORM, 5.0)}),
    *CNN.pair("forum-clip-value-1e-4", "HW505", HELD, _IMAGES, {"opt": hooked(sgd(0.05, 0.9), _VALUE, 1e-4)},
        {"opt": hooked(sgd(0.05, 0.9), _VALUE, 1.0)}),
    *RNN.pair("forum-lstm-clip-0.003", "HW505", HELD, {**_ROWS, "steps": 300},
        {"opt": hooked(sgd(0.3, 0.9), _NORM, 0.003)}, {"opt": hooked(sgd(0.3, 0.9), _NORM, 1.0)}),
    *TRANSFORMER.pair("forum-sgd-transformer-clip", "HW505", HELD, {**_LETTERS, "steps": 400},
        {"opt": hooked(sgd(0.3, 0.9), _NORM, 0.002)}, {"opt": hooked(sgd(0.3, 0.9), _NORM, 5.0)}),
    RNN.healthy("forum-lstm-clip-0.1-rate-4", HELD, **_ROWS, opt=hooked(sgd(4.0), _NORM, 0.1), steps=300,
        tempts="HW505", note="always clipped, with a rate to match"),
    MLP.healthy("forum-adam-always-clipped", HELD, **_DIGITS, opt=hooked(adam(1e-3), _NORM, 0.01), tempts="HW505",
        note="Adam's step does not depend on the gradient's size"),
    TRANSFORMER.healthy("forum-clip-1", HELD, **{**_LETTERS, "opt": hooked(adamw(3e-3), _NORM, 1.0)}, tempts="HW505"),
    CNN.healthy("forum-clip-value-1", HELD, **_IMAGES, opt=hooked(sgd(0.05, 0.9), _VALUE, 1.0), tempts="HW505"),
)

UNITS: tuple[Case, ...] = (
    MLP.healthy("forum-half-the-zeros", HELD, net=two_layer(128), opt=adam(1e-3), tempts="HW301"),
    MLP.healthy("forum-relu-many-sleep", HELD, net=two_layer(256), before=(adam(3e-3), 600), tempts="HW301"),
    RNN.healthy("forum-gates-saturated", HELD, **_ROWS, before=(adam(0.02), 500), opt=adam(1e-3), tempts="HW302"),
)
# fmt: on

CASES = FORMATS + STEPS + UNITS
