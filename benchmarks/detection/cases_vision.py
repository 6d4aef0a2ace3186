"""Convolutional, residual, dense, U-shaped and mixer networks."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.detection.data import accuracy, r_squared
from benchmarks.detection.nets import Highway, ResidualMlp, init_
from benchmarks.detection.nets_vision import AutoEncoder, DenseNet, Mixer, UNet, cnn, resnet
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, adamw, rmsprop, sgd
from benchmarks.detection.tasks import ADAM, ADAM_3, TASKS, make_problem


def convolutional(
    seed: int,
    widen: int = 1,
    *,
    channels: int = 16,
    depth: int = 4,
    act: str = "relu",
    norm: bool = False,
    pool_every: int = 0,
    init: str | None = None,
    amount: float = 1.0,
    bias: float | None = 0.0,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 120,
    converge: int = 0,
    shock: Factory | None = None,
) -> Problem:
    """Plain stack of convolutions; `bias` fills all biases but the head's; `shock` trains 20 steps too fast."""
    torch.manual_seed(seed)
    model = init_(cnn(channels * widen, depth, act=act, norm=norm, pool_every=pool_every), init, amount, bias=bias)
    if init is not None:
        nn.init.zeros_(model[-1].bias)
    task = TASKS["images"]
    if shock is not None:
        make_problem(model, task, seed=seed, opt=shock, batch=batch, converge=20)
    return make_problem(model, task, seed=seed, opt=opt, batch=batch, steps=steps, converge=converge)


def residual(
    seed: int,
    widen: int = 1,
    *,
    width: int = 64,
    blocks: int = 8,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 200,
    **options: Any,
) -> Problem:
    torch.manual_seed(seed)
    model = ResidualMlp(64, width * widen, blocks, 10, **options)
    return make_problem(model, TASKS["digits"], seed=seed, opt=opt, batch=batch, steps=steps)


def residual_images(
    seed: int,
    widen: int = 1,
    *,
    channels: int = 16,
    blocks: int = 4,
    zero_gamma: bool = True,
    opt: Factory | None = ADAM_3,
    steps: int = 100,
    converge: int = 0,
) -> Problem:
    torch.manual_seed(seed)
    model = resnet(channels * widen, blocks, zero_gamma=zero_gamma)
    return make_problem(model, TASKS["images"], seed=seed, opt=opt, steps=steps, converge=converge)


def mixer(
    seed: int,
    widen: int = 1,
    *,
    width: int = 32,
    depth: int = 4,
    act: str = "gelu",
    skip: bool = True,
    norm: bool = True,
    init: str | None = None,
    amount: float = 1.0,
    opt: Factory | None = ADAM,
    batch: int = 64,
    steps: int = 200,
) -> Problem:
    torch.manual_seed(seed)
    model = Mixer(width * widen, depth, act=act, skip=skip, norm=norm)
    return make_problem(init_(model, init, amount), TASKS["patches"], seed=seed, opt=opt, batch=batch, steps=steps)


def highway(
    seed: int,
    widen: int = 1,
    *,
    width: int = 50,
    depth: int = 20,
    carry: float = -3.0,
    opt: Factory | None = None,
    steps: int = 300,
) -> Problem:
    torch.manual_seed(seed)
    model = Highway(64, width * widen, depth, 10, carry)
    return make_problem(model, TASKS["digits"], seed=seed, opt=opt, steps=steps)


def dense(seed: int, widen: int = 1) -> Problem:
    torch.manual_seed(seed)
    return make_problem(DenseNet(8 * widen, 6), TASKS["images"], seed=seed, opt=ADAM, steps=80)


def reconstruct(seed: int, widen: int = 1, *, flat: bool) -> Problem:
    """Targets are the inputs: a U-Net over images, or an autoencoder over pixels."""
    torch.manual_seed(seed)
    model = AutoEncoder(128 * widen) if flat else UNet(8 * widen)
    task = TASKS["digits" if flat else "images"]
    source = task.data()
    data = type(source)(source.x, source.x, source.test_x, source.test_x)
    return make_problem(
        model, task, seed=seed, opt=adam(2e-3), steps=300, data=data, loss_fn=F.mse_loss, score=r_squared
    )


def images_transfer(seed: int, widen: int = 1, *, frozen: bool = True) -> Problem:
    """A trained and frozen convolutional body under a new head."""
    torch.manual_seed(seed)
    source = convolutional(seed, widen, depth=3, pool_every=2, converge=80)
    model = source.model
    model[-1] = nn.Linear(model[-1].in_features, 2)
    if frozen:
        model[:-1].requires_grad_(False)
    data = TASKS["images"].data().map(on_y=lambda y: (y >= 5).long())
    return make_problem(
        model, TASKS["images"], seed=seed, opt=sgd(0.003, 0.9), steps=300, data=data, score=accuracy(0.5)
    )


CNN = Family("cnn", convolutional)
RESIDUAL = Family("residual", residual)
RESNET = Family("residual", residual_images)
MIXER = Family("mixer", mixer)
HIGHWAY = Family("highway", highway)

# Tables, a case in as few lines as it takes.
# fmt: off
BROKEN: tuple[Case, ...] = (
    *CNN.pair("cnn-relu-default-24x16", "HW101", "tune", {"depth": 24, "opt": adam(1e-3), "steps": 80}, {},
        {"init": "he"}),
    *CNN.pair("cnn-sigmoid-6x24-sgd", "HW101", "held_out",
        {"depth": 6, "channels": 24, "pool_every": 2, "opt": sgd(0.01, 0.9), "steps": 150}, {"act": "sigmoid"},
        {"act": "relu", "init": "he"}),
    *MIXER.pair("mixer-sigmoid-no-skip", "HW101", "held_out", {"depth": 6, "opt": adam(1e-3)},
        {"act": "sigmoid", "skip": False, "norm": False}, {"act": "sigmoid", "skip": True}),
    *HIGHWAY.pair("highway-open-gates-50", "HW101", "tune", {"depth": 50, "opt": sgd(0.01, 0.9)}, {"carry": 1.0},
        {"carry": -4.0}),
    *CNN.pair("cnn-normal-8x16", "HW102", "held_out", {"depth": 8, "opt": sgd(1e-3, 0.9), "steps": 200},
        {"init": "normal", "amount": 0.5}, {"init": "he"}, accept=("HW701",),
        note="two steps kill every ReLU: the explosion itself shows only before them"),
    *RESIDUAL.pair("residual-unscaled-40", "HW102", "tune",
        {"width": 128, "blocks": 40, "opt": sgd(1e-3, 0.9), "steps": 300}, {"scale": 1.0, "gain": 1.2},
        {"scale": 0.15, "gain": 1.0}, accept=("HW701",)),
    *MIXER.pair("mixer-normal-init", "HW102", "held_out",
        {"act": "relu", "norm": False, "depth": 6, "opt": sgd(3e-3, 0.9)}, {"init": "normal", "amount": 0.5},
        {"init": "lecun", "amount": 0.7}, accept=("HW701",)),
    *CNN.pair("cnn-dead-bias", "HW301", "tune", {"depth": 4, "pool_every": 2, "init": "he"}, {"bias": -15.0},
        {"bias": 0.0}),
    *CNN.pair("cnn-dead-after-shock", "HW301", "held_out",
        {"depth": 3, "channels": 32, "init": "he", "opt": sgd(0.02, 0.9)}, {"shock": adamw(5.0)},
        {"shock": adamw(1e-3)}),
    *CNN.pair("cnn-tanh-normal", "HW302", "held_out", {"act": "tanh", "depth": 4, "channels": 24, "opt": sgd(0.01)},
        {"init": "normal", "amount": 8.0}, {"init": "xavier"}, learns=0.5),
    *CNN.pair("cnn-constant", "HW607", "tune", {"depth": 3, "pool_every": 2}, {"init": "constant", "amount": 0.03},
        {"init": "he"}, effect="worse"),
    *MIXER.pair("mixer-zero", "HW607", "held_out", {"depth": 2}, {"init": "constant", "amount": 0.0}, {},
        accept=("HW602",)),
)

HEALTHY: tuple[Case, ...] = (
    CNN.healthy("cnn-relu-default-3", "tune", depth=3, pool_every=2, steps=150),
    CNN.healthy("cnn-batchnorm-12", "held_out", depth=12, norm=True, steps=80),
    CNN.healthy("cnn-converged", "tune", depth=3, pool_every=2, init="he", converge=300, steps=40),
    CNN.healthy("cnn-rmsprop-32", "held_out", depth=4, channels=32, pool_every=2, init="he", opt=rmsprop(1e-3)),
    RESNET.healthy("resnet-zero-gamma", "tune", zero_gamma=True, note="branch ends are zero at first, by design"),
    RESNET.healthy("resnet-plain-6", "held_out", zero_gamma=False, blocks=6),
    RESNET.healthy("resnet-converged", "held_out", converge=200, steps=20),
    RESIDUAL.healthy("rezero-20", "tune", blocks=20, scale="learnt", opt=adam(1e-3)),
    RESIDUAL.healthy("fixup-zero-last-24", "held_out", blocks=24, width=100, zero_last=True, opt=sgd(0.01, 0.9)),
    RESIDUAL.healthy("residual-layernorm-30", "tune", blocks=30, norm="layer", opt=adam(3e-4)),
    RESIDUAL.healthy("residual-batchnorm-16", "held_out", blocks=16, norm="batch", opt=sgd(0.02)),
    RESIDUAL.healthy("layer-scale-12", "held_out", blocks=12, scale=1e-4, norm="layer", opt=adamw(1e-3),
        note="branches scaled by 1e-4 get a small gradient, by design"),
    HIGHWAY.healthy("highway-20", "tune", depth=20, carry=-3.0, opt=sgd(0.02, 0.9)),
    MIXER.healthy("mixer-8", "tune", depth=8, width=64, steps=150),
    Case("densenet-concat", None, "dense", "tune", dense),
    Case("unet-skip", None, "unet", "held_out", lambda seed, widen=1: reconstruct(seed, widen, flat=False)),
    Case("autoencoder-bottleneck", None, "mlp", "tune", lambda seed, widen=1: reconstruct(seed, widen, flat=True),
        learns=0.4),
    Case("frozen-backbone", None, "cnn", "held_out", images_transfer, learns=0.5),
    Case("finetuned-backbone", None, "cnn", "tune", lambda seed, widen=1: images_transfer(seed, widen, frozen=False)),
)
# fmt: on

CASES = BROKEN + HEALTHY
