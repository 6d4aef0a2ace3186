"""A gradient scaler, with optimizers that unscale by themselves (fused) and with those that do not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional as F

from tests.monitor.training import Start, Watched, assert_identical, batch, joint, mlp

STEPS = 6
KINDS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, fused=False),
    "fused sgd": lambda p: torch.optim.SGD(p, lr=0.01, fused=True),
    "fused adamw": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
}


def _train(
    start: Start, kind: str, *, scale: float = 1024.0, unscale: bool = False, spoilt: tuple[int, ...] = ()
) -> Watched | None:
    """Trains in float32 under a scaler; the gradient of the first layer overflows at the spoilt steps."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = KINDS[kind](model.parameters())
    scaler = GradScaler("cpu", init_scale=scale, growth_interval=100)
    seen = start(model, optimizer)
    for i in range(STEPS):
        inputs, targets = batch()
        optimizer.zero_grad()
        hidden = model[1](model[0](inputs))
        if i in spoilt:
            hidden.register_hook(lambda gradient: gradient * torch.inf)
        scaler.scale(F.cross_entropy(model[2](hidden), targets)).backward()
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return seen


def _plain_norms(kind: str) -> list[float]:
    """Norms of the gradients of the same training without a scaler."""
    sizes: list[float] = []

    def train(start: Start) -> None:
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = KINDS[kind](model.parameters())
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    sizes = [joint(step) for step in assert_identical(train).steps]
    return sizes


@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_unscaled(kind: str, unscale: bool) -> None:
    seen = assert_identical(lambda start: _train(start, kind, unscale=unscale) and None)
    assert [joint(step) for step in seen.steps] == pytest.approx(_plain_norms(kind), rel=1e-3)
    assert all(0.1 < (step.loss or 0.0) < 2.0 for step in seen.steps)
    measured = seen.monitor.tracks[0].measured
    assert measured is not None
    assert all(0.1 < record.loss < 2.0 for record in measured.steps)
    assert seen.probes() == STEPS


class _Mixed(nn.Module):
    """A recurrent layer, attention in a residual branch, and layers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(4, 8, batch_first=True)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        states, _ = self.cells(inputs)
        return self.head(self.block(states)[:, -1])


def test_what_a_probe_measures_is_unscaled() -> None:
    """A scale that is a power of two changes no digit, so that all of it must be equal."""

    def train(start: Start, scale: float | None) -> None:
        model = _Mixed()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        scaler = GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None, growth_interval=100)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = torch.randn(8, 5, 4), torch.randint(0, 2, (8,))
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(inputs), targets)).backward()
            scaler.step(optimizer)
            scaler.update()

    plain, scaled = (assert_identical(lambda start, scale=scale: train(start, scale)) for scale in (None, 2.0**16))
    one, other = (seen.monitor.tracks[0].measured for seen in (plain, scaled))
    assert one is not None and other is not None
    assert one.layers and one.attention and one.through_time
    assert [each.signal for each in other.profile.points] == [each.signal for each in one.profile.points]
    assert other.layers == one.layers and other.attention == one.attention
    for each, twin in zip(one.through_time, other.through_time, strict=True):
        assert twin.log_gradient == pytest.approx(each.log_gradient, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_skipped_step_is_said_to_be_skipped_and_is_no_finding(kind: str) -> None:
    seen = assert_identical(lambda start: _train(start, kind, spoilt=(1, 4)) and None)
    track = seen.monitor.tracks[0]
    if kind.startswith("fused"):
        assert [step.skipped for step in seen.steps] == [i in (1, 4) for i in range(STEPS)]
    else:
        assert track.steps == STEPS - 2
        assert not any(step.skipped for step in seen.steps)
    assert track.skipped == 2
    # a step that was left out is told once or not at all, and never as the one before
    assert len(seen.probed) == len(set(seen.probed)) >= 1
    if kind.startswith("fused"):
        assert not {1, 4} & set(seen.probed)
    assert not [event for event in seen.events if event.finding.code in ("HW701", "HW504", "HW502")]
    assert seen.codes.isdisjoint({"HW701", "HW504", "HW502"})
    measured = track.measured
    assert measured is not None
    assert all((p.update_ratio or 0.0) > 0 for p in measured.parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_what_overflows_without_any_scale_is_a_finding(kind: str) -> None:
    seen = assert_identical(lambda start: _train(start, kind, scale=1.0, spoilt=(1,)) and None)
    assert [event.finding.code for event in seen.events if event.event == "raised"][:1] == ["HW701"]


def test_a_scaler_that_is_switched_off_is_no_scaler() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        scaler: Any = GradScaler("cpu", enabled=False)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(inputs), targets)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()

    seen = assert_identical(train)
    assert seen.probes() == STEPS
    assert all(0.1 < (step.loss or 0.0) < 3.0 for step in seen.steps)
