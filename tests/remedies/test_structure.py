"""Normalisations, residual connections, and scales: on real networks, live as in the code."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import headwater
from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.nets import init_, mlp
from headwater.records import Change
from headwater.remedies import Training, remedy
from tests.remedies.trainings import codes, executed, training

CURED = [
    ("normalisation:layer", "tiny-init-6x64-momentum", "HW101"),
    ("normalisation:batch", "cnn-relu-default-24x16", "HW101"),
    ("normalisation:batch", "sigmoid-8x64-sgd", "HW101"),
    ("normalisation:layer", "dead-bias-3x64", "HW301"),
    ("residual:zero", "relu-default-30x100-adam", "HW101"),
    ("residual:scaled", "tanh-default-30x100-sgd", "HW101"),
    ("residual:zero", "sigmoid-8x64-sgd", "HW101"),
    ("residual:scaled", "forum-forgot-the-residual", "HW104"),
    ("scale-residual", "residual-unscaled-40", "HW102"),
    ("zero-bias", "dead-bias-3x64", "HW301"),
    ("zero-bias", "rnn-dead-relu", "HW301"),
    ("random-init", "constant-3x64", "HW607"),
    ("random-init", "zero-4x100-tanh", "HW607"),
    ("random-init", "mixer-zero", "HW607"),
    ("random-init", "cnn-constant", "HW607"),
]


def same(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize(("key", "name", "code"), CURED)
def test_the_finding_is_gone_and_the_code_does_the_same(key: str, name: str, code: str) -> None:
    problem = BY_NAME[name].build(0)
    broken = training(problem.model, problem.batches, problem.loss_fn)
    assert code in codes(broken.findings) and remedy(key).refusal(broken) is None
    written = copy.deepcopy(problem.model)
    torch.manual_seed(1)
    change = remedy(key).apply(broken)
    torch.manual_seed(1)
    executed(change, written)
    x = problem.batches[0][0]
    assert torch.equal(problem.model(x), written(x)) and same(problem.model, written)
    held = {id(p) for group in broken.optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in problem.model.parameters()}
    report = headwater.diagnose(problem.model, problem.batches, problem.loss_fn)
    assert code not in codes(report.findings)


def made(model: nn.Module, *shape: int, classes: int = 4, optimizer: Any = None) -> Training:
    return training(
        model, (torch.randn(*shape), torch.randint(0, classes, shape[:1])), F.cross_entropy, optimizer=optimizer
    )


class Loop(nn.Module):
    """A chain whose activations are calls of a function; a block class of one's own when `block`."""

    def __init__(self, width: int = 12, depth: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(8, width), nn.Linear(width, 4)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.stem(x))
        for layer in self.layers:
            h = torch.relu(layer(h))
        return self.head(h)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer, self.scale = nn.Linear(width, 2 * width), nn.Linear(2 * width, width), 0.5

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.outer(F.gelu(self.inner(x)))


def chain_of_blocks(width: int = 12) -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, width), nn.Sequential(*(Block(width) for _ in range(4))), nn.Linear(width, 4))


def test_layers_in_a_loop_of_the_users_get_connections_in_front_of_the_activation() -> None:
    torch.manual_seed(0)
    found = made(Loop(), 32, 8)
    keys, model = list(found.model.state_dict()), found.model
    assert isinstance(model, Loop)
    change = remedy("residual:scaled").apply(found)
    assert change.places == tuple(f"layers.{i}" for i in range(6)) and list(model.state_dict()) == keys
    x = torch.randn(5, 8)
    h = torch.relu(model.stem(x))
    for layer in model.layers:
        h = torch.relu(h + F.linear(h, layer.weight, layer.bias) / math.sqrt(6))
    torch.testing.assert_close(model(x), model.head(h))


def test_blocks_of_one_class_get_connections_around_them_and_keep_their_attributes() -> None:
    torch.manual_seed(0)
    found = made(chain_of_blocks(), 32, 8)
    model: Any = found.model
    change = remedy("residual:zero").apply(found)
    assert change.places == tuple(f"1.{i}" for i in range(4))
    x = torch.randn(5, 8)
    assert torch.equal(model(x), model[2](model[0](x)))  # the chain starts as the identity
    with torch.no_grad():
        model[1][2].residual_scale.fill_(1.0)
    h = model[0](x)
    torch.testing.assert_close(model(x), model[2](h + model[1][2].forward(h)))


def test_a_sequential_moves_groups_with_their_normalisation_into_branches() -> None:
    torch.manual_seed(0)
    found = made(mlp(8, 12, 4, 4, "sigmoid", norm="layer"), 32, 8)
    model: Any = found.model
    before = copy.deepcopy(model)
    change = remedy("residual:scaled").apply(found)
    assert change.places == ("3", "6", "9")
    x = torch.randn(5, 8)
    h = before[:3](x)
    for start in (3, 6, 9):
        h = h + before[start : start + 3](h) / math.sqrt(3)
    torch.testing.assert_close(model(x), before[12](h))


def test_convolutions_need_the_same_places_and_channels() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
        nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, stride=2), nn.ReLU(),
        nn.Conv2d(4, 4, 5, padding="same"), nn.ReLU(),
        nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    found = made(model, 8, 1, 12, 12)
    assert remedy("residual:zero").apply(found).places == ("2", "8")
    model(torch.randn(2, 1, 12, 12))


@pytest.mark.parametrize(
    "name", ["resnet-plain-6", "mixer-8", "rezero-20", "forum-running-sum-80", "converged-6x128-sgd"]
)
def test_no_second_connection_none_in_a_loop_and_none_in_a_trained_network(name: str) -> None:
    problem = BY_NAME[name].build(0)
    healthy = training(problem.model, problem.batches, problem.loss_fn)
    assert remedy("residual:zero").refusal(healthy)


def test_only_the_hooks_that_are_registered_are_written() -> None:
    torch.manual_seed(0)
    change = remedy("normalisation:batch").apply(made(mlp(8, 12, 1, 4), 32, 8))
    assert "def batch_normalised(" in change.code.before and "def normalised(" not in change.code.before
    assert change.says == "batch normalisation before 1 activation"


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (mlp(8, 12, 3, 4), (32, 8)),
        (nn.Sequential(nn.Conv2d(3, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(5, 4)), (32, 3, 4, 4)),
    ],
)
def test_a_last_batch_of_one_is_normalised_by_the_batches_before(model: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    found = made(model, *shape)
    remedy("normalisation:batch").apply(found)
    first: Any = model.get_submodule("0")
    for _ in range(200):
        model(torch.randn(*shape))
    mean, variance = first.norm.running_mean.clone(), first.norm.running_var.clone()
    x = torch.randn(1, *shape[1:])
    out = first(x).flatten()
    plain = type(first).forward(first, x).flatten()
    torch.testing.assert_close(out, (plain - mean) / (variance + first.norm.eps).sqrt())
    assert model(x).requires_grad and torch.equal(first.norm.running_mean, mean)
    model.eval()
    torch.testing.assert_close(first(x).flatten(), out)


def test_normalisations_have_their_statistics_and_learn_with_their_layer() -> None:
    for variant, shape, model in (
        ("layer", (32, 8), init_(mlp(8, 12, 3, 4), "normal")),
        ("batch", (32, 8), init_(mlp(8, 12, 3, 4), "normal")),
        ("batch", (16, 5, 8), nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Flatten(), nn.Linear(30, 4))),
    ):
        torch.manual_seed(0)
        groups = [{"params": p, "lr": 0.1} for p in model.parameters()]
        found = made(model, *shape, optimizer=torch.optim.SGD(groups, lr=0.1))
        remedy(f"normalisation:{variant}").apply(found)
        out = model[0](torch.randn(*shape)).detach()
        over = -1 if variant == "layer" else tuple(range(len(shape) - 1))
        assert float(out.mean(over).abs().max()) < 1e-5
        torch.testing.assert_close(out.var(over, correction=0), torch.ones_like(out.mean(over)), rtol=0.02, atol=0.0)
        assert model[0].norm.weight in set(found.optimizer.param_groups[0]["params"])


@pytest.mark.parametrize(
    ("key", "model", "shape", "why"),
    [
        ("normalisation:batch", mlp(8, 12, 3, 4), (4, 8), "batch of 4"),
        ("normalisation:layer", mlp(8, 12, 3, 4, "sigmoid"), (32, 8), "0.39"),
        ("normalisation:batch", mlp(8, 12, 3, 4, norm="layer"), (32, 8), "already"),
        ("scale-residual", mlp(8, 12, 3, 4), (32, 8), "no branch"),
        ("random-init", mlp(8, 12, 3, 4), (32, 8), "no layer"),
        ("pre-norm", mlp(8, 12, 3, 4), (32, 8), "by hand"),
        ("residual:zero", mlp(8, 12, 1, 4), (32, 8), "no chain"),
    ],
)
def test_when_not(key: str, model: nn.Module, shape: tuple[int, ...], why: str) -> None:
    assert why in (remedy(key).refusal(made(model, *shape)) or "")


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True) for _ in range(3)
        )
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


def test_pre_norm_is_what_pytorch_builds_with_norm_first() -> None:
    torch.manual_seed(0)
    found = made(Encoder(), 8, 5, 8)
    written = copy.deepcopy(found.model)
    change = remedy("pre-norm").apply(found)
    x = torch.randn(3, 5, 8)
    right = Encoder()
    right.load_state_dict(found.model.state_dict())
    for layer in right.layers:
        layer.norm_first = True
    assert torch.equal(found.model(x), right(x))
    assert torch.equal(executed(Change(change.remedy, "", (), instead=change.instead), written)(x), right(x))
    line = Encoder.__init__.__code__.co_firstlineno + 3
    assert [(e.callee, e.at.line, e.arguments) for e in change.edits] == [
        ("TransformerEncoderLayer", line, {"norm_first": "True"})
    ] * 3


def test_zero_by_design_is_not_drawn() -> None:
    torch.manual_seed(0)
    model = init_(mlp(8, 12, 3, 4), "he")
    nn.init.zeros_(model[-1].weight)
    found = made(model, 32, 8)
    assert "no layer" in (remedy("random-init").refusal(found) or "")


def test_a_remedy_behind_a_moved_layer_finds_it() -> None:
    torch.manual_seed(0)
    found = made(mlp(8, 12, 4, 4), 32, 8)
    remedy("residual:zero").apply(found)
    change = remedy("init-matched:orthogonal").apply(found)
    assert change.places == ("0", "2.branch.0", "4.branch.0", "6.branch.0", "8")
    hidden = found.model.get_submodule("4.branch.0").weight.detach()
    torch.testing.assert_close(hidden @ hidden.mT, 2 * torch.eye(12), rtol=0.0, atol=2e-3)


def test_biases_that_may_be_meant_stay() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 4))
    with torch.no_grad():
        model[0].bias.fill_(-5.0)
        model[2].bias.copy_(torch.randn(12))  # as if learnt
        model[4].bias.fill_(3.0)  # an output's can hold a prior
    found = made(model, 32, 8)
    change = remedy("zero-bias").apply(found)
    assert change.places == ("0.bias",) and not model[0].bias.any()
    assert "no hidden layer" in (remedy("zero-bias").refusal(found) or "")
    model[0].bias.requires_grad_(False).fill_(-5.0)
    assert "no hidden layer" in (remedy("zero-bias").refusal(found) or "")


def test_biases_of_a_plain_recurrent_layer_become_zero_and_those_of_gates_stay() -> None:
    class Reader(nn.Module):
        def __init__(self, cell: type[nn.RNNBase]) -> None:
            super().__init__()
            self.cell, self.head = cell(8, 12), nn.Linear(12, 4)
            with torch.no_grad():
                self.cell.bias_ih_l0.add_(-4.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cell(x)[0][-1])

    for cell, places in ((nn.RNN, ("cell.bias_ih_l0",)), (nn.GRU, None)):
        torch.manual_seed(0)
        batch = (torch.randn(5, 32, 8), torch.randint(0, 4, (32,)))
        found = training(Reader(cell), [batch], F.cross_entropy)
        if places is None:
            assert remedy("zero-bias").refusal(found)
        else:
            assert remedy("zero-bias").apply(found).places == places
