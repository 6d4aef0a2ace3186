"""Optimizers in all their kinds: the figures are those of the gradient that was consumed."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.monitor.training import Start, assert_identical, batch, joint, mlp, norm

STEPS = 6


def _step(model: nn.Module, optimizer: Any, *, none: bool = True) -> float:
    inputs, targets = batch()
    optimizer.zero_grad(set_to_none=none)
    F.cross_entropy(model(inputs), targets).backward()
    size = norm(p.grad for p in model.parameters())
    optimizer.step()
    return size


@pytest.mark.parametrize("none", [True, False])
@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_figures_are_the_norms_of_the_gradients(make: Any, none: bool) -> None:
    def train(start: Start) -> list[float]:
        model = mlp()
        optimizer = make(model.parameters(), lr=0.01)
        start(model, optimizer)
        sizes.append([_step(model, optimizer, none=none) for _ in range(STEPS)])
        return sizes[-1]

    sizes: list[list[float]] = []
    seen = assert_identical(train)
    assert [joint(step) for step in seen.steps] == pytest.approx(sizes[-1], rel=1e-5)
    assert [step.step for step in seen.steps] == list(range(STEPS))
    assert seen.probes() == STEPS


def test_accumulation_shows_the_sum_of_the_gradients() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            optimizer.zero_grad()
            for _ in range(4):
                inputs, targets = batch()
                (F.cross_entropy(model(inputs), targets) / 4).backward()
            sizes.append(norm(p.grad for p in model.parameters()))
            optimizer.step()

    sizes: list[float] = []
    seen = assert_identical(train)
    assert [joint(step) for step in seen.steps] == pytest.approx(sizes[STEPS:], rel=1e-5)
    assert seen.probes() == STEPS


def test_several_backward_passes_of_several_losses_in_a_step() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            optimizer.zero_grad()
            inputs, targets = batch()
            outputs = model(inputs)
            F.cross_entropy(outputs, targets).backward(retain_graph=True)
            outputs.square().mean().backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def test_closures_show_the_gradient_of_the_last_evaluation() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
        start(model, optimizer)
        inputs, targets = batch()

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        for _ in range(STEPS):
            optimizer.step(closure)
            sizes.append(norm(p.grad for p in model.parameters()))

    sizes: list[float] = []
    seen = assert_identical(train)
    assert [joint(step) for step in seen.steps] == pytest.approx(sizes[STEPS:], rel=1e-5)
    assert seen.probes() > 0


def test_a_closure_that_raised_does_not_end_the_counting_of_steps() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
        seen = start(model, optimizer)
        inputs, targets = batch()

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            if fail:
                raise KeyError("the user's own")
            return loss

        for fail in (False, True, False, False):
            try:
                optimizer.step(closure)
            except KeyError:
                assert fail
        if seen:
            assert seen.monitor.tracks[0].steps == 3

    assert_identical(train)


class Clipped(torch.optim.SGD):
    """A subclass that changes the gradients and calls the step of its base."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.mul_(0.5)
        return super().step(closure)


def test_a_subclass_that_calls_its_base_takes_one_step_with_the_inner_gradient() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = Clipped(model.parameters(), lr=0.01)
        seen = start(model, optimizer)
        sizes[:] = [0.5 * _step(model, optimizer) for _ in range(STEPS)]
        if seen:
            assert seen.monitor.tracks[0].steps == STEPS

    sizes: list[float] = []
    seen = assert_identical(train)
    assert [joint(step) for step in seen.steps] == pytest.approx(sizes, rel=1e-5)


class Broken(Clipped):
    """Its inner step has run when it raises, every other time."""

    calls = 0

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        result = super().step(closure)
        if self.calls % 2:
            raise KeyError("the user's own")
        return result


def test_a_subclass_that_raised_after_its_base_is_counted_anew() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = Broken(model.parameters(), lr=0.01)
        seen = start(model, optimizer)
        for _ in range(STEPS):
            try:
                _step(model, optimizer)
            except KeyError:
                continue
        if seen:
            assert seen.monitor.tracks[0].steps == STEPS // 2

    assert_identical(train)


def test_several_optimizers_over_one_model() -> None:
    def train(start: Start) -> None:
        model = mlp()
        first, last = torch.optim.SGD(model[0].parameters(), lr=0.01), torch.optim.Adam(model[-1].parameters())
        start(model, {"first": first, "last": last})
        for _ in range(STEPS):
            inputs, targets = batch()
            model.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            sizes.append((norm(p.grad for p in model[0].parameters()), norm(p.grad for p in model[-1].parameters())))
            first.step()
            last.step()

    sizes: list[tuple[float, float]] = []
    seen = assert_identical(train)
    for place, name in enumerate(("first", "last")):
        assert [joint(step) for step in seen.figures[name]] == pytest.approx(
            [both[place] for both in sizes[STEPS:]], rel=1e-5
        )
    assert seen.probes("first") > 0 and seen.probes("last") > 0


def test_parameters_that_are_added_late_are_met() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model[0].parameters(), lr=0.01)
        start(model, optimizer)
        for i in range(STEPS):
            if i == 2:
                optimizer.add_param_group({"params": list(model[-1].parameters())})
            _step(model, optimizer)
            model.zero_grad()

    seen = assert_identical(train)
    assert "6.weight" not in seen.steps[1].gradients
    assert (seen.steps[2].gradients["6.weight"] or 0.0) > 0


def test_frozen_parameters_have_no_gradient() -> None:
    def train(start: Start) -> None:
        model = mlp()
        model[0].requires_grad_(False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            _step(model, optimizer)

    seen = assert_identical(train)
    assert all(step.gradients["0.weight"] is None for step in seen.steps)
    assert all((step.gradients["6.weight"] or 0.0) > 0 for step in seen.steps)


def test_a_training_in_a_thread() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        turn = threading.Barrier(2)
        losses.clear()

        def work() -> None:
            for _ in range(STEPS):
                inputs, targets = batch()
                optimizer.zero_grad()
                loss = F.cross_entropy(model(inputs), targets)
                loss.backward()
                losses.append(float(loss.detach()))
                turn.wait(), turn.wait()
                optimizer.step()

        other = nn.Linear(4, 1)
        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(STEPS):  # between the backward pass and the step comes one of something else
            turn.wait()
            (1e3 * other(torch.ones(2, 4)).sum()).backward()
            turn.wait()
        worker.join()

    losses: list[float] = []
    seen = assert_identical(train)
    assert [step.loss for step in seen.steps] == pytest.approx(losses)
    assert seen.probes() == STEPS


def test_a_thread_beside_that_trains_something_else(caplog: pytest.LogCaptureFixture) -> None:
    """Its backward passes come while the probe waits and while it listens; none is taken for the training's."""

    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        other = nn.Linear(4, 1)
        turn = threading.Barrier(2)

        def beside() -> None:
            while True:
                turn.wait()
                if ended:
                    return
                for _ in range(5):
                    other(torch.ones(2, 4)).sum().backward()
                turn.wait()

        def meanwhile(*_: Any) -> None:
            turn.wait(), turn.wait()

        ended: list[bool] = []
        worker = threading.Thread(target=beside)
        worker.start()
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            outputs = model(inputs)
            meanwhile()
            outputs.register_hook(meanwhile)
            F.cross_entropy(outputs, targets).backward()
            optimizer.step()
        ended.append(True)
        turn.wait()
        worker.join()

    seen = assert_identical(train)
    measured = seen.monitor.tracks[0].measured
    assert seen.probes() == STEPS and measured is not None
    assert all(layer.gain is not None for layer in measured.layers[1:])
    assert "in vain" not in caplog.text


def test_a_probe_that_waits_in_vain_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def train(start: Start) -> None:
        model, other = mlp(), nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            for _ in range(5):
                other(inputs).sum().backward()
            loss.backward()
            optimizer.step()

    assert assert_identical(train).probes() == 0
    assert caplog.text.count("in vain") == 1


@pytest.mark.parametrize("in_a_list", [False, True])
def test_a_gradient_for_each_number_of_the_loss(in_a_list: bool) -> None:
    def train(start: Start, *, summed: bool) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            losses = F.cross_entropy(model(inputs), targets, reduction="none")
            share = torch.full_like(losses, 1.0 / len(losses))
            if summed:
                (losses * share).sum().backward()
            elif in_a_list:
                torch.autograd.backward([losses], [share])
            else:
                losses.backward(share)
            optimizer.step()

    seen, plain = (
        assert_identical(lambda start, summed=summed: train(start, summed=summed)) for summed in (False, True)
    )
    assert [step.loss for step in seen.steps] == pytest.approx([step.loss for step in plain.steps])
    one, other = (each.monitor.tracks[0].measured for each in (seen, plain))
    assert one is not None and other is not None
    assert seen.probes() == plain.probes() == STEPS
    assert [layer.signal for layer in one.layers] == pytest.approx([layer.signal for layer in other.layers])
    assert seen.codes == plain.codes


def test_the_loss_of_the_figures_is_that_of_the_training() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            losses.append(float(loss.detach()))
            optimizer.step()

    losses: list[float] = []
    seen = assert_identical(train)
    assert [step.loss for step in seen.steps] == pytest.approx(losses[STEPS:])
    assert all(step.learning_rate == 0.01 and step.clip is None and not step.skipped for step in seen.steps)
    assert not any(math.isnan(step.loss or 0.0) for step in seen.steps)
