"""Steps of which nothing is kept: most are only counted, and none is lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from headwater.monitor import Monitor, Settings
from headwater.monitor.figures import StepFigures
from headwater.monitor.rhythm import EACH, OPENING, SEVERAL, Rhythm
from headwater.monitor.sink import Sink
from tests.monitor.training import assert_as_found, batch

STRIDE = 50


def watched(optimizer: Any, model: nn.Module, **options: Any) -> Monitor:
    """Figures at each `STRIDE`-th step, and no probe but the first."""
    monitor = Monitor(model, optimizer, Settings(**options))
    for track in monitor.tracks:
        governor: Any = track.governor
        governor.stride, governor.patience = lambda: STRIDE, lambda step: 1000
        governor.probe_cost = 1e9
    monitor.attach()
    return monitor


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(batch()[0]).square().mean().backward()
        optimizer.step()


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def test_steps_are_counted_and_figures_come_at_their_stride(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = watched(optimizer, model)
    (track,) = monitor.tracks
    taken: list[int] = []
    take = track._figures.take

    def taking(step: int, notes: Any, *, whole: bool) -> None:
        taken.extend([step] * whole)
        take(step, notes, whole=whole)

    track._figures.take = taking  # type: ignore[method-assign]
    most = 0
    for step in range(4 * STRIDE):
        trained(model, optimizer, 1)
        assert monitor.steps == step + 1
        most = max(most, track.sleep.left)
    monitor.detach()
    assert most == STRIDE - 3  # all but the step with figures, and the ones after and before, which close the account
    assert taken == [*range(EACH), *range(EACH, OPENING + 1, SEVERAL), *range(STRIDE, 4 * STRIDE, STRIDE)]
    assert_as_found()


class Eager(Sink):
    """Waits for figures."""

    eager = True

    def __init__(self) -> None:
        self.seen: list[StepFigures] = []

    def figures(self, track: str, figures: Sequence[StepFigures]) -> None:
        self.seen += figures


def test_who_looks_on_sees_the_loss_between_two_steps_with_figures(model: nn.Module) -> None:
    optimizer, sink = torch.optim.SGD(model.parameters(), lr=0.01), Eager()
    monitor = watched(optimizer, model)
    monitor.sinks.add(sink)
    governor: Any = monitor.tracks[0].governor
    trained(model, optimizer, OPENING - 1)
    assert governor.beat() > 0
    governor.beat = lambda: 8
    trained(model, optimizer, 4 * STRIDE - OPENING + 1)
    monitor.detach()
    late = [each for each in sink.seen if each.step > OPENING]
    assert [each.step for each in late if any(each.gradients.values())] == [STRIDE, 2 * STRIDE, 3 * STRIDE]
    assert [each.step for each in late] == sorted({*range(40, 200, 8), STRIDE, 2 * STRIDE, 3 * STRIDE})
    assert all(each.loss is not None and each.learning_rate == 0.01 for each in late)


def test_who_comes_later_is_noticed_between_two_steps_with_figures(model: nn.Module) -> None:
    optimizer, sink = torch.optim.SGD(model.parameters(), lr=0.01), Eager()
    monitor = watched(optimizer, model)
    (track,) = monitor.tracks
    track.governor.stride = lambda: 10_000  # type: ignore[method-assign]
    track.governor.patience = lambda step: 20  # type: ignore[method-assign]
    trained(model, optimizer, 2 * OPENING)
    assert track.rhythm == Rhythm(10_000)
    monitor.sinks.add(sink)
    track.governor.stride = lambda: 100  # type: ignore[method-assign]
    track.governor.beat = lambda: 8  # type: ignore[method-assign]
    trained(model, optimizer, 2 * STRIDE)
    assert track.rhythm == Rhythm(100, 8)
    noted = [each.step for each in sink.seen if not any(each.gradients.values())]
    assert 3 * OPENING + 8 > noted[0] > 2 * OPENING
    monitor.detach()


def test_a_probe_that_was_asked_for_is_made_where_it_was_asked_for(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = Monitor(model, optimizer, Settings(first=(3, 70)))
    (track,) = monitor.tracks
    track.governor.stride = lambda: 1000  # type: ignore[method-assign]
    track.governor.probe_cost = 1e9
    monitor.attach()
    probed: list[int] = []
    for step in range(80):
        trained(model, optimizer, 1)
        probed += [step] * track.was_probe
    monitor.detach()
    assert probed == [3, 70]


def test_a_step_that_a_scaler_left_out_is_none(model: nn.Module) -> None:
    optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.01), GradScaler("cpu", init_scale=4.0)
    monitor = watched(optimizer, model)
    (track,) = monitor.tracks
    for step in range(80):
        optimizer.zero_grad()
        loss = model(batch()[0]).square().mean() * (float("inf") if step == 70 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    monitor.detach()
    assert track.steps == 79 and track.skipped == 1


class Nested(torch.optim.SGD):
    """A step inside a step."""

    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


class Sometimes(torch.optim.SGD):
    """Its step is one inside another every seventh time."""

    called = 0

    def step(self, closure: Any = None) -> Any:
        self.called += 1
        return self.twice(closure) if self.called % 7 == 0 else super().step(closure)

    @torch.optim.Optimizer.profile_hook_step
    def twice(self, closure: Any = None) -> Any:
        return super().step(closure)


@pytest.mark.parametrize("kind", [Nested, Sometimes])
def test_a_step_inside_another_counts_once(model: nn.Module, kind: type[torch.optim.SGD]) -> None:
    optimizer = kind(model.parameters(), lr=0.01)
    monitor = watched(optimizer, model)
    trained(model, optimizer, 120)
    monitor.detach()
    assert monitor.tracks[0].steps == 120 and monitor.tracks[0].sleep.nests


class Plain:
    """Has no hooks, and a step that raises once."""

    def __init__(self, parameters: Any) -> None:
        self.param_groups = [{"params": list(parameters), "lr": 0.01}]
        self.state: dict[Any, Any] = {}
        self.raises = False

    def zero_grad(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def step(self) -> None:
        if self.raises:
            self.raises = False
            raise ValueError
        for parameter in self.param_groups[0]["params"]:
            parameter.data.add_(parameter.grad, alpha=-0.01)


def test_a_step_that_raised_in_their_sleep_is_none(model: nn.Module) -> None:
    optimizer: Any = Plain(model.parameters())
    monitor = watched(optimizer, model)
    trained(model, optimizer, 60)
    (track,) = monitor.tracks
    assert track.sleep.left
    optimizer.raises = True
    with pytest.raises(ValueError):
        trained(model, optimizer, 1)
    trained(model, optimizer, 30)
    monitor.detach()
    assert monitor.fault is None and track.steps == 90 and not track.sleep.nests


def test_an_optimizer_that_joins_wakes_the_others(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = watched(optimizer, model)
    (track,) = monitor.tracks
    trained(model, optimizer, 60)
    assert track.sleep.left and monitor.resting
    other = nn.Linear(4, 2)
    second = torch.optim.SGD(other.parameters(), lr=0.01)
    monitor.add("second", second, {"other": other})
    assert not track.sleep.left and not monitor.resting
    trained(other, second, 5)
    trained(model, optimizer, 5)
    assert [each.steps for each in monitor.tracks] == [65, 5]
    monitor.detach()


def test_parameters_that_come_late_are_met_at_the_next_figures(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = watched(optimizer, model)
    (track,) = monitor.tracks
    trained(model, optimizer, 60)
    late = nn.Parameter(torch.zeros(3))
    late.grad = torch.ones(3)
    optimizer.add_param_group({"params": [late]})
    trained(model, optimizer, STRIDE)
    monitor.detach()
    assert len(track._parameters) == 3
