from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from headwater.remedies import remedy
from tests.remedies.rewriting import training


@pytest.mark.parametrize(("key", "total"), [("momentum", [1, 2.9, 5.61]), ("momentum:nesterov", [1.9, 4.61, 8.049])])
def test_steps_along_one_gradient_add_up(key: str, total: list[float]) -> None:
    """With g = 1: ``v_t = 1 + 0.9 v_{t-1}``, and w loses ``rate v_t``, or ``rate (1 + 0.9 v_t)`` by Nesterov's."""
    weight = nn.Linear(1, 1, bias=False)
    dampening = 0.5 if key.endswith("nesterov") else 0.0  # which Nesterov's does not go with
    live = training(lambda model: SGD(model.parameters(), lr=0.1, dampening=dampening), weight)
    remedy(key).apply(live)
    start = weight.weight.item()
    seen: list[float] = []
    for _ in range(3):
        weight.weight.grad = torch.ones(1, 1)
        live.optimizer.step()
        seen.append((start - weight.weight.item()) / 0.1)
    assert seen == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("key", ["momentum", "momentum:nesterov"])
def test_only_plain_descent_gets_it(key: str) -> None:
    assert remedy(key).refusal(training(lambda model: SGD(model.parameters(), lr=0.1))) is None
    assert remedy(key).refusal(training(lambda model: SGD(model.parameters(), lr=0.1, momentum=0.5))) is not None
    assert remedy(key).refusal(training(lambda model: Adam(model.parameters(), lr=0.1))) is not None
