"""Layers: order, names, and parts that multiply to the gain."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import headwater
from headwater.graph import owners
from headwater.measure.layers import layers, uses
from headwater.measure.profile import noise, profile
from headwater.measure.structure import structure
from headwater.measure.updates import zero_names
from headwater.records import Layer, Profile, Trace
from tests.measure.networks import FAMILIES


def measured(model: nn.Module, *inputs: torch.Tensor) -> tuple[tuple[Layer, ...], Profile, Trace]:
    with owners(model) as learned:
        outputs = model(*inputs)
        loss = (outputs * torch.randn_like(outputs)).sum()  # a gradient that knows nothing of the weights
    trace = headwater.trace(loss, model=model, owners=learned)
    shape = structure(trace)
    used = uses(trace, shape)
    zeros = zero_names(model.named_parameters())
    return (
        layers(trace, shape, used, classes=learned.classes, zero_parameters=zeros),
        profile(trace, shape, used),
        trace,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_multiply_to_the_gain_and_gains_to_the_ratio_of_signals(family: str) -> None:
    torch.manual_seed(0)
    model = FAMILIES[family]().double()
    found, _, _ = measured(model, torch.randn(*model.inputs, dtype=torch.float64))
    by_name = {layer.name: layer for layer in found}
    compared = 0
    for layer in found:
        if layer.gain is None or layer.gain_parts is None or layer.toward is None or not layer.signal:
            continue
        parts = layer.gain_parts
        assert parts.activation * parts.weights * parts.normalisation * parts.other == pytest.approx(layer.gain)
        below = by_name[layer.toward]
        if below.calls == 1:
            assert layer.gain == pytest.approx((below.signal or 0.0) / layer.signal, rel=1e-9)
            compared += 1
    assert compared >= 1


def test_order_and_kinds_of_a_chain() -> None:
    found, trunk, _ = measured(FAMILIES["mlp"](), torch.randn(8, 6))
    assert [layer.name for layer in found] == ["first", *(f"middle.{i}" for i in range(6)), "last"]
    assert [layer.depth for layer in found] == list(range(1, 9))
    assert {layer.kind for layer in found} == {"Linear"}
    assert found[0].gain is None and found[0].toward is None
    assert [p.name for p in trunk.points] == [layer.name for layer in found]
    assert not any(layer.branch for layer in found)


class Various(nn.Module):
    """Activations as modules, as functions, behind a normalisation, in a branch and behind the sum with a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d, self.e = (nn.Linear(6, 6) for _ in range(5))
        self.leaky, self.selu, self.norm = nn.LeakyReLU(0.2), nn.SELU(), nn.LayerNorm(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.leaky(self.a(x))
        x = x + torch.tanh(self.norm(self.b(x)))
        x = torch.relu(x + self.c(x))
        return self.e(self.selu(F.dropout(self.d(x), 0.1)))


def test_the_activation_that_follows_each_layer() -> None:
    found, _, _ = measured(Various(), torch.randn(8, 6))
    assert {layer.name: layer.activation for layer in found} == {
        "a": "leakyrelu",
        "b": "tanh",
        "c": None,
        "d": "selu",
        "e": None,
    }


def test_the_last_layers_of_branches() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.TransformerEncoderLayer(8, 2, 12, batch_first=True))
    found, _, _ = measured(model, torch.randn(3, 5, 8))
    assert {layer.name for layer in found if layer.rejoins} == {"1.self_attn.out_proj", "1.linear2"}
    assert not any(layer.rejoins for layer in measured(FAMILIES["mlp"](), torch.randn(8, 6))[0])


def test_parts_of_a_sigmoid_layer_are_what_theory_says() -> None:
    torch.manual_seed(0)
    stack: list[nn.Module] = []
    for _ in range(6):
        stack += [nn.Linear(400, 400), nn.Sigmoid()]
    found, _, _ = measured(nn.Sequential(*stack, nn.Linear(400, 400)), torch.randn(64, 400))
    for layer in found[2:]:
        assert layer.gain_parts is not None
        assert layer.gain_parts.weights == pytest.approx(1 / math.sqrt(3), rel=0.05)
        assert layer.gain_parts.activation == pytest.approx(0.25, rel=0.05)
        assert layer.gain_parts.normalisation == layer.gain_parts.other == 1.0


class ReZero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.branches = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.scales = nn.ParameterList(nn.Parameter(torch.zeros(6)) for _ in range(3))
        self.last = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for branch, scale in zip(self.branches, self.scales, strict=True):
            x = x + scale * torch.tanh(branch(x))
        return self.last(x)


def test_zero_initialised_branches_are_known_and_the_stream_is_reported() -> None:
    found, trunk, _ = measured(ReZero(), torch.randn(8, 6))
    by_name = {layer.name: layer for layer in found}
    for i in range(3):
        branch = by_name[f"branches.{i}"]
        assert branch.signal == 0.0 and branch.branch and branch.zero_initialised
        assert branch.stream == pytest.approx(trunk.points[-2].signal, rel=1e-5)
    assert not by_name["first"].zero_initialised and not by_name["first"].branch
    assert by_name["last"].toward == "first"  # around the branches that nothing passes yet
    assert trunk.gain == pytest.approx(1.0, abs=0.3)


def test_dead_units_are_no_zero_initialisation() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    nn.init.constant_(model[0].bias, -100.0)
    found, _, _ = measured(model, torch.randn(8, 6))
    assert found[0].signal == 0.0
    assert not found[0].zero_initialised


class TiedLanguageModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.body = nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.body(self.embed(tokens))))


def test_a_tied_weight_is_measured_at_each_of_its_uses() -> None:
    found, _, trace = measured(TiedLanguageModel(), torch.randint(0, 20, (4, 5)))
    assert [layer.name for layer in found] == ["embed", "body", "head"]
    assert len({layer.signal for layer in found}) == 3
    assert sum("embed.weight" in op.parameters for op in trace.ops) == 2


def test_a_loop_is_one_layer_used_many_times_and_no_depth() -> None:
    model = FAMILIES["unrolled"]()
    found, trunk, _ = measured(model, torch.randn(*model.inputs))
    by_name = {layer.name: layer for layer in found}
    assert by_name["cell.weight_hh"].calls == 9
    assert trunk.recurrent or all(p.name != "cell.weight_hh" for p in trunk.points)


def test_profile_of_a_deep_sigmoid_network_has_the_predicted_slope() -> None:
    torch.manual_seed(0)
    stack: list[nn.Module] = []
    for _ in range(12):
        stack += [nn.Linear(200, 200), nn.Sigmoid()]
    _, trunk, _ = measured(nn.Sequential(*stack), torch.randn(32, 200))
    assert trunk.gain == pytest.approx(0.1413, rel=0.02)
    assert trunk.attenuation == pytest.approx(0.1413**11, rel=0.3)


def test_noise_floor_is_the_spread_of_random_networks() -> None:
    torch.manual_seed(0)
    width, depth = 50, 12
    logs: list[float] = []
    for _ in range(200):
        stack: list[nn.Module] = []
        for _ in range(depth):
            linear = nn.Linear(width, width, bias=False)
            nn.init.kaiming_normal_(linear.weight)
            stack += [linear, nn.ReLU()]
        _, trunk, trace = measured(nn.Sequential(*stack), torch.randn(1, width))
        logs.append(math.log(trunk.attenuation or math.nan))
    predicted = noise(trace, structure(trace).trunk(len(trace.ops) - 1))
    assert torch.tensor(logs).std().item() == pytest.approx(predicted, rel=0.25)


def test_without_a_model_layers_are_named_by_operation_and_shape() -> None:
    w, v = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(2, 5))
    trace = headwater.trace(F.linear(torch.tanh(F.linear(torch.randn(3, 4), w)), v).sum())
    shape = structure(trace)
    assert [layer.name for layer in layers(trace, shape, uses(trace, shape))] == ["Mm 1 [5, 4]", "Mm 2 [2, 5]"]
