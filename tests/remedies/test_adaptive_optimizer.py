from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

from headwater.records import OptimizerRecord, PrecisionRecord
from headwater.remedies import answering, remedy
from tests.builders import measurement
from tests.remedies.rewriting import network, same_by_code, training

KEYS = [each.key for each in answering("adaptive-optimizer")]


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.05)


def decayed(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.05, weight_decay=3e-3)


@pytest.mark.parametrize(
    ("key", "kind", "rate"),
    [("adam", Adam, 1e-3), ("adam-1e-4", Adam, 1e-4), ("rmsprop", RMSprop, 1e-3), ("adagrad", Adagrad, 1e-2)],
)
def test_the_first_step_of_every_element_is_the_rate(key: str, kind: type, rate: float) -> None:
    """``g / sqrt(g^2)`` whatever g is; RMSprop's mean of squares starts at ``(1 - alpha) g^2``, a tenth by its root."""
    live = training(sgd)
    assert remedy(f"adaptive-optimizer:{key}").refusal(live) is None
    remedy(f"adaptive-optimizer:{key}").apply(live)
    assert type(live.optimizer) is kind
    weight = live.model.get_parameter("0.weight")
    before = weight.detach().clone()
    for p in live.model.parameters():
        p.grad = torch.full_like(p, 1e-3)
    live.optimizer.step()
    expected = 10 * rate if kind is RMSprop else rate
    torch.testing.assert_close(before - weight, torch.full_like(weight, expected), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("key", KEYS)
def test_decay_stays_only_where_it_means_the_same(key: str) -> None:
    live = training(decayed)
    change = remedy(key).apply(live)
    (group,) = live.optimizer.param_groups
    assert group["weight_decay"] == (3e-3 if key.endswith("adamw") else 0)
    assert ("without its decay" in change.says) == (not key.endswith("adamw"))
    for p in live.model.parameters():
        p.grad = torch.zeros_like(p)
    weight = live.model.get_parameter("0.weight")
    before = weight.detach().clone()
    live.optimizer.step()
    shrunk = 1 - group["lr"] * 3e-3 if key.endswith("adamw") else 1.0
    torch.testing.assert_close(weight.detach(), shrunk * before)


def test_adamw_comes_with_its_usual_decay() -> None:
    live = training(sgd)
    remedy("adaptive-optimizer:adamw").apply(live)
    assert type(live.optimizer) is AdamW
    assert live.optimizer.param_groups[0]["weight_decay"] == 0.01


@pytest.mark.parametrize(
    ("decays", "kept"), [((5e-4, 0.0), (5e-4, 0.0)), ((0.0, 0.0), (0.01, 0.01)), ((0.1, 0.2), (0.1, 0.2))]
)
def test_groups_without_decay_beside_one_with_it_stay_so(
    decays: tuple[float, float], kept: tuple[float, float]
) -> None:
    def make(model: nn.Module) -> Optimizer:
        weight, *others = model.parameters()
        one, other = decays
        return SGD([{"params": [weight], "weight_decay": one}, {"params": others, "weight_decay": other}], lr=0.05)

    live = training(make)
    change = remedy("adaptive-optimizer:adamw").apply(live)
    assert tuple(group["weight_decay"] for group in live.optimizer.param_groups) == kept
    assert same_by_code(change, make, live)


@pytest.mark.parametrize("kind", [Adam, AdamW, NAdam, RMSprop, Adagrad])
@pytest.mark.parametrize("key", KEYS)
def test_an_adaptive_optimizer_is_not_exchanged(key: str, kind: Any) -> None:
    refusal = remedy(key).refusal(training(lambda model: kind(model.parameters())))
    assert refusal is not None
    assert kind.__name__ in refusal


def test_an_optimizer_that_was_measured_to_be_adaptive_is_not_exchanged() -> None:
    class Lion(SGD):
        pass

    found = measurement(
        precision=PrecisionRecord(adaptive=True), optimizer=OptimizerRecord("Lion", (1e-4,), given=True)
    )
    live = training(lambda model: Lion(model.parameters(), lr=1e-4), found=found)
    assert remedy("adaptive-optimizer:adam").refusal(live) is not None


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("key", KEYS)
def test_sparse_gradients_go_to_the_one_that_takes_them(key: str) -> None:
    live = training(sgd, nn.Embedding(9, 4, sparse=True))
    refused = remedy(key).refusal(live) is not None
    assert refused == (not key.endswith("adagrad"))
    remedy("adaptive-optimizer:adagrad").apply(live)
    live.model(torch.tensor([1, 2])).sum().backward()
    live.optimizer.step()


def test_an_optimizer_without_a_rate_for_its_groups_gets_the_usual_one() -> None:
    live = training(lambda model: LBFGS(model.parameters(), lr=0.0), network())
    remedy("adaptive-optimizer:adam").apply(live)
    assert live.optimizer.param_groups[0]["lr"] == 1e-3
