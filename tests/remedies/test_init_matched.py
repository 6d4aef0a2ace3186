"""Initial weights: drawn with the variance that theory asks for, by code that does what was tried."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from benchmarks.detection.nets import init_, mlp
from headwater import theory
from headwater.remedies import answering, remedy
from headwater.remedies.draw import gain
from tests.remedies.trainings import case, codes, diagnosed, executed, training

CURED = {
    "he": ["relu-default-30x100-adam", "gelu-default-24x128-adamw", "normal-init-8x128-sgd", "dead-bias-3x64"],
    "xavier": ["tanh-default-30x100-sgd", "tanh-normal-4x256", "sigmoid-shifted-2x64"],
    "orthogonal": ["relu-xavier-30x100-sgd", "residual-unscaled-40", "constant-3x64"],
    "edge-of-chaos": ["tanh-default-30x100-sgd", "elu-shifted-3x128"],
    "lsuv": ["tiny-init-6x64-momentum", "relu-default-30x100-adam"],
}


@pytest.mark.parametrize(("variant", "name"), [(variant, name) for variant in CURED for name in CURED[variant]])
def test_the_finding_is_gone_and_the_code_draws_the_same(variant: str, name: str) -> None:
    problem, broken = case(name)
    chosen = remedy(f"init-matched:{variant}")
    assert broken.findings and chosen.refusal(broken) is None
    written = copy.deepcopy(problem.model)
    torch.manual_seed(1)
    change = chosen.apply(broken)
    torch.manual_seed(1)
    executed(change, written)
    x = problem.batches[0][0]
    assert torch.equal(written(x), problem.model(x))
    ours, theirs = problem.model.state_dict(), written.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert codes(diagnosed(problem)) == set()


@pytest.mark.parametrize("activation", ["elu", "gelu", "silu", "mish", "hardswish", "relu", "leaky_relu"])
def test_gains_keep_the_norm_of_the_gradient_at_variance_one(activation: str) -> None:
    kind = activation.replace("_", "")
    assert gain(kind) == pytest.approx(theory.unit_variance_gains(activation).backward, rel=3e-3)


@pytest.mark.parametrize("activation", ["sigmoid", "hardsigmoid"])
def test_gains_of_sigmoids_are_one_over_their_largest_slope(activation: str) -> None:
    at = torch.zeros((), requires_grad=True)
    getattr(nn.functional, activation)(at).backward()
    assert at.grad is not None
    assert gain(activation) == pytest.approx(1.0 / float(at.grad))


@pytest.mark.parametrize(("slopes", "used"), [((0.2, 0.2), 0.2), ((0.2, 0.3), 0.01), ((0.01, 0.01), 0.01)])
@pytest.mark.parametrize("variant", ["he", "orthogonal"])
def test_leaky_relus_have_the_slope_of_their_modules(variant: str, slopes: tuple[float, float], used: float) -> None:
    torch.manual_seed(0)
    first, second = (nn.LeakyReLU(slope) for slope in slopes)
    model = nn.Sequential(nn.Linear(512, 512), first, nn.Linear(512, 512), second, nn.Linear(512, 10))
    found = training(model, (torch.randn(64, 512), torch.randint(0, 10, (64,))), nn.CrossEntropyLoss())
    remedy(f"init-matched:{variant}").apply(found)
    assert variances(model)[:2] == pytest.approx([2.0 / (1.0 + used**2)] * 2, rel=0.01)


@pytest.mark.parametrize(("activation", "wanted"), [("tanh", 1.0), ("selu", 1.0)])
def test_gains_of_critical_points(activation: str, wanted: float) -> None:
    at = theory.edge_of_chaos(activation) if activation == "tanh" else None
    assert gain(activation) == wanted
    assert at is None or at.weight_variance == pytest.approx(wanted)
    if activation == "selu":
        assert theory.unit_variance_gains(activation).forward == pytest.approx(wanted, rel=1e-6)


def variances(model: nn.Module) -> list[float]:
    return [m.in_features * float(m.weight.detach().var()) for m in model.modules() if isinstance(m, nn.Linear)]


def made(variant: str, act: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    model = mlp(64, 256, 4, 10, act, **options)
    found = training(model, (torch.randn(64, 64), torch.randint(0, 10, (64,))), nn.CrossEntropyLoss())
    remedy(f"init-matched:{variant}").apply(found)
    return model


def test_each_layer_has_the_variance_of_its_own_activation_and_the_last_one_is_modest() -> None:
    for act, variance in (("relu", 2.0), ("leaky", 2.0 / 1.0001), ("gelu", 1.48**2), ("selu", 1.0)):
        *hidden, last = variances(made("he", act))
        assert hidden == pytest.approx([variance] * 4, rel=0.05)
        assert last == pytest.approx(1.0, rel=0.1)


def test_the_edge_of_chaos_is_that_of_the_theory() -> None:
    model = made("edge-of-chaos", "tanh")
    *hidden, _ = [m for m in model.modules() if isinstance(m, nn.Linear)]
    point = theory.edge_of_chaos("tanh", 0.05)
    assert point is not None
    assert variances(model)[:-1] == pytest.approx([point.weight_variance] * 4, rel=0.05)
    biases = torch.cat([each.bias for each in hidden])
    assert float(biases.detach().std()) == pytest.approx(math.sqrt(0.05), rel=0.1)


def test_lsuv_gives_each_layer_outputs_of_variance_one_in_copies_too() -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 64)
    for model in (made("lsuv", "relu"), copy.deepcopy(made("lsuv", "relu"))):
        seen: list[Tensor] = []
        for layer in [m for m in model.modules() if isinstance(m, nn.Linear)][:-1]:
            layer.register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output.detach()))
        model(x).sum().backward()
        assert [float(output.std()) for output in seen] == pytest.approx([1.0] * 4, rel=1e-4)
        kept = model[0].weight.clone()
        model(3 * x)
        assert torch.equal(model[0].weight, kept)


def test_lsuv_leaves_weights_that_were_loaded() -> None:
    x = torch.randn(256, 64)
    trained = made("lsuv", "relu")
    trained(x)
    with torch.no_grad():
        trained[0].weight.mul_(3.0)  # what a training did
    fresh = made("lsuv", "relu")
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh(7 * x), trained(7 * x))
    assert torch.equal(copy.deepcopy(fresh)[0].weight, trained[0].weight)


def test_branches_are_scaled_down_by_the_root_of_their_number() -> None:
    problem, broken = case("residual-unscaled-40")
    remedy("init-matched:he").apply(broken)
    for block in problem.model.blocks:
        assert 128 * float(block.inner.weight.detach().var()) == pytest.approx(2.0, rel=0.1)
        assert 128 * float(block.outer.weight.detach().var()) == pytest.approx(1.0 / 40, rel=0.1)


@pytest.mark.parametrize(
    ("variant", "act", "why"),
    [
        ("he", "tanh", "Xavier"),
        ("xavier", "relu", "29 %"),
        ("edge-of-chaos", "relu", "edge of chaos"),
        ("lsuv", "sigmoid", "0.4 to 0.6"),
    ],
)
def test_each_variant_is_for_its_activations(variant: str, act: str, why: str) -> None:
    model = mlp(8, 16, 3, 4, act)
    found = training(model, (torch.randn(32, 8), torch.randint(0, 4, (32,))), nn.CrossEntropyLoss())
    assert why in (remedy(f"init-matched:{variant}").refusal(found) or "")


@pytest.mark.parametrize("name", ["converged-6x128-sgd", "finetuned-backbone"])
def test_what_was_learnt_is_never_drawn_anew(name: str) -> None:
    problem, learnt = case(name)
    kept = {key: value.clone() for key, value in problem.model.state_dict().items()}
    head = f"{len(problem.model) - 1}."
    body = [key for key in kept if not key.startswith(head)]
    for each in answering("init-matched"):
        if each.refusal(learnt) is None:
            each.apply(learnt)
    assert all(torch.equal(kept[key], problem.model.state_dict()[key]) for key in body)


def test_biases_of_last_layers_are_kept() -> None:
    torch.manual_seed(0)
    model = init_(mlp(8, 16, 3, 4), "he")
    nn.init.constant_(model[-1].bias, -4.6)  # focal loss: a prior of one per cent
    found = training(model, (torch.randn(32, 8), torch.randint(0, 4, (32,))), nn.CrossEntropyLoss())
    remedy("init-matched:he").apply(found)
    assert float(model[-1].bias.detach().max()) == pytest.approx(-4.6)
