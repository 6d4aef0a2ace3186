"""A small training that broadcasts its targets, and what else the tests of trials share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from headwater import diagnose
from headwater.trials import ObjectsWorkload


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets) ** 2).mean()


def regression(batches: int = 8, size: int = 16) -> list[tuple[Tensor, Tensor]]:
    """Targets ``(N,)`` that are a fixed linear function of four inputs."""
    draw = torch.Generator().manual_seed(5)
    weights = torch.tensor([1.0, -2.0, 0.5, 1.5])
    inputs = [torch.randn(size, 4, generator=draw) for _ in range(batches)]
    return [(x, x @ weights) for x in inputs]


def network() -> nn.Module:
    """Outputs ``(N, 1)``, which broadcast against the targets."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.02)


def workload(make_model: Callable[[], Any] = network, **changes: Any) -> ObjectsWorkload:
    batches = regression()
    torch.manual_seed(0)
    report = diagnose(network(), batches, squared_error, optimizer=adam)
    made = ObjectsWorkload(
        make_model, batches, squared_error, None, adam, None, None, report.measurement, report.findings
    )
    return replace(made, **changes)
