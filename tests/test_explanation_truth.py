"""Explanations are true: take the blamed cause away, and the measured gain moves by what was attributed to it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import headwater
from headwater.records import Explanation
from headwater.rules.explanation import explanation

WITHIN = 0.10
Model = Callable[[Any], nn.Module]
"""From the activation to a model."""


class Recurrent(nn.Module):
    """A loop in plain Python: every step applies the same weights."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(96, 96), nn.Linear(8, 96), nn.Linear(96, 10)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = self.outer(x[:, 0])
        for t in range(1, x.shape[1]):
            state = self.activation(self.inner(state) + self.outer(x[:, t]))
        return self.head(state)


def mlp(activation: nn.Module, norm: Callable[[int], nn.Module] | None = None, depth: int = 10) -> nn.Module:
    hidden: list[nn.Module] = []
    for _ in range(depth):
        hidden += [nn.Linear(128, 128), *([norm(128)] if norm else []), copy.deepcopy(activation)]
    return nn.Sequential(*hidden, nn.Linear(128, 10))


def cnn(activation: nn.Module, norm: Callable[[int], nn.Module] | None = None) -> nn.Module:
    hidden: list[nn.Module] = []
    for i in range(7):
        hidden.append(nn.Conv2d(3 if i == 0 else 24, 24, 3, padding=1))
        hidden += [*([norm(24)] if norm else []), copy.deepcopy(activation)]
    return nn.Sequential(*hidden, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))


MODELS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (64, 128)),
    "cnn": (cnn, (16, 3, 12, 12)),
    "rnn": (Recurrent, (64, 12, 8)),
}


def explained(model: nn.Module, shape: tuple[int, ...]) -> Explanation:
    """The account of the model as it is, before any step of training."""
    torch.manual_seed(1)
    data = (torch.randn(shape), torch.randint(10, shape[:1]))
    measurement = headwater.diagnose(model, data, nn.CrossEntropyLoss(), steps=1).measurement
    found = explanation(measurement) or explanation(measurement, grows=True)
    assert found is not None
    return found


def parts(found: Explanation) -> dict[str, float]:
    return {part.part: part.measured for part in found.parts}


def swapped(model: nn.Module, kind: type[nn.Module], by: nn.Module) -> nn.Module:
    twin = copy.deepcopy(model)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if type(child) is kind:
                setattr(module, name, copy.deepcopy(by))
    return twin


def rescaled(model: nn.Module, factor: float) -> nn.Module:
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.dim() > 1:
                parameter.mul_(factor)
    return twin


def initialised(model: nn.Module, initialisation: str) -> nn.Module:
    if initialisation == "xavier":
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)
    return model


@pytest.mark.parametrize(
    ("kind", "initialisation", "activation"),
    [
        *(
            ("mlp", initialisation, activation)
            for initialisation in ("default", "xavier")
            for activation in (nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.GELU(), nn.SiLU())
        ),
        *((kind, "default", activation) for kind in ("cnn", "rnn") for activation in (nn.Sigmoid(), nn.ReLU())),
    ],
    ids=str,
)
def test_without_the_activation_its_factor_is_gone(kind: str, activation: nn.Module, initialisation: str) -> None:
    torch.manual_seed(0)
    make, shape = MODELS[kind]
    model = initialised(make(activation), initialisation)
    before, after = explained(model, shape), explained(swapped(model, type(activation), nn.Identity()), shape)
    attributed = parts(before).get("activation", 1.0)
    assert after.measured / before.measured == pytest.approx(1.0 / attributed, rel=WITHIN)


@pytest.mark.parametrize("kind", MODELS)
def test_another_activation_brings_its_own_factor(kind: str) -> None:
    torch.manual_seed(0)
    make, shape = MODELS[kind]
    model = make(nn.Sigmoid())
    before, after = explained(model, shape), explained(swapped(model, nn.Sigmoid, nn.ReLU()), shape)
    moved = parts(after)["activation"] / parts(before)["activation"]
    assert after.measured / before.measured == pytest.approx(moved, rel=WITHIN)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2)], ids=str)
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_with_weights_of_neutral_size_their_factor_is_gone(kind: str, activation: nn.Module, scale: float) -> None:
    """Activations without a scale of their own: what the weights' size does to others is tested with the theory."""
    torch.manual_seed(0)
    make, shape = MODELS[kind]
    model = rescaled(make(activation), scale)
    before = explained(model, shape)
    attributed = parts(before)["weights"]
    after = explained(rescaled(model, 1.0 / attributed), shape)
    assert after.measured / before.measured == pytest.approx(1.0 / attributed, rel=WITHIN)
    assert parts(after).get("weights", 1.0) == pytest.approx(1.0, rel=WITHIN)


@pytest.mark.parametrize("activation", [nn.Sigmoid(), nn.Tanh(), nn.GELU()], ids=str)
def test_small_weights_of_smooth_activations_account_for_what_they_were_blamed_for(activation: nn.Module) -> None:
    torch.manual_seed(0)
    model = mlp(activation)
    before = explained(model, (64, 128))
    after = explained(rescaled(model, 1.0 / parts(before)["weights"]), (64, 128))
    moved = parts(after)["activation"] / parts(before)["activation"] / parts(before)["weights"]
    assert after.measured / before.measured == pytest.approx(moved, rel=WITHIN)


@pytest.mark.parametrize(
    ("kind", "norm"), [("mlp", nn.BatchNorm1d), ("mlp", nn.LayerNorm), ("cnn", nn.BatchNorm2d)], ids=str
)
def test_without_the_normalisation_its_factor_is_gone(kind: str, norm: type[nn.Module]) -> None:
    torch.manual_seed(0)
    make, shape = MODELS[kind]
    model = make(nn.ReLU(), norm)
    before, after = explained(model, shape), explained(swapped(model, norm, nn.Identity()), shape)
    assert after.measured / before.measured == pytest.approx(1.0 / parts(before)["normalisation"], rel=WITHIN)


@pytest.mark.parametrize("activation", [nn.Sigmoid(), nn.ReLU()], ids=str)
def test_twice_the_depth_squares_the_attenuation(activation: nn.Module) -> None:
    torch.manual_seed(0)
    short, long = explained(mlp(activation, depth=10), (64, 128)), explained(mlp(activation, depth=20), (64, 128))
    assert short.attenuation_at_twice_the_depth and long.attenuation and short.half_depth and short.reach
    assert math.log(long.attenuation) == pytest.approx(math.log(short.attenuation_at_twice_the_depth), rel=WITHIN)
    assert short.measured**short.half_depth == pytest.approx(0.5)
    assert short.measured**short.reach == pytest.approx(math.exp(-3))
