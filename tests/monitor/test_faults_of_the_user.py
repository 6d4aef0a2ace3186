"""What the user's own code raises goes through, and watching goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.monitor.training import Start, assert_identical, assert_untouched, batch, begin, hooks, mlp

STEPS = 6


class Fragile(nn.Module):
    """Raises in the forward pass, in the middle of it, or in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.fails: str = ""
        self.error: type[BaseException] = KeyError

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.first(inputs))
        if self.fails == "forward":
            raise self.error("the user's own")
        if self.fails == "backward":
            hidden.register_hook(self._fail)
        return self.last(hidden)

    def _fail(self, gradient: torch.Tensor) -> None:
        raise self.error("the user's own")


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("place", ["forward", "backward"])
def test_an_exception_in_a_probed_step(place: str, error: type[BaseException]) -> None:
    def train(start: Start) -> None:
        model = Fragile()
        model.error = error
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        for i in range(STEPS):
            model.fails = place if i == 2 else ""
            inputs, targets = batch()
            optimizer.zero_grad()
            try:
                F.cross_entropy(model(inputs), targets).backward()
            except error:
                assert i == 2
                continue
            assert i != 2
            optimizer.step()

    seen = assert_identical(train)
    assert len(seen.steps) == STEPS - 1
    assert seen.probes() == STEPS - 1
    measured = seen.monitor.tracks[0].measured
    assert measured is not None
    assert [layer.name for layer in measured.layers] == ["first", "last"]


def test_closing_in_the_middle_of_a_step_leaves_nothing() -> None:
    model = Fragile()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    before = hooks(model, optimizer)
    seen = begin(model, optimizer)
    model.fails = "forward"
    with pytest.raises(KeyError):
        model(torch.ones(2, 4))
    assert torch.is_anomaly_enabled()  # a probe is under way
    seen.watch.close()
    assert_untouched(model, optimizer, before)


def test_closing_in_the_middle_of_a_backward_pass_leaves_nothing() -> None:
    model = Fragile()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    before = hooks(model, optimizer)
    seen = begin(model, optimizer)
    outputs = model(torch.ones(2, 4))
    outputs.register_hook(lambda _: seen.watch.close())
    outputs.sum().backward()
    optimizer.step()
    assert_untouched(model, optimizer, before)
    assert seen.monitor.fault is None


@pytest.mark.parametrize("around", ["backward", "forward", "all"])
def test_the_users_own_anomaly_mode_stays_as_it_is(around: str) -> None:
    def train(start: Start) -> list[Any]:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        modes: list[Any] = []
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            if around == "backward":
                loss = F.cross_entropy(model(inputs), targets)
                with torch.autograd.detect_anomaly():
                    modes.append((torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()))
                    loss.backward()
                    modes.append((torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()))
            elif around == "forward":
                with torch.autograd.detect_anomaly():
                    loss = F.cross_entropy(model(inputs), targets)
                    modes.append((torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()))
                loss.backward()
            else:
                with torch.autograd.detect_anomaly():
                    F.cross_entropy(model(inputs), targets).backward()
                    modes.append((torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()))
                    optimizer.step()
            optimizer.step()
            modes.append(torch.is_anomaly_enabled())
        return modes

    # between a step and the next backward pass a probe may keep it on: the last step is not followed by one
    with pytest.warns(UserWarning, match="Anomaly Detection"):
        seen = assert_identical(lambda start: [mode for mode in train(start) if mode is not True and mode is not False])
    assert seen.probes() > 0


def test_anomaly_mode_that_is_switched_on_for_good_stays_on() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = begin(model, optimizer)
    torch.autograd.set_detect_anomaly(True)
    try:
        inputs, targets = batch()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        seen.watch.close()
        assert torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    finally:
        torch.autograd.set_detect_anomaly(False)


def test_two_monitors_of_one_training() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        seen = start(model, optimizer)
        second = begin(model, optimizer) if seen else None
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        if second is not None:
            second.watch.close()
            assert second.probes() == STEPS and second.monitor.fault is None

    assert assert_identical(train, budget=math.inf).probes() == STEPS
