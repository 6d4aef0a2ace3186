"""Clipping before the step, wherever it is done and however it was imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from tests.monitor.training import Start, assert_identical, batch, joint, mlp, norm

STEPS = 6
LIMIT = 0.01


def _by_name_norm(model: nn.Module) -> None:
    clip_grad_norm_(model.parameters(), LIMIT)


def _by_name_value(model: nn.Module) -> None:
    clip_grad_value_(model.parameters(), LIMIT)


def _by_module_norm(model: nn.Module) -> None:
    torch.nn.utils.clip_grad_norm_(list(model.parameters()), LIMIT, foreach=False)


def _by_module_value(model: nn.Module) -> None:
    torch.nn.utils.clip_grad_value_(model.parameters(), clip_value=LIMIT)


def _in_two_halves(model: nn.Module) -> None:
    total = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    torch.nn.utils.clip_grads_with_norm_(model.parameters(), LIMIT, total)


def _norm_that_does_nothing(model: nn.Module) -> None:
    clip_grad_norm_(model.parameters(), 1e6)


WAYS: dict[str, Callable[[nn.Module], None]] = {
    "norm, by name": _by_name_norm,
    "value, by name": _by_name_value,
    "norm": _by_module_norm,
    "value": _by_module_value,
    "in two halves": _in_two_halves,
    "far away": _norm_that_does_nothing,
}


def _train(start: Start, clip: Callable[[nn.Module], None], factors: list[float], *, hook: bool) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def clipped(*_: Any) -> None:
        before = norm(p.grad for p in model.parameters())
        clip(model)
        factors.append(norm(p.grad for p in model.parameters()) / before)

    if hook:
        optimizer.register_step_pre_hook(clipped)
    start(model, optimizer)
    for _ in range(STEPS):
        inputs, targets = batch()
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        if not hook:
            clipped()
        optimizer.step()


@pytest.mark.parametrize("hook", [False, True], ids=["loop", "hook"])
@pytest.mark.parametrize("way", WAYS)
def test_the_factor_is_in_the_figures(way: str, hook: bool) -> None:
    factors: list[float] = []
    seen = assert_identical(lambda start: _train(start, WAYS[way], factors, hook=hook))
    assert [step.clip for step in seen.steps] == pytest.approx(factors[STEPS:], rel=1e-3)
    measured = seen.monitor.tracks[0].measured
    assert measured is not None
    judged = [factors[STEPS:][step] for step in measured.judged_steps]
    found = [clip.consumed / clip.norm for clip in measured.precision.clips]
    assert found == pytest.approx(judged, rel=1e-3)


def test_a_limit_that_always_acts_is_found_in_a_live_training() -> None:
    seen = assert_identical(lambda start: _train(start, _by_name_norm, [], hook=False))
    assert "HW505" in seen.codes
    far = assert_identical(lambda start: _train(start, _norm_that_does_nothing, [], hook=False))
    assert "HW505" not in far.codes


def test_clipping_of_another_model_is_not_ours() -> None:
    def train(start: Start) -> None:
        model, other = mlp(), nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            F.cross_entropy(other(inputs), targets).backward()
            clip_grad_norm_(other.parameters(), LIMIT)
            optimizer.step()

    seen = assert_identical(train)
    assert all(step.clip is None for step in seen.steps)


def test_a_generator_of_parameters_is_not_used_up() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            clip_grad_value_((p for p in model.parameters()), LIMIT)
            assert max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None) <= LIMIT
            optimizer.step()

    assert all(0 < joint(step) < 1 for step in assert_identical(train).steps)
