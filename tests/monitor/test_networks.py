"""Networks and number formats out of the ordinary, trained under watch as without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from tests.monitor.training import Start, assert_identical, batch, mlp

STEPS = 6


class Loop(nn.Module):
    """A recurrent network written as a loop, on whose states the user has hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(4, 8), nn.Linear(8, 4)
        self.heard = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = cell = torch.zeros(inputs.shape[1], 8)
        outputs: list[torch.Tensor] = []
        for one in inputs:
            hidden, cell = self.cell(one, (hidden, cell))
            hidden.register_hook(self._hear)
            outputs.append(self.out(hidden))
        return torch.stack(outputs)

    def _hear(self, _gradient: torch.Tensor) -> None:
        self.heard += 1


class Fused(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.rnn, self.out = kind(4, 8, num_layers=2, dropout=0.1), nn.Linear(8, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.out(self.rnn(inputs)[0])


@pytest.mark.parametrize("make", [Loop, lambda: Fused(nn.LSTM), lambda: Fused(nn.GRU)], ids=["loop", "lstm", "gru"])
def test_recurrent_networks_and_the_hooks_on_their_states(make: Callable[[], nn.Module]) -> None:
    def train(start: Start) -> int:
        model = make()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs = torch.randn(12, 5, 4)
            optimizer.zero_grad()
            F.mse_loss(model(inputs), inputs).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return getattr(model, "heard", 0)  # a backward pass of ours would be heard

    seen = assert_identical(train)
    assert seen.probes() == STEPS


def test_truncated_backpropagation_through_time() -> None:
    def train(start: Start) -> None:
        model = nn.LSTM(4, 8)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        start(model, optimizer)
        state: Any = None
        for _ in range(STEPS):
            outputs, state = model(torch.randn(6, 3, 4), state)
            state = tuple(each.detach() for each in state)
            optimizer.zero_grad()
            outputs.square().mean().backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def test_saved_tensors_that_are_offloaded() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            with torch.autograd.graph.save_on_cpu():
                loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def _train(start: Start, model: nn.Module, inputs: Callable[[], Any]) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    start(model, optimizer)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(inputs()).abs().float().square().mean().backward()
        optimizer.step()
        scheduler.step()


def _sparse() -> nn.Module:
    return nn.Sequential(nn.Embedding(10, 4, sparse=True), nn.Flatten(), nn.Linear(8, 2))


def _normalised() -> nn.Module:
    first, last = parametrizations.spectral_norm(nn.Linear(4, 8)), parametrizations.weight_norm(nn.Linear(8, 2))
    return nn.Sequential(first, nn.ReLU(inplace=True), last)


def _tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    return model


KINDS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "sparse gradients": (_sparse, lambda: torch.randint(0, 10, (6, 2))),
    "normalised weights": (_normalised, lambda: torch.randn(6, 4)),
    "tied weights": (_tied, lambda: torch.randn(6, 4)),
    "complex": (lambda: nn.Linear(4, 2, dtype=torch.complex64), lambda: torch.randn(6, 4, dtype=torch.complex64)),
    "bfloat16": (lambda: mlp().bfloat16(), lambda: torch.randn(6, 4).bfloat16()),
    "float64": (lambda: mlp().double(), lambda: torch.randn(6, 4).double()),
    "no batch": (lambda: nn.Linear(4, 2), lambda: torch.randn(4)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)),
        lambda: torch.randn(3, 1, 6, 6),
    ),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), lambda: torch.randn(2, 5, 8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_networks_and_of_numbers(kind: str) -> None:
    make, inputs = KINDS[kind]
    seen = assert_identical(lambda start: _train(start, make(), inputs))
    assert seen.probes() == STEPS
    assert all(any(value is not None for value in step.gradients.values()) for step in seen.steps)


def test_optimizers_that_step_inside_the_backward_pass() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

        def step(p: torch.Tensor) -> None:
            optimizers[p].step()
            optimizers[p].zero_grad()

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(step)
        start(model, list(optimizers.values()))
        for _ in range(STEPS):
            inputs, targets = batch()
            F.cross_entropy(model(inputs), targets).backward()

    seen = assert_identical(train)
    assert [track.steps for track in seen.monitor.tracks] == [STEPS] * 8
    assert all((step.gradients["0.weight"] or 0.0) > 0 for step in seen.figures["0"])
