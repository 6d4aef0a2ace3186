"""Nothing of a step outlives it, nothing grows, and little lies in a device's memory."""

from __future__ import annotations

import gc
import math
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.memory import bytes_on_device, transformer_100m
from headwater.monitor import Session, Settings
from headwater.monitor.belongings import Models
from tests.monitor.training import assert_as_found, batch, begin, mlp


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """Leaves out of every collection what was there before: in a whole session millions of objects."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Mark:
    """Lives as long as the node of the graph that it is tied to, which takes no weak reference itself."""


def _tensors() -> set[int]:
    gc.collect()
    return {id(each) for each in gc.get_objects() if issubclass(type(each), torch.Tensor)}


def test_no_tensor_of_a_step_is_alive_after_its_end() -> None:
    class Keeping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = inputs
            for layer in self.net:
                hidden = layer(hidden)
                made.append(weakref.ref(hidden))
                mark = Mark()
                hidden.grad_fn.metadata["mark"] = mark  # type: ignore[union-attr]
                nodes.append(weakref.ref(mark))
            return hidden

    made: list[weakref.ref[Any]] = []
    nodes: list[weakref.ref[Any]] = []
    model = Keeping()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = begin(model, optimizer)
    for _ in range(12):
        made.clear(), nodes.clear()
        inputs, targets = batch()
        made.append(weakref.ref(inputs))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        made.append(weakref.ref(loss))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        del inputs, targets, loss
        gc.collect()
        assert [each for each in made if each() is not None] == []
        assert [each for each in nodes if each() is not None] == []
    assert seen.probes() > 0
    seen.watch.close()


@pytest.mark.parametrize("budget", [0.01, math.inf])
def test_nothing_grows(budget: float) -> None:
    model = mlp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    seen = begin(model, optimizer, budget=budget)

    def train(steps: int) -> tuple[int, int]:
        for _ in range(steps):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            for figures in seen.figures.values():
                figures.clear()
            seen.events.clear()
        gc.collect()
        return len(_tensors()), sys.getallocatedblocks()

    train(96)
    first = train(64)
    last = train(2_016 if budget < 1 else 160)  # whole blocks of figures and whole windows of probes
    seen.watch.close()
    assert abs(last[0] - first[0]) <= 4
    assert last[1] - first[1] < 1_000


def test_statistics_of_a_hundred_million_parameters_take_less_than_a_megabyte_on_a_device() -> None:
    model = transformer_100m()
    assert 90e6 < sum(p.numel() for p in model.parameters()) < 130e6
    held = bytes_on_device(model)
    assert set(held) == {"figures", "updates", "in all"}
    assert held["figures"] > 0 and held["updates"] > 0
    assert held["in all"] < 1_000_000


@pytest.mark.parametrize("kind", ["plain", "model holds optimizer", "two optimizers", "last step armed"])
def test_models_and_optimizers_of_a_sweep_die_as_in_plain_python(kind: str) -> None:
    def train() -> list[weakref.ref[Any]]:
        model = mlp()
        optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3)]
        if kind == "two optimizers":
            optimizers.append(torch.optim.SGD(model[0].parameters(), lr=1e-3))
        if kind == "model holds optimizer":
            model.optimizer = optimizers[0]  # type: ignore[assignment]
        for _ in range(4 if kind == "last step armed" else 6):
            inputs, targets = batch()
            for optimizer in optimizers:
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
        return [weakref.ref(each) for each in (model, model[0].weight, *optimizers)]

    train()  # imports what PyTorch imports late
    gc.collect()
    gc.disable()  # not even the collector is needed where plain Python needs none
    session = Session(Settings(first=(1, 3)))
    session.begin()
    try:
        alive: list[int] = []
        for _ in range(20):
            left = train()
            if kind == "model holds optimizer":
                gc.collect()
            alive.append(sum(each() is not None for each in left))
        assert alive == [0] * 20
        (monitor,) = session.monitors.values()
        assert monitor.fault is None and not monitor.tracks and not monitor.models
    finally:
        gc.enable()
        session.end()
    each = {"last step armed": 4, "two optimizers": 12}.get(kind, 6)
    assert session.steps == 20 * each
    assert len(monitor.verdicts) == 8  # the newest
    assert all(track.measured is not None for track in monitor.verdicts)
    assert_as_found()


def test_models_are_known_without_a_question_to_them_and_without_their_wrapper() -> None:
    class Shy(nn.Linear):
        def __len__(self) -> int:
            raise TypeError("no length, as of what torch.compile wraps")

    inner = Shy(2, 2)
    wrapped = nn.DataParallel(inner)
    models = Models({"shy": Shy(1, 1), "wrapped": wrapped, "empty": (empty := nn.Sequential())})
    assert models.alive() == {"wrapped": wrapped, "empty": empty} and not models.complete()
    del wrapped
    assert models.alive()["wrapped"] is inner
