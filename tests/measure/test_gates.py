"""Sigmoids that weigh another signal in other ways than by a plain product, and hidden ones that look alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.measure import gates
from tests.measure.test_units import units_of

POSITIONS, WIDTH = 5, 6
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From the input, the activation and another signal, each of ``(batch, positions, width)``."""

NEIGHBOURS = (torch.rand(POSITIONS, POSITIONS, generator=torch.Generator().manual_seed(0)) > 0.5).float()
PADDING = (torch.arange(POSITIONS) < 3).float()[None, :, None].expand(8, -1, 1).contiguous()


class Mixing(nn.Module):
    """Mixes an activation with another signal, below one more layer."""

    def __init__(self, mix: Mix, activation: Callable[[Tensor], Tensor] = torch.sigmoid) -> None:
        super().__init__()
        self.mix, self.activation = mix, activation
        self.a, self.b, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2)
        self.scale = nn.Parameter(torch.rand(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mix(x, self.activation(self.a(x)), self.b(x)))


GATES: dict[str, Mix] = {
    "highway": lambda x, g, h: torch.lerp(h, h.flip(1), g),
    "addcmul": lambda x, g, h: torch.addcmul(h, g, h),
    "attention by sigmoids": lambda x, g, h: (g[..., :POSITIONS] / POSITIONS) @ h,
    "attention behind dropout": lambda x, g, h: F.dropout(g[..., :POSITIONS], 0.1) @ h,
    "normalised attention": lambda x, g, h: (g / g.sum(-1, keepdim=True))[..., :POSITIONS] @ h,
    "einsum": lambda x, g, h: torch.einsum("btn,bnd->btd", g[..., :POSITIONS], h),
    "pooling": lambda x, g, h: torch.bmm(g[..., :1].transpose(1, 2), h),
    "latent": lambda x, g, h: h + torch.randn_like(g) * g,
    "latent by addcmul": lambda x, g, h: torch.addcmul(h, g + 1e-3, torch.randn_like(g)),
    "latent of a variance": lambda x, g, h: h + g.sqrt() * torch.randn_like(g),
    "on the input": lambda x, g, h: x * g[..., :1] + h,
    "divisor": lambda x, g, h: h / (g + 0.1),
}
HIDDEN: dict[str, Mix] = {
    "chain": lambda x, g, h: g,
    "dropout": lambda x, g, h: F.dropout(g, 0.3),
    "dropout of channels": lambda x, g, h: F.dropout1d(g, 0.3),
    "alpha dropout": lambda x, g, h: F.alpha_dropout(g, 0.3, training=True),
    "padding": lambda x, g, h: g * PADDING,
    "number": lambda x, g, h: 0.5 * g / 3 + h,
    "neighbours": lambda x, g, h: NEIGHBOURS.expand(8, -1, -1) @ g,
    "constants of units": lambda x, g, h: g * torch.linspace(0, 1, WIDTH),
    "residual": lambda x, g, h: g + h,
    "an end of a lerp": lambda x, g, h: torch.lerp(g, h, 0.3),
}


def role_of(model: nn.Module) -> str:
    torch.manual_seed(0)
    (record,) = units_of(model, torch.randn(8, POSITIONS, WIDTH))
    return record.role


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("activation", [torch.sigmoid, F.hardsigmoid, F.softplus])
def test_what_weighs_another_signal_is_a_gate(name: str, activation: Callable[[Tensor], Tensor]) -> None:
    assert role_of(Mixing(GATES[name], activation)) == "gate"


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_masked_or_scaled_or_read_by_a_layer_is_hidden(name: str) -> None:
    assert role_of(Mixing(HIDDEN[name])) == "hidden"


def test_a_factor_that_is_a_parameter_makes_no_gate() -> None:
    model = Mixing(HIDDEN["chain"])
    model.mix = lambda x, g, h: g * model.scale
    assert role_of(model) == "hidden"


@pytest.mark.parametrize("name", ["attention by sigmoids", "pooling", "latent", "divisor"])
def test_activations_without_a_meant_range_stay_hidden(name: str) -> None:
    assert role_of(Mixing(GATES[name], torch.relu)) == "hidden"


def test_an_image_with_a_wide_border_is_data() -> None:
    image = torch.zeros(2, 3, 96, 96)
    image[:, :, 48:-8, 8:-8] = torch.rand(2, 3, 40, 80)
    assert not image.flatten()[: gates._FEW].any()
    assert gates._is_data(image, tuple(image.shape))
    assert not gates._is_data((image > 0).float(), tuple(image.shape))


def test_an_expanded_mask_is_looked_at_in_place() -> None:
    """Its 2 ** 40 numbers are those of eight; no copy of it would fit."""
    mask = (torch.arange(8) < 3).float()[:, None, None].expand(-1, 2**17, 2**20)
    assert not gates._is_data(mask, tuple(mask.shape))


class Distributed:
    """As `torch.distributed.tensor.DTensor`: its shape is that of all processes, and few operations know it."""

    def __init__(self, part: Tensor, shape: tuple[int, ...]) -> None:
        self.part, self.shape = part, torch.Size(shape)

    def dim(self) -> int:
        return len(self.shape)

    def detach(self) -> Distributed:
        return self

    def to_local(self) -> Tensor:
        return self.part


def test_of_a_distributed_factor_the_part_in_this_process_is_looked_at() -> None:
    data, mask = torch.rand(4, 6), (torch.rand(4, 6) > 0.5).float()
    for part, is_data in ((data, True), (mask, False)):
        factor: Any = Distributed(part, (8, 6))
        assert gates._is_data(factor, (8, 6)) == is_data
    other: Any = Distributed(data, (8, 6))
    assert not gates._is_data(other, (4, 6))
