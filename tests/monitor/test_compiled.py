"""Models that are compiled: in a wrapper, in place, in part; a training step that is compiled whole.

The backend runs the captured graphs as they are: what matters here is what Dynamo does to hooks, not code generation.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.monitor.training import Start, assert_identical, batch, begin

STEPS = 5

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def _wrapped(model: nn.Module) -> Any:
    return torch.compile(model, backend="aot_eager")


def _in_place(model: nn.Module) -> Any:
    model.compile(backend="aot_eager")
    return model


def _inside(model: Any) -> Any:
    model[0] = torch.compile(model[0], backend="aot_eager")
    return model


def _inside_in_place(model: Any) -> Any:
    model[0].compile(backend="aot_eager")
    return model


WAYS: dict[str, Callable[[Any], Any]] = {
    "wrapped": _wrapped,
    "in place": _in_place,
    "inside": _inside,
    "inside, in place": _inside_in_place,
}


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_model_is_measured_beside_the_training(way: str, warm: bool) -> None:
    def train(start: Start) -> None:
        model = WAYS[way](_net())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        if warm:  # compiled before anybody watches
            F.cross_entropy(model(batch()[0]), batch()[1]).backward()
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    seen = assert_identical(train)
    measured = seen.monitor.tracks[0].measured
    assert measured is not None and seen.probes() == STEPS
    assert len(measured.layers) == 2
    assert all((layer.gain or 1.0) > 0 for layer in measured.layers)


def test_the_loss_is_compiled_with_the_model() -> None:
    def train(start: Start) -> None:
        model = _net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

        @torch.compile(backend="aot_eager")
        def objective(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(model(inputs), targets)

        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            objective(inputs, targets).backward()
            optimizer.step()

    seen = assert_identical(train)
    assert all((step.gradients["0.weight"] or 0.0) > 0 for step in seen.steps)
    assert not seen.codes  # nothing is seen of what lies inside, and nothing is claimed


def test_a_copy_of_a_compiled_model_is_its_own() -> None:
    def train(start: Start) -> None:
        model = _inside_in_place(_net())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        for _ in range(STEPS):
            twin = copy.deepcopy(model).eval()
            with torch.no_grad():
                for p in twin.parameters():
                    p.zero_()
            assert not twin(torch.ones(2, 4)).any()
            torch.save(model, io.BytesIO())
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def test_mixed_precision_is_repeated_as_it_ran() -> None:
    def train(start: Start) -> None:
        model = _wrapped(_net())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()

    seen = assert_identical(train)
    measured = seen.monitor.tracks[0].measured
    assert measured is not None and seen.probes() == STEPS


def test_what_is_not_seen_of_a_compiled_model_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    model = _wrapped(_net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = begin(model, optimizer)
    for _ in range(12):  # more than one window
        inputs, targets = batch()
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    seen.watch.close()
    told = [record.getMessage() for record in caplog.records if "is compiled" in record.getMessage()]
    assert len(told) == 1 and "Not seen are what lies between its outputs and the loss" in told[0]
