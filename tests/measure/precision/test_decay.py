"""Weight decay against the gradient, and what a step does to the norm."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, RMSprop

from headwater.measure.precision.decay import coupled_decay, decay_to_gradient, toward_zero


@pytest.mark.parametrize(
    ("make", "decay"),
    [
        (lambda p: Adam(p, weight_decay=1e-2), 1e-2),
        (lambda p: RMSprop(p, weight_decay=1e-3), 1e-3),
        (lambda p: NAdam(p, weight_decay=1e-2), 1e-2),
        (lambda p: NAdam(p, weight_decay=1e-2, decoupled_weight_decay=True), 0.0),
        (lambda p: AdamW(p, weight_decay=1e-2), 0.0),
        (lambda p: SGD(p, 0.1, weight_decay=1e-2), 0.0),
        (Adam, 0.0),
    ],
)
def test_decay_is_coupled_where_it_is_normalised(make: Any, decay: float) -> None:
    optimizer = make([nn.Parameter(torch.ones(2, 2))])
    assert coupled_decay(optimizer, optimizer.param_groups[0]) == decay


def test_only_elements_with_a_gradient_are_compared() -> None:
    w = nn.Parameter(torch.full((10, 4), 3.0))
    assert decay_to_gradient(0.1, w) is None
    w.grad = torch.zeros(10, 4)
    assert decay_to_gradient(0.1, w) is None
    w.grad[0] = 0.01
    assert decay_to_gradient(0.1, w) == pytest.approx(0.1 * 3.0 / 0.01)


@pytest.mark.parametrize(("draw", "cosine"), [(torch.randn, (2 / torch.pi) ** 0.5), (torch.rand, 3**0.5 / 2)])
def test_a_step_along_the_sign_of_w_has_the_cosine_of_theory(draw: Any, cosine: float) -> None:
    """``E|w| / rms w``: sqrt(2/pi) for normal weights, sqrt(3)/2 for even ones."""
    torch.manual_seed(0)
    w = draw(200, 200)
    along, shrink = toward_zero(w, w - 1e-3 * w.sign())
    assert along == pytest.approx(cosine, abs=0.01)
    assert shrink == pytest.approx(1 - float((w - 1e-3 * w.sign()).norm() / w.norm()), rel=0.01)


def test_no_step_and_no_weight_have_no_direction() -> None:
    assert toward_zero(torch.ones(3), torch.ones(3)) == (0.0, 0.0)
    assert toward_zero(torch.zeros(3), torch.ones(3)) == (0.0, 0.0)
