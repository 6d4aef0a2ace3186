"""Questions that people post, and networks that only look as if: time, attention and the learning rate.

Written without sight of the thresholds and of the other cases; nothing is ever tuned on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn

from benchmarks.detection import data as d
from benchmarks.detection import nets_forum as n
from benchmarks.detection.forum import asked
from benchmarks.detection.nets_precision import hooked
from benchmarks.detection.problem import Case, Family, adam, adamw, sgd

MLP, CNN = Family("mlp", asked), Family("cnn", asked)
RNN, TRANSFORMER = Family("rnn", asked), Family("transformer", asked)
GRAPH, POOLING = Family("graph", asked), Family("pooling", asked)
HELD = "held_out"
_CLIP = nn.utils.clip_grad_norm_


def recurrent(std: float | None = None, *, radius: float | None = None, gate: float | None = None):
    """Draws or scales the recurrent matrices of a fused layer; `gate` opens the gate that remembers."""

    def change(model: nn.Module) -> None:
        for name, p in model.named_parameters():
            if "weight_hh" in name and std is not None:
                nn.init.normal_(p, std=std)
            elif "weight_hh" in name and radius is not None:
                nn.init.orthogonal_(p, radius)
            elif "bias_ih" in name and gate is not None:
                width = model.get_parameter(name.replace("bias_ih", "weight_hh")).shape[1]
                p.data[width : 2 * width] = gate

    return change


def reader(make, inputs: int, width: int, outputs: int, **options: object):
    return lambda w: n.Reader(make, inputs, w * width, outputs, **options)


def elman(act: nn.Module, radius: float = 1.0, inputs: int = 2, outputs: int = 2, width: int = 32):
    return lambda w: n.Elman(inputs, w * width, outputs, act, radius)


def writer(width: int = 32, depth: int = 2, outputs: int = n.LETTERS, letters: int = n.LETTERS, **options: object):
    return lambda w: n.Writer(letters, w * width, depth, outputs, **options)


def two_layer(width: int = 64, *, norm: bool = False, inputs: int = 64, outputs: int = 10):
    return lambda w: n.two_layer(inputs, w * width, outputs, norm=norm)


def cnn(width: int = 8, *, norm: bool = False):
    return lambda w: n.small_cnn(w * width, norm=norm)


def backbone_and_head(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    every = list(parameters)
    return torch.optim.Adam([{"params": every[:4], "lr": 1e-5}, {"params": every[4:], "lr": 1e-3}])


_EARLY = {"chance": 0.5, "opt": adam(3e-3)}
_LETTERS = {"data": n.backwards, "chance": 1 / n.LETTERS, "opt": adam(3e-3), "steps": 250}
_DIGITS = {"net": two_layer()}
_IMAGES = {"net": cnn(), "data": d.image_digits}
_SMOOTH = {"net": two_layer(inputs=10, outputs=1), "data": d.friedman, "chance": None}

# fmt: off
TIME: tuple[Case, ...] = (
    # HW201
    *RNN.pair("forum-rnn-reads-behind-the-padding", "HW201", HELD,
        {"net": reader(nn.RNN, 8, 48, 10), "opt": adam(1e-3)},
        {"data": partial(n.padded_rows, True)}, {"data": partial(n.padded_rows, False)}),
    *RNN.pair("forum-lstm-forgets-the-first-words", "HW201", HELD,
        {**_EARLY, "net": reader(nn.LSTM, 2, 32, 2), "data": partial(n.early, 100)}, {},
        {"spoil": recurrent(gate=4.0)}),
    *RNN.pair("forum-sigmoid-elman", "HW201", HELD, {**_EARLY, "data": partial(n.early, 40)},
        {"net": elman(nn.Sigmoid())}, {"net": elman(nn.Tanh())}),
    *RNN.pair("forum-stacked-gru-shut", "HW201", HELD,
        {**_EARLY, "net": reader(nn.GRU, 2, 24, 2, num_layers=2), "data": partial(n.early, 60)},
        {"spoil": recurrent(gate=-3.0)}, {"spoil": recurrent(gate=3.0)}),
    RNN.healthy("forum-irnn-of-a-half", HELD, net=elman(nn.ReLU(), 0.5, 1, 1), data=partial(n.counted, 30),
        chance=None, opt=adam(1e-3), tempts="HW201", note="meant as a broken one; it learns"),
    RNN.healthy("forum-bidirectional-lstm-mean", HELD, net=reader(nn.LSTM, 2, 24, 2, pool="mean", bidirectional=True),
        data=partial(n.early, 60), **_EARLY, tempts="HW201"),
    RNN.healthy("forum-rnn-on-eight-rows", HELD, net=reader(nn.RNN, 8, 48, 10), data=d.row_digits, tempts="HW201"),
    RNN.healthy("forum-packed-gru", HELD, net=reader(nn.GRU, 8, 48, 10, packed=True),
        data=partial(n.padded_rows, True), tempts="HW201"),
    RNN.healthy("forum-lstm-late-cue-120", HELD, net=reader(nn.LSTM, 2, 24, 2), data=partial(n.late, 120), **_EARLY,
        tempts="HW201", note="the answer stands in the last three steps"),
    RNN.healthy("forum-language-model-rnn", HELD, net=lambda w: nn.Sequential(
        nn.Embedding(17, 16), n.Reader(nn.RNN, 16, 48 * w, 17, pool="each")), data=d.chain, chance=1 / 17,
        opt=adam(3e-3), tempts="HW201", note="the next token needs the last one only"),
    # HW202
    *RNN.pair("forum-relu-rnn-normal-init", "HW202", HELD,
        {"net": reader(nn.RNN, 1, 32, 1, nonlinearity="relu"), "data": partial(n.counted, 30), "chance": None,
         "opt": adam(1e-3)},
        {"spoil": recurrent(0.5)}, {"spoil": recurrent(radius=1.0)}, accept=("HW701", "HW102")),
    *RNN.pair("forum-linear-state-space-1.2", "HW202", HELD,
        {"data": partial(n.counted, 60), "chance": None, "opt": adam(1e-3), "steps": 400},
        {"net": elman(nn.Identity(), 1.2, 1, 1)}, {"net": elman(nn.Identity(), 1.0, 1, 1)},
        accept=("HW701", "HW102")),
    *RNN.pair("forum-chaotic-tanh", "HW202", HELD, {"data": partial(n.early, 50), "chance": 0.5, "opt": adam(1e-3)},
        {"net": elman(nn.Tanh(), 4.0, width=64)}, {"net": elman(nn.Tanh(), 1.0, width=64)}),
    *RNN.pair("forum-gru-normal-2", "HW202", HELD,
        {"net": reader(nn.GRU, 2, 32, 2), "data": partial(n.early, 40), "chance": 0.5, "opt": adam(1e-3)},
        {"spoil": recurrent(2.0)}, {"spoil": recurrent(radius=1.0, gate=3.0)}, effect="worse"),
    RNN.healthy("forum-irnn-clipped", HELD, net=elman(nn.ReLU(), 1.02, 1, 1), data=partial(n.counted, 30), chance=None,
        opt=hooked(adam(1e-3), _CLIP, 1.0), tempts="HW202"),
    RNN.healthy("forum-tanh-radius-1.3", HELD, net=elman(nn.Tanh(), 1.3, 8, 10, 48), data=d.row_digits,
        tempts="HW202"),
    RNN.healthy("forum-trained-lstm", HELD, net=reader(nn.LSTM, 8, 48, 10), data=d.row_digits,
        before=(adam(3e-3), 400), tempts="HW202"),
    RNN.healthy("forum-running-sum-80", HELD, net=elman(nn.Identity(), 1.0, 1, 1), data=partial(n.counted, 80),
        chance=None, steps=400, tempts="HW202"),
)

ATTENTION: tuple[Case, ...] = (
    # HW104
    *TRANSFORMER.pair("forum-forgot-the-residual", "HW104", HELD, {**_LETTERS, "opt": adam(1e-3), "steps": 300},
        {"net": writer(depth=10, skip=0.0)}, {"net": writer(depth=10)}),
    *TRANSFORMER.pair("forum-attention-only-post-norm", "HW104", HELD, {**_LETTERS, "opt": adam(1e-3), "steps": 300},
        {"net": writer(depth=8, skip=0.0, post=True, feed=False)}, {"net": writer(depth=8, post=True, feed=False)}),
    *TRANSFORMER.pair("forum-same-output-for-every-token", "HW104", HELD, _LETTERS,
        {"net": lambda w: n.Translator(32 * w, placed=False)}, {"net": lambda w: n.Translator(32 * w, placed=True)},
        accept=("HW607",)),
    *GRAPH.pair("forum-graph-oversmoothing-24", "HW104", HELD,
        {"data": n.peaks, "chance": 0.5, "opt": adam(1e-3), "steps": 250},
        {"net": lambda w: n.Neighbours(32 * w, 24, skip=False)}, {"net": lambda w: n.Neighbours(32 * w, 24, skip=True)},
        accept=("HW103", "HW101")),
    TRANSFORMER.healthy("forum-mean-pool-6", HELD, net=writer(32, 6, 10, 17, length=16, pool=True),
        data=d.token_digits, tempts="HW104"),
    TRANSFORMER.healthy("forum-same-answer-everywhere", HELD, net=writer(), data=n.named, chance=1 / n.LETTERS,
        opt=adam(3e-3), before=(adam(3e-3), 300), tempts="HW104", note="every token must say the same"),
    TRANSFORMER.healthy("forum-two-layers-no-residual", HELD, net=writer(depth=2, skip=0.0), **_LETTERS,
        learns=0.5, tempts="HW104"),
    GRAPH.healthy("forum-graph-of-two-layers", HELD, net=lambda w: n.Neighbours(32 * w, 2, skip=False), data=n.peaks,
        chance=0.5, opt=adam(3e-3), steps=400, learns=0.5, tempts="HW104"),
    # HW303
    *TRANSFORMER.pair("forum-scores-not-divided", "HW303", HELD, _LETTERS, {"net": writer(sharp=3000.0)},
        {"net": writer(sharp=1.0)}, effect="worse"),
    *POOLING.pair("forum-attention-pooling-temperature", "HW303", HELD,
        {"data": partial(n.counted, 30), "chance": None, "opt": adam(3e-3)},
        {"net": lambda w: n.Looker(1, 24 * w, 1, sharp=1000.0)}, {"net": lambda w: n.Looker(1, 24 * w, 1)},
        effect="worse"),
    *TRANSFORMER.pair("forum-cross-attention-blown-up", "HW303", HELD, _LETTERS,
        {"net": lambda w: n.Translator(32 * w, placed=True, sharp=60.0)},
        {"net": lambda w: n.Translator(32 * w, placed=True)}, effect="worse"),
    *TRANSFORMER.pair("forum-cosine-times-3000", "HW303", HELD, _LETTERS,
        {"net": writer(cosine=True, sharp=3000.0)}, {"net": writer(cosine=True, sharp=1.0)}, effect="worse"),
    TRANSFORMER.healthy("forum-learnt-sharp", HELD, net=writer(), **{**_LETTERS, "opt": None},
        before=(adam(3e-3), 500), tempts="HW303"),
    TRANSFORMER.healthy("forum-window-of-one", HELD, net=writer(letters=n.LETTERS, outputs=2, length=16, keep=1),
        data=n.peaks, chance=0.5, opt=adam(3e-3), tempts="HW303"),
    TRANSFORMER.healthy("forum-cosine-sharp-4", HELD, net=writer(cosine=True, sharp=4.0), **_LETTERS, tempts="HW303"),
    POOLING.healthy("forum-attention-pooling", HELD, net=lambda w: n.Looker(1, 24 * w, 1),
        data=partial(n.counted, 30), chance=None, opt=adam(3e-3), tempts="HW303"),
    TRANSFORMER.healthy("forum-scores-times-60", HELD, net=writer(sharp=60.0), **_LETTERS, tempts="HW303",
        note="meant as a broken one; it learns as fast as its twin"),
    # meant to fail; they learn, 3 to 5 times as slowly
    *TRANSFORMER.pair("forum-cross-attention-times-10", "HW303", HELD, _LETTERS,
        {"net": lambda w: n.Translator(32 * w, placed=True, sharp=10.0)},
        {"net": lambda w: n.Translator(32 * w, placed=True)}, effect="slow"),
    *TRANSFORMER.pair("forum-cosine-sharp-200", "HW303", HELD, _LETTERS,
        {"net": writer(cosine=True, sharp=200.0)}, {"net": writer(cosine=True, sharp=1.0)}, effect="slow"),
)

RATE: tuple[Case, ...] = (
    # HW401
    *MLP.pair("forum-adam-1e-7", "HW401", HELD, _DIGITS, {"opt": adam(1e-7)}, {"opt": adam(1e-3)}),
    *CNN.pair("forum-sgd-1e-6", "HW401", HELD, _IMAGES, {"opt": sgd(1e-6, 0.9)}, {"opt": sgd(0.03, 0.9)}),
    *TRANSFORMER.pair("forum-adamw-2e-7", "HW401", HELD, _LETTERS, {"net": writer(), "opt": adamw(2e-7)},
        {"net": writer(), "opt": adamw(3e-3)}),
    *RNN.pair("forum-lstm-sgd-1e-5", "HW401", HELD, {"net": reader(nn.LSTM, 8, 32, 10), "data": d.row_digits,
        "steps": 300}, {"opt": sgd(1e-5)}, {"opt": sgd(0.3, 0.9)}),
    MLP.healthy("forum-fine-tuning-1e-5", HELD, net=two_layer(), before=(adam(1e-3), 400), opt=adamw(1e-5),
        tempts="HW401"),
    CNN.healthy("forum-warm-up-of-100", HELD, net=cnn(), data=d.image_digits, opt=adam(2e-3), warm=100,
        tempts="HW401"),
    MLP.healthy("forum-two-groups", HELD, net=two_layer(), before=(adam(1e-3), 200), opt=backbone_and_head,
        tempts="HW401"),
    MLP.healthy("forum-small-rate-large-gradient", HELD, net=two_layer(inputs=10, outputs=1),
        data=lambda: d.friedman().map(on_y=lambda y: 30 * y), chance=None, opt=sgd(2e-5, 0.9), steps=400,
        tempts="HW401"),
    # HW402
    *MLP.pair("forum-sgd-5", "HW402", HELD, _DIGITS, {"opt": sgd(5.0)}, {"opt": sgd(0.1)},
        accept=("HW701", "HW301")),
    *CNN.pair("forum-stuck-at-2.303", "HW402", HELD, _IMAGES, {"opt": adam(0.1)}, {"opt": adam(1e-3)},
        accept=("HW301",)),
    *RNN.pair("forum-lstm-adam-half", "HW402", HELD, {"net": reader(nn.LSTM, 8, 32, 10), "data": d.row_digits},
        {"opt": adam(0.5)}, {"opt": adam(3e-3)}, accept=("HW302",), effect="worse"),
    *TRANSFORMER.pair("forum-transformer-adam-0.1", "HW402", HELD, _LETTERS, {"net": writer(), "opt": adam(0.1)},
        {"net": writer()}, accept=("HW303", "HW104")),
    *MLP.pair("forum-regression-nan", "HW402", HELD, _SMOOTH, {"opt": sgd(0.5, 0.9)}, {"opt": sgd(0.02, 0.9)},
        accept=("HW701", "HW301")),
    MLP.healthy("forum-batch-norm-sgd-1", HELD, net=two_layer(norm=True), opt=sgd(1.0), tempts="HW402"),
    MLP.healthy("forum-logistic-sgd-half", HELD, net=lambda w: nn.Linear(13, 3), data=d.wine, chance=0.4, batch=32,
        opt=sgd(0.5), tempts="HW402"),
    CNN.healthy("forum-edge-of-stability", HELD, net=cnn(), data=d.image_digits, batch=512, opt=sgd(0.2), steps=60,
        tempts="HW402"),
    TRANSFORMER.healthy("forum-large-rate-warmed-up", HELD, net=writer(), **{**_LETTERS, "opt": adam(6e-3)}, warm=100,
        tempts="HW401"),
    MLP.healthy("forum-adam-0.01", HELD, net=two_layer(), opt=adam(0.01), tempts="HW402"),
    # HW403
    *MLP.pair("forum-flat-regression", "HW403", HELD, {"net": lambda w: nn.Linear(10, 1), "chance": None,
        "data": partial(n.noisy_targets, 1.0), "batch": 8, "before": (sgd(0.05), 500), "steps": 300}, {},
        {"opt": sgd(0.005)}, effect="level"),
    *MLP.pair("forum-noisy-labels-constant-rate", "HW403", HELD, {**_DIGITS, "data": partial(n.noisy_labels, 0.6),
        "batch": 8, "before": (sgd(0.3), 800), "steps": 400}, {}, {"opt": sgd(5e-3)}, effect="level"),
    *CNN.pair("forum-cnn-noisy-labels", "HW403", HELD, {"net": cnn(norm=True), "data": lambda: n.noisy_labels(0.6).map(
        lambda x: x.view(-1, 1, 8, 8)), "batch": 8, "before": (adam(0.01), 500), "steps": 300}, {},
        {"opt": adam(3e-4)}, effect="level"),
    *RNN.pair("forum-gru-never-settles", "HW403", HELD, {"net": reader(nn.GRU, 8, 24, 10),
        "data": lambda: n.noisy_labels(0.6).map(lambda x: x.view(-1, 8, 8)), "batch": 8, "before": (adam(0.02), 500),
        "steps": 300}, {}, {"opt": adam(5e-4)}, effect="level"),
    MLP.healthy("forum-at-the-noise-floor", HELD, net=lambda w: nn.Linear(10, 1), data=partial(n.noisy_targets, 0.5),
        chance=None, before=(sgd(0.01), 600), tempts="HW403", note="the noise is the data's; no rate removes it"),
    MLP.healthy("forum-all-learnt", HELD, net=two_layer(), before=(adam(1e-3), 600), tempts="HW403"),
    CNN.healthy("forum-first-steps-batch-8", HELD, net=cnn(), data=d.image_digits, batch=8, opt=adam(1e-3), steps=300,
        tempts="HW403"),
    RNN.healthy("forum-half-way", HELD, net=reader(nn.GRU, 8, 32, 10), data=d.row_digits, before=(adam(1e-3), 60),
        tempts="HW403"),
)
# fmt: on

CASES = TIME + ATTENTION + RATE
