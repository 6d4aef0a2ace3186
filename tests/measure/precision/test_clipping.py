"""The gradient before and after clipping, wherever the clipping hides; and everything put back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from headwater.measure.precision import Clipping


def _clip(optimizer: torch.optim.Optimizer) -> None:
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 0.5)


class Before(torch.optim.SGD):
    """Clips, then lets PyTorch step."""

    def step(self, closure: Any = None) -> Any:
        _clip(self)
        return super().step(closure)


class Alone(torch.optim.SGD):
    """Clips and steps by itself."""

    def step(self, closure: Any = None) -> Any:
        _clip(self)
        for p in self.param_groups[0]["params"]:
            p.data.sub_(p.grad, alpha=0.1)


def _hooked(parameters: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(parameters, 0.1)
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: _clip(opt))
    return optimizer


def _norms(optimizer: torch.optim.Optimizer, w: nn.Parameter, steps: int = 3) -> list[tuple[float, float] | None]:
    clipping, found = Clipping([w]), []
    for _ in range(steps):
        w.grad = torch.full_like(w, 2.0)
        clipping.before()
        handle = optimizer.register_step_pre_hook(lambda *_: clipping.consumed())
        with clipping.calls():
            optimizer.step()
        handle.remove()
        found.append(clipping.norms())
    return found


@pytest.mark.parametrize("make", [lambda p: Before(p, lr=0.1), lambda p: Alone(p, lr=0.1), _hooked])
def test_both_norms_are_known_from_the_second_step_on(make: Any) -> None:
    w = nn.Parameter(torch.ones(4, 4))
    found = _norms(make([w]), w)
    assert found[0] is None
    assert all(both == pytest.approx((8.0, 0.5), rel=1e-5) for both in found[1:])


def test_an_optimizer_that_leaves_gradients_alone_has_nothing_to_show() -> None:
    w = nn.Parameter(torch.ones(4, 4))
    assert _norms(torch.optim.Adam([w], weight_decay=0.1), w) == [None] * 3


def test_the_functions_are_put_back_whatever_happens() -> None:
    originals = nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_
    with pytest.raises(KeyError), Clipping([]).calls():
        assert nn.utils.clip_grad_norm_ is not originals[0]
        raise KeyError
    assert (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_) == originals
    assert nn.utils.clip_grad.clip_grad_norm_ is originals[0]


def test_the_watched_function_gives_what_it_always_gives() -> None:
    w = nn.Parameter(torch.ones(4))
    w.grad = torch.full_like(w, 3.0)
    with Clipping([w]).calls():
        norm = nn.utils.clip_grad_norm_((p for p in [w]), max_norm=1.0)
    assert float(norm) == pytest.approx(6.0) and float(w.grad.norm()) == pytest.approx(1.0, rel=1e-4)
