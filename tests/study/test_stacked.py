"""Networks that train together become what each becomes by itself."""

import math

import pytest
import torch
from torch import nn

from headwater.study import stacked
from headwater.study.data import Dataset
from headwater.study.networks import mlp
from headwater.study.stacked import LARGE, is_faster, train_together
from headwater.study.training import train

STEPS = 25


@pytest.fixture
def data() -> Dataset:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (300,), generator=draw)
    inputs = torch.randn(300, 6, generator=draw) + labels[:, None]
    return Dataset("clouds", "clouds", inputs[:200], labels[:200], inputs[200:], labels[200:], classes=3)


def networks() -> list[nn.Sequential]:
    kinds = [("default", 0), ("he", 1), ("orthogonal", 2)]
    return [mlp(6, 3, depth=3, width=8, activation="gelu", initialisation=init, seed=seed) for init, seed in kinds]


@pytest.fixture(autouse=True)
def none_is_few(monkeypatch):
    monkeypatch.setattr(stacked, "FEW", 1)


def test_together_is_one_by_one(data):
    """At other rates, from other seeds and other first weights; 25 steps, since rounding grows with them."""
    rates, seeds = [0.1, 0.03, 0.3], [5, 6, 7]
    together, alone = networks(), networks()
    found = train_together(together, data, rates=rates, steps=STEPS, seeds=seeds)
    for ours, theirs, trained, rate, seed in zip(together, alone, found, rates, seeds, strict=True):
        expected = train(theirs, data, rate=rate, steps=STEPS, seed=seed)
        assert trained.training.losses == pytest.approx(expected.losses, rel=1e-4)
        assert trained.training.accuracy == pytest.approx(expected.accuracy, abs=0.011)  # one image of a hundred
        assert trained.training.rate == rate and trained.training.chance == math.log(3)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_one_that_diverges_takes_no_other_along(data):
    both = train_together(networks()[:2], data, rates=[0.1, 1e6], steps=STEPS, seeds=[0, 0])
    alone = train_together(networks()[:1], data, rates=[0.1], steps=STEPS, seeds=[0])
    assert both[1].training.outcome == "diverged"
    assert both[0].training.losses == pytest.approx(alone[0].training.losses, rel=1e-4)


def test_few_are_trained_one_by_one_and_tell_the_same(data, monkeypatch):
    together = train_together(networks(), data, rates=[0.1] * 3, steps=STEPS, seeds=[1, 2, 3])
    monkeypatch.setattr(stacked, "FEW", 4)
    alone = train_together(networks(), data, rates=[0.1] * 3, steps=STEPS, seeds=[1, 2, 3])
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.training.losses == pytest.approx(theirs.training.losses, rel=1e-4)
        assert ours.paths == pytest.approx(theirs.paths, rel=1e-3)


def test_large_networks_are_trained_one_by_one(data, monkeypatch):
    assert is_faster(3, LARGE - 1) and not is_faster(3, LARGE)
    monkeypatch.setattr(stacked, "train_stacked", None)
    monkeypatch.setattr(stacked, "LARGE", 100)
    assert len(train_together(networks(), data, rates=[0.1] * 3, steps=2, seeds=[1, 2, 3])) == 3


def test_the_path_is_the_sum_of_the_relative_updates_of_every_tenth_step(data):
    model, slow = networks()[0], networks()[0]
    found = train_together([model], data, rates=[0.1], steps=STEPS, seeds=[3])[0]
    draw = torch.Generator().manual_seed(3)
    matrices = [p for p in slow.parameters() if p.dim() == 2]
    start, expected = [p.detach().norm() for p in matrices], [0.0] * len(matrices)
    for step in range(STEPS):
        rows = torch.randint(len(data.inputs), (64,), generator=draw)
        loss = nn.functional.cross_entropy(slow(data.inputs[rows]), data.labels[rows])
        gradients = torch.autograd.grad(loss, list(slow.parameters()))
        weight = {0: 10, 10: 10, 20: 5}.get(step, 0)  # the last one stands for the five steps that are left
        for i, p in enumerate(matrices):
            place = next(k for k, q in enumerate(slow.parameters()) if q is p)
            expected[i] += weight * float(0.1 * gradients[place].norm() / start[i])
        with torch.no_grad():
            for p, gradient in zip(slow.parameters(), gradients, strict=True):
                p -= 0.1 * gradient
    assert found.paths == pytest.approx(expected, rel=1e-3)
