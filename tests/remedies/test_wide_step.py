from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from headwater.measure.optimizers import copied
from headwater.remedies import Training, remedy
from headwater.remedies.wide_step import StochasticStep
from tests.builders import measurement
from tests.remedies.rewriting import case, executed, network, remedied
from tests.remedies.trainings import codes

KEYS = ["master-weights", "kahan-summation", "stochastic-rounding"]
BF16 = torch.bfloat16


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=1e-3)


def adamw(model: nn.Module) -> Optimizer:
    return AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)


def one_weight(dtype: torch.dtype) -> nn.Module:
    model = nn.Linear(1, 400, bias=False, dtype=dtype)
    nn.init.ones_(model.weight)
    return model


def training(model: nn.Module, make: Any = sgd) -> Training:
    return Training(model, make(model), measurement(), (), 10)


def descend(model: nn.Module, optimizer: Optimizer, steps: int) -> torch.Tensor:
    """Gradient descent on ``w^2 / 2``: after n steps at a rate of 1e-3 there is left ``0.999^n``."""
    (weight,) = model.parameters()
    for _ in range(steps):
        weight.grad = weight.detach().clone()
        optimizer.step()
    return weight.detach().double().mean()


def trained(model: nn.Module, optimizer: Optimizer, steps: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    dtype = next(model.parameters()).dtype
    for _ in range(steps):
        x = torch.randn(8, 5, generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(x.to(dtype)).float(), x[:, :3].argmax(1)).backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("dtype", [BF16, torch.float16])
def test_no_step_is_lost(key: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    plain = one_weight(dtype)
    assert float(descend(plain, sgd(plain), 2000)) > 1.1 * 0.999**2000  # bfloat16 stays at 1
    live = training(one_weight(dtype))
    assert remedy(key).refusal(live) is None
    remedy(key).apply(live)
    assert descend(live.model, live.optimizer, 2000) == pytest.approx(0.999**2000, rel=0.02)
    assert next(live.model.parameters()).dtype == dtype


def test_float32_weights_take_on_steps_below_their_spacing() -> None:
    """At a rate of 1e-8 each step is a sixth of the spacing below one: all of it is lost, or none."""
    model = one_weight(torch.float32)
    assert float(descend(model, SGD(model.parameters(), lr=1e-8), 1000)) == 1.0
    live = training(one_weight(torch.float32), lambda model: SGD(model.parameters(), lr=1e-8))
    for key in ("master-weights", "stochastic-rounding"):
        assert "float32 or wider" in (remedy(key).refusal(live) or "")
    assert remedy("kahan-summation").refusal(live) is None
    remedy("kahan-summation").apply(live)
    assert float(1 - descend(live.model, live.optimizer, 1000)) == pytest.approx(1e-5, rel=0.01)


@pytest.mark.parametrize("make", [sgd, adamw])
def test_master_weights_are_those_of_a_training_in_float32(make: Any) -> None:
    """With gradients given, the step in float32 is bit for bit that of an optimizer over float32 weights."""
    narrow, wide = network().to(BF16), network().to(BF16).float()
    live = training(narrow, make)
    remedy("master-weights").apply(live)
    reference = make(wide)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        for p, q in zip(narrow.parameters(), wide.parameters(), strict=True):
            p.grad = torch.randn(p.shape, generator=generator).to(BF16)
            q.grad = p.grad.float()
        live.optimizer.step()
        reference.step()
    for p, q in zip(narrow.parameters(), wide.parameters(), strict=True):
        assert torch.equal(p, q.to(BF16))
        assert live.optimizer.state[p].get("exp_avg", torch.zeros(1)).dtype == torch.float32


def test_rounding_at_random_is_right_on_average_and_lands_on_a_neighbour() -> None:
    torch.manual_seed(0)
    live = training(one_weight(BF16))
    remedy("stochastic-rounding").apply(live)
    assert isinstance(live.optimizer, StochasticStep)
    for value in (1.001, 1.003, -3.3e-3, 7.0, 1e-40):
        wide = torch.full((40000,), value)
        narrow = live.optimizer.rounded(wide, wide, BF16).double()
        neighbours = narrow.unique()
        assert float(neighbours.min()) <= value <= float(neighbours.max())
        assert torch.equal(neighbours.to(BF16).double(), neighbours)
        between = (neighbours.min() + neighbours.max()).to(BF16) / 2
        assert len(neighbours) == 2 - (value == 7.0)
        assert between.item() in (neighbours.min().item(), neighbours.max().item())  # no number lies between them
        spacing = float(neighbours.max() - neighbours.min())
        assert float(narrow.mean()) == pytest.approx(float(wide[0]), abs=4 * spacing / (2 * 200))


def test_rounding_at_random_leaves_the_random_numbers_of_others() -> None:
    live = training(one_weight(BF16))
    remedy("stochastic-rounding").apply(live)
    ends: list[torch.Tensor] = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        vars(live.optimizer).pop("generators", None)
        nn.init.ones_(live.model.weight)  # type: ignore[arg-type]
        before = torch.get_rng_state()
        ends.append(descend(live.model, live.optimizer, 50).clone())
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("make", [sgd, adamw])
def test_the_code_trains_as_the_changed_optimizer(key: str, make: Any) -> None:
    live = training(network().to(BF16), make)
    change = remedy(key).apply(live)
    assert change.places == ("0.weight", "0.bias", "2.weight", "2.bias")
    model = network().to(BF16)
    optimizer = executed(change.code, model, make(model))
    torch.manual_seed(5)
    ours = trained(live.model, live.optimizer)
    torch.manual_seed(5)
    theirs = trained(model, optimizer)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("key", KEYS)
def test_hooks_schedules_copies_and_closures_work_as_before(key: str) -> None:
    live = training(network().to(BF16), adamw)
    heard: list[str] = []
    live.optimizer.register_step_pre_hook(lambda *_: heard.append("before"))
    live.optimizer.register_step_post_hook(lambda *_: heard.append("after"))
    remedy(key).apply(live)
    scheduler = CosineAnnealingLR(live.optimizer, 4)
    trained(live.model, live.optimizer, 1)
    scheduler.step()
    assert heard == ["before", "after"]
    assert live.optimizer.param_groups[0]["lr"] < 1e-3
    twin = copy.deepcopy(live.model)
    memo = {id(p): q for p, q in zip(live.model.parameters(), twin.parameters(), strict=True)}
    theirs = copied(live.optimizer, memo, hooks=False)
    heard.clear()
    torch.manual_seed(5)
    ours = trained(live.model, live.optimizer, 2)
    assert heard == ["before", "after"] * 2
    torch.manual_seed(5)
    for a, b in zip(ours, trained(twin, theirs, 2), strict=True):
        assert torch.equal(a, b)

    def closure() -> torch.Tensor:
        live.optimizer.zero_grad()
        loss = live.model(torch.ones(4, 5, dtype=BF16)).float().square().mean()
        loss.backward()
        losses.append(loss.item())
        return loss

    losses: list[float] = []
    for _ in range(30):
        loss: Any = live.optimizer.step(closure)
        assert loss.item() == losses[-1]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("key", KEYS)
def test_weights_that_are_loaded_later_stay(key: str) -> None:
    live = training(network().to(BF16))
    remedy(key).apply(live)
    trained(live.model, live.optimizer)
    other = {name: 3.0 * tensor for name, tensor in network().to(BF16).state_dict().items()}
    live.model.load_state_dict(other)
    for p in live.model.parameters():
        p.grad = torch.zeros_like(p)
    live.optimizer.step()
    for name, tensor in live.model.state_dict().items():
        torch.testing.assert_close(tensor, other[name], rtol=2**-7, atol=1e-3)


def test_memory_is_shared_as_before() -> None:
    live = training(network().to(BF16))
    weight = live.model.get_parameter("0.weight")
    view = weight.detach()[0]
    remedy("master-weights").apply(live)
    trained(live.model, live.optimizer)
    assert torch.equal(view, weight[0])


@pytest.mark.parametrize("key", KEYS)
def test_a_step_that_runs_the_model_or_is_wide_already_is_left(key: str) -> None:
    assert "LBFGS" in (remedy(key).refusal(training(network().to(BF16), lambda m: LBFGS(m.parameters()))) or "")
    live = training(network().to(BF16))
    remedy("master-weights").apply(live)
    assert "already" in (remedy(key).refusal(live) or "")


def test_a_loaded_rate_still_means_the_same_after_the_class_changed() -> None:
    """A remedy that comes later finds the class by its name, and says what it does as statements."""
    live = training(network().to(BF16), lambda model: Adam(model.parameters(), lr=0.01))
    remedy("master-weights").apply(live)
    change = remedy("lower-rate:tenth").apply(live)
    assert live.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)
    assert not change.edits
    assert type(live.optimizer).__name__ == "Adam"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["bfloat16-weights-sgd", "bfloat16-weights-adam-cnn"])
def test_the_finding_goes_away(key: str, name: str) -> None:
    problem, live = case(name)
    assert "HW501" in codes(live.findings)
    remedy(key).apply(live)
    assert "HW501" not in codes(remedied(problem, live))


@pytest.mark.parametrize("key", KEYS)
def test_complex_weights_take_their_own_step(key: str) -> None:
    """Beside narrow ones, as in layers of spectral filters."""

    def model() -> nn.Module:
        torch.manual_seed(0)
        made = nn.Linear(3, 2, dtype=BF16)
        made.filters = nn.Parameter(torch.randn(4, dtype=torch.complex64))
        return made

    live, plain = training(model(), adamw), training(model(), adamw)
    remedy(key).apply(live)
    for each in (live, plain):
        for _ in range(3):
            for p in each.model.parameters():
                p.grad = torch.ones_like(p) * (1j if p.is_complex() else 1)
            each.optimizer.step()
    ours, theirs = live.model.get_parameter("filters"), plain.model.get_parameter("filters")
    assert ours.dtype == torch.complex64
    assert torch.equal(ours, theirs)
