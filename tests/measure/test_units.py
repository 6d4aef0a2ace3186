"""Dead and saturated units against counting them by hand; gates and outputs told apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import headwater
from headwater.graph import owners, walk
from headwater.measure.units import Units
from headwater.records import UnitsRecord


def units_of(model: nn.Module, *batches: torch.Tensor, repeat: bool = False) -> tuple[UnitsRecord, ...]:
    found = Units()
    for batch in batches:
        with owners(model) as learned:
            loss = model(batch).square().mean()
        graph = walk(loss)
        found.prepare(
            graph,
            lambda op, learned=learned: learned.module(op.node) if op.kind != "Input" else ("", 0),
            fresh=not repeat,
        )
        for op in graph.ops:
            found.observe(op)
    return found.records()


def test_dead_units_of_a_linear_layer() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
    with torch.no_grad():
        model[0].bias[:3] = -100.0
    batches = [torch.randn(256, 4) for _ in range(4)]
    (record,) = units_of(model, *batches)
    seen = torch.cat([torch.relu(model[0](b)) for b in batches])
    assert record.dead == int((seen == 0).all(dim=0).sum()) >= 3
    assert (record.units, record.samples, record.role, record.name) == (10, 1024, "hidden", "1")


def test_channels_are_the_units_of_a_convolution() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6 * 36, 2)
    )
    with torch.no_grad():
        model[1].bias[0] = -100.0
    (record,) = units_of(model, torch.randn(5, 3, 8, 8))
    assert (record.units, record.samples, record.dead) == (6, 5 * 36, 1)


@pytest.mark.parametrize(
    ("activation", "slope"), [(nn.Sigmoid(), lambda y: 4 * y * (1 - y)), (nn.Tanh(), lambda y: 1 - y * y)]
)
def test_saturation_is_the_mean_square_slope(activation: nn.Module, slope: object) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 10), activation, nn.Linear(10, 2))
    with torch.no_grad():
        model[0].weight[:6] *= 300
    x = torch.randn(512, 4)
    (record,) = units_of(model, x)
    mean_squares = slope(activation(model[0](x).detach())).square().mean(dim=0)  # type: ignore[operator]
    assert record.saturated == int((mean_squares < 0.01).sum())
    assert record.mean_square_slope == pytest.approx(float(mean_squares.mean()), rel=1e-4)


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = torch.sigmoid(self.a(x))
        x = gate * torch.tanh(self.b(x)) + (1 - gate) * x
        return torch.sigmoid(self.out(torch.tanh(x)))


class OneForAll(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.out(self.act(self.second(self.act(self.first(x))))))


def test_an_activation_that_is_hidden_and_output_too_has_a_record_for_each() -> None:
    report = headwater.diagnose(OneForAll(), (torch.randn(8, 4), torch.rand(8, 4)), nn.MSELoss())
    found = [(units.name, units.role, units.layers) for units in report.measurement.units]
    assert found == [("act", "hidden", ("first", "second")), ("act", "output", ("out",))]


def test_gates_and_outputs_are_told_from_hidden_activations() -> None:
    roles = sorted((record.kind, record.role) for record in units_of(Gated(), torch.randn(8, 4)))
    assert roles == [("sigmoid", "gate"), ("sigmoid", "output"), ("tanh", "gate"), ("tanh", "hidden")]


def test_samples_seen_twice_count_once() -> None:
    model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
    (record,) = units_of(model, torch.randn(8, 4), repeat=True)
    assert record.samples == 0


def test_checkpointed_tensors_are_not_read() -> None:
    net = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return checkpoint(self.net, x, use_reentrant=False)

    assert units_of(Checkpointed(), torch.randn(8, 4)) == ()


def test_a_one_sided_activation_is_saturated_only_when_flat_on_every_sample() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 10), nn.GELU(), nn.Linear(10, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(10, 4))
        model[0].bias.copy_(torch.tensor([-40.0] * 6 + [-4.0] * 2 + [0.0] * 2))  # flat always, mostly, by half
    (record,) = units_of(model, torch.randn(512, 4), torch.randn(512, 4))
    assert record.kind == "gelu"
    assert record.saturated_units == (0, 1, 2, 3, 4, 5)
    assert record.saturated == 6


def test_positions_are_left_out_only_where_there_are_many() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.SiLU(), nn.Flatten(), nn.Linear(6 * 30 * 30, 2))
    (record,) = units_of(model, torch.randn(4, 3, 32, 32))
    assert (record.units, record.samples) == (6, 4 * 30 * 30)
    (record,) = units_of(model, torch.randn(16, 3, 32, 32))
    assert 4096 <= record.samples < 16 * 30 * 30


@pytest.mark.parametrize("size", [10, 9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("samples", [3, 255, 256, 600])
def test_every_slope_of_a_large_batch_is_counted(samples: int, layout: torch.memory_format, size: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 7, 3), nn.ReLU(), nn.Flatten(), nn.Linear(7 * (size - 2) ** 2, 2))
    with torch.no_grad():
        model[0].bias[:3] = torch.tensor([-100.0, 100.0, -2.0])  # never, always, rarely
    model = model.to(memory_format=layout)
    x = torch.randn(samples, 3, size, size).to(memory_format=layout)
    active = (model[:2](x) > 0).double().mean(dim=(0, 2, 3))
    dead = tuple((active == 0).nonzero().flatten().tolist())
    (record,) = units_of(model, x)
    assert record.mean_square_slope == pytest.approx(float(active.mean()), rel=1e-12)
    assert record.dead_units == dead and 0 in dead
