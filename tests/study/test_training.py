import math

import pytest
import torch
from torch import nn

from headwater.study.data import Dataset
from headwater.study.networks import mlp
from headwater.study.training import Training, batches, train

CHANCE = math.log(2)


@pytest.fixture
def two_clouds() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (400,), generator=generator)
    inputs = torch.randn(400, 4, generator=generator) + 2.0 * labels[:, None]
    return Dataset("clouds", "two clouds", inputs[:300], labels[:300], inputs[300:], labels[300:], classes=2)


def test_the_loss_falls_and_the_steps_are_told(two_clouds):
    told = []
    model = mlp(4, 2, depth=1, width=8, activation="relu")
    training = train(model, two_clouds, rate=0.1, steps=120, progress=lambda *step: told.append(step))
    assert training.outcome == "learned"
    assert training.accuracy > 0.9
    assert told == [(step, 120) for step in range(1, 121)]


def test_one_step_is_plain_gradient_descent(two_clouds):
    model = nn.Linear(4, 2)
    by_hand = [parameter.detach().clone() for parameter in model.parameters()]
    (inputs, labels), *_ = batches(two_clouds, 1, seed=3)
    gradients = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), labels), list(model.parameters()))
    train(model, two_clouds, rate=0.25, steps=1, seed=3)
    for parameter, before, gradient in zip(model.parameters(), by_hand, gradients, strict=True):
        torch.testing.assert_close(parameter.detach(), before - 0.25 * gradient)


def test_tiny_numbers_count_as_zero_while_it_trains_and_change_nothing(two_clouds, monkeypatch):
    """Behind 40 sigmoid layers the gradient is 1e-35, and the products with it are smaller than a float can hold."""

    def trained() -> nn.Module:
        model = mlp(4, 2, depth=40, width=16, activation="sigmoid")
        train(model, two_clouds, rate=1.0, steps=5, progress=lambda *_: seen.append(_is_flushed()))
        return model

    seen: list[bool] = []
    flushed = trained()
    assert seen == [True] * 5 and not _is_flushed()
    monkeypatch.setattr(torch, "set_flush_denormal", lambda mode: True)
    for ours, theirs in zip(flushed.parameters(), trained().parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-37)
    assert seen[5:] == [False] * 5


def _is_flushed() -> bool:
    return not torch.full((), 1e-310, dtype=torch.float64).mul(1.0)


def test_a_seed_gives_the_same_training(two_clouds):
    runs = [
        train(mlp(4, 2, depth=1, width=8, activation="relu"), two_clouds, rate=0.1, steps=5, seed=7) for _ in range(2)
    ]
    assert runs[0].losses == runs[1].losses


@pytest.mark.parametrize(
    ("final", "outcome"),
    [(0.1, "learned"), (0.6, "partly"), (CHANCE, "nothing"), (5.0, "nothing"), (math.nan, "diverged")],
)
def test_the_outcome_follows_from_the_final_loss(final, outcome):
    assert Training(0.1, (0.7,) * 100 + (final,) * 50, 0.5, CHANCE).outcome == outcome
