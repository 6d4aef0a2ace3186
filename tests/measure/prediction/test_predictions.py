"""Theory beside measurement, and every formula against random gradients."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
import torch
from torch import nn

import headwater
from headwater.graph import walk
from headwater.measure.prediction.factors import factor
from headwater.measure.prediction.preactivations import PreActivations
from headwater.records import Layer

INITIALISATIONS: dict[str, Callable[[torch.Tensor], object]] = {
    "default": lambda weight: weight,
    "xavier": nn.init.xavier_uniform_,
    "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}
ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.Sigmoid,
    nn.Tanh,
    nn.ReLU,
    nn.GELU,
    nn.SiLU,
    nn.ELU,
    nn.SELU,
    nn.Softplus,
    lambda: nn.LeakyReLU(0.2),
    nn.Hardtanh,
]


def layers(model: nn.Module, *shape: int, batch: int = 32) -> tuple[Layer, ...]:
    """The layers before any training step."""
    data = (torch.randn(batch, *shape), torch.randint(10, (batch,)))
    return headwater.diagnose(model, data, nn.CrossEntropyLoss(), steps=1).layers


def errors(found: tuple[Layer, ...]) -> list[float]:
    return [abs(e.predicted_gain / e.gain - 1.0) for e in found if e.predicted_gain is not None and e.gain]


@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_mlps_of_ten_activations(initialisation: str) -> None:
    torch.manual_seed(0)
    every: list[float] = []
    for activation in ACTIVATIONS:
        hidden = [layer for _ in range(8) for layer in (nn.Linear(128, 128), activation())]
        for layer in hidden[::2]:
            INITIALISATIONS[initialisation](layer.weight)  # type: ignore[arg-type]
        found = errors(layers(nn.Sequential(*hidden, nn.Linear(128, 10)), 128))
        assert len(found) == 8
        assert statistics.median(found) < 0.06, activation
        every += found
    assert statistics.median(every) < 0.03
    assert sorted(every)[int(0.9 * len(every))] < 0.12


@pytest.mark.parametrize("normalise", [None, nn.BatchNorm2d, lambda c: nn.GroupNorm(4, c)])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_convolutional_networks(normalise: Callable[[int], nn.Module] | None, activation: type[nn.Module]) -> None:
    torch.manual_seed(0)
    hidden: list[nn.Module] = []
    for i in range(8):
        stride = 2 if i in (2, 5) else 1
        hidden.append(nn.Conv2d(3 if i == 0 else 32, 32, 3, padding=1, stride=stride))
        hidden += [normalise(32)] if normalise else []
        hidden.append(activation())
        hidden += [nn.MaxPool2d(2)] if i == 3 else []
    model = nn.Sequential(*hidden, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    found = layers(model, 3, 32, 32)
    assert len(errors(found)) == 8
    assert statistics.median(errors(found)) < 0.08
    if normalise:
        parts = [(e.predicted_parts.normalisation, e.gain_parts.normalisation) for e in found if e.predicted_parts]  # type: ignore[union-attr]
        assert statistics.median(abs(theory / measured - 1) for theory, measured in parts) < 0.05


def test_layer_norm_and_dropout() -> None:
    torch.manual_seed(0)
    blocks = [(nn.Linear(128, 128), nn.LayerNorm(128), nn.GELU(), nn.Dropout(0.3)) for _ in range(8)]
    found = layers(nn.Sequential(*(each for block in blocks for each in block), nn.Linear(128, 10)), 128)
    assert len(errors(found)) == 8
    assert statistics.median(errors(found)) < 0.05


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(128, 128), nn.Linear(16, 128), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x.new_zeros(len(x), 128)
        for t in range(x.shape[1]):
            state = torch.tanh(self.inner(state) + self.outer(x[:, t]))
        return self.head(state)


def test_a_recurrent_network_of_plain_functions() -> None:
    torch.manual_seed(0)
    found = {layer.name: layer for layer in layers(Recurrent(), 6, 16)}
    assert found["inner"].predicted_gain == pytest.approx(found["inner"].gain, rel=0.1)
    assert found["head"].predicted_gain == pytest.approx(found["head"].gain, rel=0.1)


def test_a_weight_that_is_computed_counts_as_it_is_applied() -> None:
    torch.manual_seed(0)
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(64, 64))
    with torch.no_grad():
        linear.parametrizations.weight.original0.mul_(3.0)  # type: ignore[union-attr]
    found = layers(nn.Sequential(nn.Linear(64, 64), nn.Tanh(), linear, nn.Tanh(), nn.Linear(64, 10)), 64)
    assert found[1].predicted_parts and found[1].gain_parts
    assert found[1].predicted_parts.weights == pytest.approx(found[1].gain_parts.weights, rel=0.1)
    assert found[1].predicted_parts.weights == pytest.approx(3 / math.sqrt(3), rel=0.05)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.fc(x))


RESIDUAL = nn.Sequential(nn.Linear(32, 32), Block(), Block(), nn.Linear(32, 10))
ATTENTION = nn.Sequential(
    nn.Linear(32, 32),
    nn.Unflatten(1, (4, 8)),
    nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    nn.Flatten(),
    nn.Linear(32, 10),
)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (RESIDUAL, {"1.fc", "2.fc"}),
        (ATTENTION, {"2.self_attn", "2.self_attn.out_proj", "2.linear1"}),
    ],
)
def test_where_theory_has_no_formula_nothing_is_predicted(model: nn.Module, names: set[str]) -> None:
    """Below these, branches meet or attention stands; between the others and the next layer there is a plain path."""
    found = {layer.name: layer for layer in layers(model, 32)}
    assert {name for name, e in found.items() if e.gain is not None and e.predicted_gain is None} == names
    for layer in found.values():
        if layer.predicted_gain is not None:
            assert layer.predicted_gain == pytest.approx(layer.gain, rel=0.25)


def _monte_carlo(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """Root mean square of ``|A^T g| / |g|`` over random gradients g."""
    ratios = []
    for _ in range(40):
        x = x.detach().requires_grad_()
        y = function(x)
        g = torch.randn_like(y)
        (back,) = torch.autograd.grad(y, x, g)
        ratios.append(float(back.square().sum() / g.square().sum()))
    return math.sqrt(sum(ratios) / len(ratios))


FORMULAS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], tuple[int, ...]]] = {
    "matrix": (nn.Linear(30, 50), (20, 30)),
    "wide": (nn.Linear(30, 50, bias=False), (4, 20, 30)),
    "convolution": (nn.Conv2d(4, 6, 3), (3, 4, 8, 8)),
    "padded": (nn.Conv2d(4, 6, 5, padding=2), (3, 4, 6, 6)),
    "strided": (nn.Conv2d(4, 6, 3, stride=2, padding=1), (3, 4, 9, 9)),
    "dilated": (nn.Conv2d(4, 6, 3, dilation=2, padding=2), (3, 4, 9, 9)),
    "grouped": (nn.Conv2d(4, 8, 3, groups=4), (3, 4, 9, 9)),
    "one dimension": (nn.Conv1d(4, 6, 3, padding=1), (3, 4, 9)),
    "batch norm": (nn.BatchNorm1d(5), (16, 5)),
    "frozen batch norm": (nn.BatchNorm2d(5).eval(), (4, 5, 6, 6)),
    "layer norm": (nn.LayerNorm(12), (16, 12)),
    "group norm": (nn.GroupNorm(2, 8), (4, 8, 5, 5)),
    "mean": (lambda x: x.mean(dim=(2, 3)), (4, 5, 6, 6)),
    "average pool": (nn.AvgPool2d(2), (4, 5, 6, 6)),
    "adaptive pool": (nn.AdaptiveAvgPool2d(2), (4, 5, 6, 6)),
    "max pool": (nn.MaxPool2d(2), (4, 5, 6, 6)),
    "scale": (lambda x: 0.3 * x, (4, 5)),
    "mask": (lambda x: x * torch.linspace(0, 2, 5), (4, 5)),
    "sum with data": (lambda x: x + torch.ones(4, 5), (4, 5)),
    "slice": (lambda x: x[:, :3], (4, 5)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula_against_random_gradients(name: str) -> None:
    torch.manual_seed(0)
    function, shape = FORMULAS[name]
    x = torch.randn(shape, requires_grad=True)
    inner = x * nn.Parameter(torch.ones(()))
    graph = walk(function(inner).sum()).ops
    top = next(op for op in graph if op.kind not in ("Sum", "View", "UnsafeView"))
    assert factor(top, graph[top.edges[0][1]]) == pytest.approx(_monte_carlo(function, x), rel=0.04)


@pytest.mark.parametrize("centre", [0.0, 3.0, 100.0, 1e4])
def test_the_variance_is_right_wherever_the_numbers_lie(centre: float) -> None:
    torch.manual_seed(0)
    z = (centre + torch.randn(64, 256)).requires_grad_()
    with PreActivations() as watched:
        y = torch.relu(z)
    moments = watched.moments[y.grad_fn]
    exact = z.detach().double()
    assert float(moments.mean) == pytest.approx(float(exact.mean()), rel=1e-5, abs=1e-6)
    assert float(moments.variance) == pytest.approx(float(exact.var(correction=0)), rel=1e-4)


def test_watching_the_functions_changes_no_number() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 8), nn.GELU())
    x = torch.randn(4, 8)
    torch.manual_seed(1)
    alone = model(x)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    with PreActivations() as watched:
        seen = model(x)
    assert torch.equal(alone, seen) and torch.equal(state, torch.get_rng_state())
    z = model[0](x).detach()
    mean, variance = next((float(m.mean), float(m.variance)) for n, m in watched.moments.items() if "Relu" in n.name())
    assert (mean, variance) == pytest.approx((float(z.mean()), float(z.var(correction=0))), rel=1e-5)
