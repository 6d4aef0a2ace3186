"""The control has other weights from the same distribution, and the script's random numbers go on as they did."""

from __future__ import annotations

import torch
from torch import nn

from headwater.script_trial.redraw import redraw_weights


def network() -> nn.Module:
    net = nn.Sequential(nn.Linear(50, 400), nn.LSTM(400, 20), nn.Linear(20, 20))
    nn.init.xavier_normal_(net[0].weight)
    nn.init.orthogonal_(net[2].weight)
    nn.init.zeros_(net[2].bias)
    return net


def drawn(seed: int | None) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    data = torch.randn(5)
    undo = redraw_weights(seed) if seed is not None else lambda: None
    try:
        net = network()
    finally:
        undo()
    return net, torch.cat([data, torch.randn(5)])


def test_only_the_weights_differ() -> None:
    (original, data), (control, same), (again, _), (other, _) = (drawn(seed) for seed in (None, 0, 0, 1))
    assert torch.equal(data, same)
    for name, weight in original.named_parameters():
        redrawn = control.get_parameter(name)
        assert torch.equal(redrawn, again.get_parameter(name))
        assert torch.equal(redrawn, weight) == (name == "2.bias")
        assert torch.equal(redrawn, other.get_parameter(name)) == (name == "2.bias")


def test_the_weights_come_from_the_same_distribution() -> None:
    control, _ = drawn(0)
    first = control.get_parameter("0.weight")
    assert abs(first.std().item() / (2 / 450) ** 0.5 - 1) < 0.03  # Xavier; 20,000 numbers tell the deviation to 0.5 %
    last = control.get_parameter("2.weight")
    assert torch.allclose(last @ last.T, torch.eye(20), atol=1e-5)


def test_it_leaves_pytorch_as_it_was() -> None:
    before = dict(vars(nn.init))
    redraw_weights(0)()
    assert dict(vars(nn.init)) == before
