"""Which weights look like a draw: every draw of PyTorch's and its faults, against what training leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.problem import fit
from headwater.records import UnitsRecord
from headwater.remedies import Training
from headwater.remedies.fresh import begun, drawable, looks_trained
from tests.builders import layer, measurement
from tests.remedies.trainings import training

DRAWS: dict[str, Callable[[Tensor], object]] = {
    "default": lambda w: nn.init.kaiming_uniform_(w, a=5**0.5),
    "he": nn.init.kaiming_normal_,
    "xavier": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "truncated": lambda w: nn.init.trunc_normal_(w, std=0.02),
    "large": nn.init.normal_,
    "of one sign": lambda w: nn.init.uniform_(w, -0.1, 0.0),
    "one constant": lambda w: nn.init.constant_(w, 0.02),
    "zero": nn.init.zeros_,
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shape", [(16, 16), (64, 8), (10, 200), (256, 256), (8, 1, 3, 3), (32, 32, 3, 3)])
def test_every_draw_is_fresh(draw: str, shape: tuple[int, ...]) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        weight = torch.empty(shape)
        DRAWS[draw](weight)
        assert not looks_trained(weight, torch.zeros(shape[0]))


def test_default_biases_are_fresh_and_shifted_ones_too() -> None:
    for seed in range(300):
        torch.manual_seed(seed)
        made = nn.Linear(int(torch.randint(1, 200, ())), int(torch.randint(2, 200, ())))
        assert not looks_trained(made.weight, made.bias)
        assert not looks_trained(made.weight, made.bias - 20.0)


@pytest.mark.parametrize("name", ["relu-default-4x100", "selu-30x128", "cnn-relu-default-3", "batch-8"])
def test_a_short_training_leaves_its_mark_on_all_layers_but_one_at_most(name: str) -> None:
    problem = BY_NAME[name].build(0)
    layers = [m for m in problem.model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert not any(looks_trained(each.weight, each.bias) for each in layers)
    fit(problem, problem.train_steps)
    assert sum(looks_trained(each.weight, each.bias) for each in layers) >= len(layers) - 1


def test_what_is_special_is_left() -> None:
    torch.manual_seed(0)
    names = ["plain", "frozen", "tied", "gate", "zero"]
    model = nn.ModuleDict({name: nn.Linear(9, 9) for name in names})
    model["embedding"] = nn.Embedding(9, 9)
    model["embedding"].weight = model["tied"].weight
    model["frozen"].weight.requires_grad_(False)
    layers = [layer(name, depth, zero_initialised=name == "zero") for depth, name in enumerate(names, 1)]
    gate = UnitsRecord("sigmoid", "sigmoid", "gate", 9, 99, 0, 0, 0.9, "gate", layers=("gate",))
    found = Training(model, torch.optim.SGD(model.parameters(), 1.0), measurement(layers, units=(gate,)), (), 1)
    assert list(drawable(found)) == ["plain"]


def test_a_loop_over_time_is_left() -> None:
    problem = BY_NAME["forum-sigmoid-elman"].build(0)
    found = training(problem.model, problem.batches, problem.loss_fn)
    assert list(drawable(found)) == ["answer"]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.Adagrad])
def test_a_training_has_begun_once_a_step_was_taken(kind: type[torch.optim.Optimizer]) -> None:
    model = nn.Linear(3, 3)
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    found = Training(model, kind(model.parameters(), lr=0.1, **options), measurement(), (), 1)
    assert begun(found) is None
    model(torch.ones(1, 3)).sum().backward()
    found.optimizer.step()
    assert "steps" in (begun(found) or "")


def test_a_normalisation_that_has_seen_data_belongs_to_a_training() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    found = Training(model, torch.optim.SGD(model.parameters(), lr=0.1), measurement(), (), 1)
    assert begun(found) is None
    model(torch.randn(4, 3))
    assert "normalisation" in (begun(found) or "")
