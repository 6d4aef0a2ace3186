from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, Optimizer

import headwater
from headwater.measure.optimizers import copied
from headwater.records import ClipRecord, PrecisionRecord
from headwater.remedies import remedy
from tests.builders import measurement
from tests.remedies.rewriting import executed, network, same_by_code, same_weights, trained, training

CLIP, MEDIAN = remedy("clip-gradient"), remedy("clip-gradient:median")


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.5)


def steep(model: nn.Module, rate: float) -> Optimizer:
    return SGD(model.parameters(), lr=rate)


@pytest.mark.parametrize("size", [0.1, 3.0])
def test_a_step_is_the_rate_times_a_gradient_of_norm_one_at_most(size: float) -> None:
    live = training(sgd)
    CLIP.apply(live)
    parameters = list(live.model.parameters())
    before = torch.nn.utils.parameters_to_vector(parameters).detach().clone()
    gradient = torch.randn(before.numel())
    gradient *= size / gradient.norm()
    torch.nn.utils.vector_to_parameters(gradient, parameters)
    for p in parameters:
        p.grad = p.detach().clone()
    torch.nn.utils.vector_to_parameters(before.clone(), parameters)  # it would share the memory
    live.optimizer.step()
    moved = before - torch.nn.utils.parameters_to_vector(parameters).detach()
    torch.testing.assert_close(moved, 0.5 * min(1.0, 1 / size) * gradient, rtol=1e-4, atol=1e-6)


def test_the_code_clips_as_the_live_hook_does() -> None:
    live = training(lambda model: steep(model, 3.0))
    change = CLIP.apply(live)
    assert same_by_code(change, lambda model: steep(model, 3.0), live)
    model = network()
    assert not same_weights(trained(model, steep(model, 3.0)), live.model)


def moved_by_closures(model: nn.Module, optimizer: Any, handed: str) -> list[float]:
    """Lengths of the steps, in units of the rate, where a closure computes the gradient, as Lightning does."""
    parameters, lengths = list(model.parameters()), list[float]()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = 1e3 * model(torch.ones(4, 5)).square().mean()
        loss.backward()
        return loss

    for _ in range(3):
        before = torch.nn.utils.parameters_to_vector(parameters).detach().clone()
        loss = optimizer.step(closure) if handed == "by place" else optimizer.step(closure=closure)
        after = torch.nn.utils.parameters_to_vector(parameters).detach()
        assert loss.item() > 0
        lengths.append(float((before - after).norm()) / 0.5)
    return lengths


@pytest.mark.parametrize("handed", ["by place", "by name"])
def test_a_gradient_that_a_closure_computes_is_clipped_live_as_in_the_code(handed: str) -> None:
    live = training(sgd)
    change = CLIP.apply(live)
    ours = moved_by_closures(live.model, live.optimizer, handed)
    assert ours == pytest.approx([1.0] * 3, rel=1e-3)
    model = network()
    theirs = moved_by_closures(model, executed(change.code, model, sgd(model)), handed)
    assert ours == theirs and same_weights(model, live.model)


def test_a_step_in_a_wider_format_is_clipped_once_behind_its_closure() -> None:
    live = training(sgd)
    CLIP.apply(live)
    remedy("kahan-summation").apply(live)
    assert moved_by_closures(live.model, live.optimizer, "by place") == pytest.approx([1.0] * 3, rel=1e-3)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_scaled_gradients_are_clipped_by_their_true_norm(fused: bool, kind: Any) -> None:
    """GradScaler hands a fused optimizer gradients that are still scaled."""
    models = [network(), network()]
    for model, scale in zip(models, (1.0, 4096.0), strict=True):
        live = training(lambda m: kind(m.parameters(), lr=0.1, fused=fused), model)
        CLIP.apply(live)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        for step in range(3):
            live.optimizer.zero_grad()
            scaler.scale((model(torch.full((2, 5), 4.0 + step)) - 9).square().sum()).backward()
            scaler.step(live.optimizer)
            scaler.update()
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_copy_of_the_optimizer_clips_its_own_gradients() -> None:
    live = training(sgd)
    CLIP.apply(live)
    twin_model = network()
    memo = {id(p): q for p, q in zip(live.model.parameters(), twin_model.parameters(), strict=True)}
    twin = copied(live.optimizer, memo, hooks=True)
    for p in twin_model.parameters():
        p.grad = torch.full_like(p, 100.0)
    twin.step()
    norms = [float(p.grad.norm()) for p in twin_model.parameters() if p.grad is not None]
    assert sum(norm**2 for norm in norms) == pytest.approx(1.0, rel=1e-4)


def test_the_median_is_the_norm_of_the_gradients_that_the_probation_saw() -> None:
    """Against the gradient itself, over the same batches at a rate too small to change it."""
    torch.manual_seed(0)
    model, loss_fn = network(), nn.CrossEntropyLoss()
    batches = [(torch.randn(16, 5), torch.randint(3, (16,)))] * 9
    optimizer = SGD(model.parameters(), lr=1e-4)
    found = headwater.diagnose(model, batches, loss_fn, optimizer=optimizer).measurement
    loss_fn(model(batches[0][0]), batches[0][1]).backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    change = MEDIAN.apply(training(lambda m: SGD(m.parameters(), lr=1e-4), model, found))
    limit = float(change.code.after.rpartition("clip_gradient, ")[2].rstrip(")"))
    assert limit == pytest.approx(float(norm), rel=0.02)


def test_without_plain_descent_there_is_no_median() -> None:
    assert MEDIAN.refusal(training(lambda model: Adam(model.parameters()))) is not None
    assert MEDIAN.refusal(training(lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9))) is not None
    still = measurement()
    moved = tuple(replace(p, update_ratio=None) for p in still.parameters)
    assert MEDIAN.refusal(training(sgd, found=replace(still, parameters=moved))) is not None


def test_what_is_clipped_already_or_inside_the_step_is_left_alone() -> None:
    clipped = measurement(precision=PrecisionRecord(clips=(ClipRecord(3, 5.0, 1.0),)))
    for each in (CLIP, MEDIAN):
        assert each.refusal(training(sgd, found=clipped)) is not None
        assert each.refusal(training(lambda model: LBFGS(model.parameters()))) is not None
    assert CLIP.refusal(training(sgd)) is None
