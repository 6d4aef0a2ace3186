"""The captured part of a step, against the arithmetic of the number formats."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.detection.nets_precision import RoundingAdam
from headwater.measure.precision.intended import Intended

BF16, FP16 = torch.bfloat16, torch.float16


def _kappa(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> float | None:
    step = Intended(optimizer, [parameter])
    optimizer.step()
    captured = step.captured(parameter)
    return captured[0] / captured[1] if captured else None


def _shrinking(dtype: torch.dtype, rate: float) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    """Weights all over one binade, each of which is to shrink by the same share of itself."""
    w = nn.Parameter(torch.linspace(1.0, 1.99, 1000).to(dtype))
    w.grad = w.detach().clone()
    return w, torch.optim.SGD([w], lr=rate)


@pytest.mark.parametrize(("dtype", "worst"), [(BF16, 2.0**-8), (FP16, 2.0**-11)])
def test_steps_under_a_quarter_of_epsilon_are_lost_and_over_a_half_arrive(dtype: torch.dtype, worst: float) -> None:
    """Between 1 and 2 the spacing is e: a step moves w when ``w r > e / 2``, from r = e/4 (w = 2) to e/2 (w = 1)."""
    # Just below a power of two, and there alone, the spacing is half as wide: leave the first number out.
    w, optimizer = _shrinking(dtype, 0.97 * worst / 2)
    w.data[0], w.grad[0] = w.data[1], w.grad[1]
    assert _kappa(optimizer, w) == pytest.approx(0.0, abs=0.03)
    w, optimizer = _shrinking(dtype, 4 * worst)
    assert _kappa(optimizer, w) == pytest.approx(1.0, abs=0.03)


def test_nothing_is_lost_in_float32_at_a_usual_rate_and_all_at_a_tiny_one() -> None:
    w, optimizer = _shrinking(torch.float32, 1e-3)
    assert _kappa(optimizer, w) == pytest.approx(1.0, abs=1e-3)
    w, optimizer = _shrinking(torch.float32, 1e-9)
    assert _kappa(optimizer, w) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("how", "low", "high"), [("kahan", 0.99, 1.01), ("master", 0.99, 1.01), ("nearest", -0.1, 0.4)]
)
def test_what_the_optimizer_remembers_is_not_lost(how: str, low: float, high: float) -> None:
    torch.manual_seed(0)
    w = nn.Parameter((torch.randn(200, 50) * 0.3).to(BF16))
    optimizer = RoundingAdam([w], 1e-4, how)
    for _ in range(4):
        w.grad = torch.randn_like(w)
        kappa = _kappa(optimizer, w)
    assert kappa is not None and low <= kappa <= high


def test_stochastic_rounding_is_right_on_average() -> None:
    torch.manual_seed(0)
    w = nn.Parameter((torch.randn(400, 400) * 0.3).to(BF16))
    w.grad = torch.randn_like(w)
    assert _kappa(RoundingAdam([w], 1e-4, "stochastic"), w) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
        lambda p: torch.optim.AdamW(p, 1e-3),
        lambda p: torch.optim.RMSprop(p, 1e-3),
        lambda p: torch.optim.Adagrad(p, 1e-2),
    ],
)
def test_the_wide_step_is_that_of_a_float32_training_and_leaves_no_trace(make: Any) -> None:
    """Against weights of float32 that took the same steps from the start; state, weights and random numbers stay."""
    torch.manual_seed(0)
    w = nn.Parameter(torch.randn(30, 20).to(BF16))
    optimizer = make([w])
    w.grad = torch.randn_like(w)
    optimizer.step()
    wide = nn.Parameter(w.detach().float())
    twin = make([wide])
    twin.load_state_dict(optimizer.state_dict())
    wide.grad = w.grad.float()
    before = (w.detach().clone(), copy.deepcopy(optimizer.state_dict()), torch.get_rng_state())
    step = Intended(optimizer, [w])
    assert torch.equal(before[0], w) and torch.equal(before[2], torch.get_rng_state())
    for name, value in before[1]["state"][0].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(optimizer.state[w][name]))
    twin.step()
    optimizer.step()
    captured = step.captured(w)
    assert captured is not None
    assert captured[1] == pytest.approx(float((wide.detach() - before[0].float()).square().sum()), rel=1e-5)


class _OnlyHalf(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        assert all(p.dtype is BF16 for group in self.param_groups for p in group["params"])
        return super().step(closure)


def test_a_step_that_knows_one_dtype_only_is_not_judged() -> None:
    w = nn.Parameter(torch.ones(4, 4, dtype=BF16))
    w.grad = torch.ones_like(w)
    assert _kappa(_OnlyHalf([w], lr=0.1), w) is None
