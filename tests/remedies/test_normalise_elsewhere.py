from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from headwater.remedies import remedy
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training

REMEDY = remedy("normalise-elsewhere")


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("layernorm-of-one-feature", "5", nn.Identity),
        ("instance-norm-then-mean", "3", nn.GroupNorm),
        ("groupnorm-of-one-value", "5", nn.GroupNorm),
        ("mean-of-normalised-features", "norm", nn.Identity),
    ],
)
def test_the_output_varies_again_and_the_code_does_the_same(name: str, path: str, kind: type[nn.Module]) -> None:
    problem, broken = case(name)
    assert "HW103" in codes(broken.findings)
    assert REMEDY.refusal(broken) is None
    written = copy.deepcopy(problem.model)
    change = REMEDY.apply(broken)
    assert change.places == (path,)
    assert type(broken.model.get_submodule(path)) is kind
    live = copy.deepcopy(problem.model)
    assert same_training(live, executed(change, written), problem)
    assert "HW103" not in codes(diagnosed(problem))


def test_groups_of_one_channel_become_one_group_and_their_weights_stay() -> None:
    _, broken = case("instance-norm-then-mean")
    norm = nn.InstanceNorm2d(32, affine=True)
    broken.model[3] = norm  # type: ignore[index]
    weights = norm.weight, norm.bias
    REMEDY.apply(broken)
    new = broken.model[3]  # type: ignore[index]
    assert (new.num_groups, new.num_channels) == (1, 32)
    assert new.weight is weights[0] and new.bias is weights[1]
    x = torch.randn(4, 32, 1, 1)
    assert float(new(x).detach().std(0).mean()) > 0.3  # one value for each channel: all of it was taken away before


class Twice(nn.Module):
    """An instance normalisation that has learnt, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.inner = nn.Sequential(self.norm)
        with torch.no_grad():
            self.norm.weight.copy_(torch.arange(1.0, 5.0))
            self.norm.bias.copy_(torch.arange(4.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.norm(x))


@pytest.mark.parametrize("place", [{}, {"dtype": torch.float64}, {"device": "meta"}])
def test_what_a_normalisation_has_learnt_is_written_too(place: dict[str, Any]) -> None:
    _, broken = case("instance-norm-then-mean")
    broken.model = Twice()
    written = copy.deepcopy(broken.model).to(**place)
    weight = written.norm.weight
    executed(REMEDY.apply(broken), written)
    assert isinstance(written.norm, nn.GroupNorm) and written.inner[0] is written.norm
    assert written.norm.weight is weight and broken.model.inner[0] is broken.model.norm
    x = torch.randn(2, 4, 3, 3)
    if not place:
        assert torch.equal(written(x), broken.model(x))


@pytest.mark.parametrize(
    ("name", "why"), [("answer-read-from-padding", "no normalisation"), ("two-heads", "samples alike")]
)
def test_others_are_left(name: str, why: str) -> None:
    assert why in (REMEDY.refusal(case(name)[1]) or "")
