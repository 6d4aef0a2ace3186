from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR

from headwater.remedies import remedy
from headwater.remedies.options import exchange, full_name, rounded, set_options
from tests.remedies.rewriting import called, network, same_by_code, same_weights, trained, training

ADAPTIVE = [f"adaptive-optimizer:{variant}" for variant in ("adam", "adam-1e-4", "adamw", "rmsprop", "adagrad")]
NUMBERS = ["momentum", "momentum:nesterov", "lower-rate:tenth", "lower-rate:third", "raise-rate:tenfold"]
GIVEN: list[dict[str, Any]] = [
    {"lr": 0.05},
    {"lr": 0.05, "weight_decay": 0.01, "maximize": True},
    {"lr": 0.05, "momentum": 0.0, "foreach": False},
]


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.05)


def grouped(model: nn.Module) -> Optimizer:
    first, *others = model.parameters()
    return SGD([{"params": [first], "lr": 0.2, "name": "first"}, {"params": others, "weight_decay": 0.1}], lr=0.02)


@pytest.mark.parametrize("key", ADAPTIVE + NUMBERS)
@pytest.mark.parametrize("given", GIVEN)
def test_the_edited_call_trains_as_the_changed_optimizer(key: str, given: dict[str, Any]) -> None:
    live = training(lambda model: SGD(model.parameters(), **given))
    (edit,) = remedy(key).apply(live).edits
    assert edit.callee == "SGD"
    model = network()
    edited = called(edit, model.parameters(), given)
    assert type(edited) is type(live.optimizer)
    assert edited.defaults == live.optimizer.defaults
    assert same_weights(trained(model, edited), trained(live.model, live.optimizer))


@pytest.mark.parametrize("key", ADAPTIVE + NUMBERS)
@pytest.mark.parametrize("make", [sgd, grouped])
@pytest.mark.parametrize("built", [True, False])
def test_the_statements_train_as_the_changed_optimizer(key: str, make: Any, built: bool) -> None:
    live = training(make, built=built)
    change = remedy(key).apply(live)
    assert bool(change.edits) == bool(change.instead) == (built and (make is sgd or key.startswith("momentum")))
    assert same_by_code(change, make, live)


@pytest.mark.parametrize("key", ADAPTIVE)
def test_groups_keep_the_ratio_of_their_rates_and_what_the_user_marked_them_with(key: str) -> None:
    live = training(grouped)
    remedy(key).apply(live)
    first, others = live.optimizer.param_groups
    assert first["lr"] == pytest.approx(10 * others["lr"])
    assert first["name"] == "first"
    assert [len(group["params"]) for group in (first, others)] == [1, 3]


@pytest.mark.parametrize("key", ADAPTIVE)
def test_the_object_and_its_hooks_stay(key: str) -> None:
    live = training(sgd)
    heard: list[str] = []
    optimizer = live.optimizer
    before = optimizer.register_step_pre_hook(lambda *_: heard.append("before"))
    optimizer.register_step_post_hook(lambda *_: heard.append("after"))
    remedy(key).apply(live)
    assert live.optimizer is optimizer
    trained(live.model, optimizer, steps=1)
    assert heard == ["before", "after"]
    before.remove()
    trained(live.model, optimizer, steps=1)
    assert heard == ["before", "after", "after"]


@pytest.mark.parametrize("key", ADAPTIVE + NUMBERS)
@pytest.mark.parametrize("schedule", [lambda o: CosineAnnealingLR(o, 10), lambda o: StepLR(o, 2)])
def test_a_schedule_of_the_users_built_later_drives_it(key: str, schedule: Any) -> None:
    live = training(sgd)
    remedy(key).apply(live)
    rate = live.optimizer.param_groups[0]["lr"]
    scheduler = schedule(live.optimizer)
    trained(live.model, live.optimizer, steps=4, after=scheduler.step)
    reference = schedule(SGD([nn.Parameter(torch.ones(1))], lr=rate))
    for _ in range(4):
        reference.optimizer.step()
        reference.step()
    assert scheduler.get_last_lr() == pytest.approx(reference.get_last_lr())
    assert live.optimizer.param_groups[0]["lr"] == scheduler.get_last_lr()[0] < rate


@pytest.mark.parametrize("key", ADAPTIVE)
def test_it_saves_and_loads_as_one_of_its_class(key: str) -> None:
    live = training(sgd)
    remedy(key).apply(live)
    trained(live.model, live.optimizer, steps=3)
    model = copy.deepcopy(live.model)
    other = type(live.optimizer)(model.parameters())
    other.load_state_dict(copy.deepcopy(live.optimizer.state_dict()))  # else they share their moments
    assert same_weights(trained(model, other), trained(live.model, live.optimizer))


def test_a_scaler_scales_what_the_new_class_can_take() -> None:
    """A fused optimizer is handed scaled gradients; of what it becomes, only a fused one may be."""
    live = training(lambda model: SGD(model.parameters(), lr=0.05, fused=True))
    exchange(live, "x", "", RMSprop, new=lambda group: {"lr": 1e-3})
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    twin = network()
    plain = RMSprop(twin.parameters(), lr=1e-3)
    for model, optimizer, scaled in ((live.model, live.optimizer, True), (twin, plain, False)):
        loss = model(torch.ones(2, 5)).square().mean()
        (scaler.scale(loss) if scaled else loss).backward()
        scaler.step(optimizer) if scaled else optimizer.step()
    assert same_weights(live.model, twin)


def test_a_rate_that_is_a_tensor_stays_one() -> None:
    rate = torch.tensor(0.05)
    live = training(lambda model: AdamW(model.parameters(), lr=rate, foreach=False))
    set_options(live, "x", "", lambda group: {"lr": 0.5 * float(group["lr"])})
    (group,) = live.optimizer.param_groups
    assert isinstance(group["lr"], torch.Tensor)
    assert float(group["lr"]) == pytest.approx(0.025)
    assert float(rate) == pytest.approx(0.05)


def test_options_that_are_the_same_in_both_classes_are_kept() -> None:
    def make(model: nn.Module) -> Optimizer:
        return Adam(model.parameters(), lr=0.01, betas=(0.5, 0.9), eps=1e-3, amsgrad=True)

    live = training(make)
    change = exchange(live, "x", "", AdamW, keep=("lr", "betas", "eps", "amsgrad"), new=lambda g: {"weight_decay": 0.1})
    (group,) = live.optimizer.param_groups
    assert (group["lr"], group["betas"], group["eps"], group["amsgrad"]) == (0.01, (0.5, 0.9), 1e-3, True)
    assert change.edits[0].arguments == {"weight_decay": "0.1"}
    assert same_by_code(change, make, live)


def test_names_are_those_that_are_imported() -> None:
    class Mine(SGD):
        pass

    assert full_name(AdamW) == "torch.optim.AdamW"
    assert full_name(Mine) == f"{__name__}.{Mine.__qualname__}"
    live = training(lambda model: Mine(model.parameters(), lr=0.1))
    change = remedy("lower-rate:tenth").apply(live)  # how a file calls a class that is not PyTorch's is not known
    assert not change.edits
    assert same_by_code(change, lambda model: Mine(model.parameters(), lr=0.1), live)


@pytest.mark.parametrize(("value", "digits"), [(0.1 / 3, 0.0333), (0.1 * 0.1, 0.01), (1e-3, 1e-3), (0.0, 0.0)])
def test_numbers_are_written_short(value: float, digits: float) -> None:
    assert rounded(value) == digits


def test_closures_are_still_evaluated() -> None:
    live = training(lambda model: torch.optim.LBFGS(model.parameters(), lr=0.1))
    remedy("adaptive-optimizer:adam").apply(live)
    x = torch.ones(4, 5)

    def closure() -> torch.Tensor:
        live.optimizer.zero_grad()
        loss = live.model(x).square().mean()
        loss.backward()
        return loss

    losses = [live.optimizer.step(closure).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
