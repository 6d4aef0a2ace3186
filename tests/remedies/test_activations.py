"""Swapped activations: the right ones, in every style of code, live as in the source."""

from __future__ import annotations

import copy
import importlib.util
import textwrap
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import headwater
from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.problem import fit
from headwater.errors import RemedyError
from headwater.records import Change, SourceLine
from headwater.remedies import Training, remedy
from headwater.source import recording
from headwater.source.writing import Patch, patch
from tests.remedies.trainings import case, codes, diagnosed, executed, run, training

SWAP, LEAKY = "activation-swap", "leaky-activation"


@pytest.mark.parametrize("variant", ["relu", "leaky-relu", "gelu", "selu", "tanh"])
def test_a_stack_of_sigmoids_no_longer_vanishes_and_the_code_does_the_same(variant: str) -> None:
    problem, broken = case("sigmoid-8x64-sgd")
    assert "HW101" in codes(broken.findings)
    written, chosen = copy.deepcopy(problem.model), remedy(f"{SWAP}:{variant}")
    assert chosen.refusal(broken) is None
    torch.manual_seed(1)
    change = chosen.apply(broken)
    torch.manual_seed(1)
    executed(change, written)
    x = problem.batches[0][0]
    assert torch.equal(problem.model(x), written(x))
    assert len(change.places) == 8
    assert codes(diagnosed(problem)) == set()


@pytest.mark.parametrize("name", ["cnn-sigmoid-6x24-sgd", "mixer-sigmoid-no-skip"])
def test_other_architectures(name: str) -> None:
    problem, broken = case(name)
    torch.manual_seed(1)
    remedy(f"{SWAP}:relu").apply(broken)
    assert "HW101" not in codes(diagnosed(problem))


@pytest.mark.parametrize("variant", ["leaky-relu", "elu", "gelu"])
def test_dead_units_have_a_slope_again(variant: str) -> None:
    problem, broken = case("dead-relu6-top-3x256")
    assert "HW301" in codes(broken.findings)
    written = copy.deepcopy(problem.model)
    change = remedy(f"{LEAKY}:{variant}").apply(broken)
    x = problem.batches[0][0]
    assert torch.equal(problem.model(x), executed(change, written)(x))
    assert "HW301" not in codes(diagnosed(problem))


def test_no_dead_unit_no_leak() -> None:
    _, broken = case("dead-relu6-top-3x256")
    alive = tuple(replace(units, dead=0) for units in broken.measurement.units)
    broken.measurement = replace(broken.measurement, units=alive)
    assert "dead" in (remedy(f"{LEAKY}:elu").refusal(broken) or "")


STYLES = {
    "sequential": """
        def make():
            return nn.Sequential(*[m for _ in range(8) for m in (nn.Linear(9, 9), nn.Sigmoid())], nn.Linear(9, 3))
        """,
    "shared": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(9, 9) for _ in range(8))
                self.act = nn.Sigmoid()
                self.last = nn.Linear(9, 3)

            def forward(self, x):
                for layer in self.layers:
                    x = self.act(layer(x))
                return self.last(x)
        """,
    "function": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(9, 9) for _ in range(8))
                self.last = nn.Linear(9, 3)

            def forward(self, x):
                for layer in self.layers:
                    x = torch.sigmoid(layer(x))
                return self.last(x)
        """,
    "alias": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(9, 9) for _ in range(8))
                self.last = nn.Linear(9, 3)

            def forward(self, x):
                for layer in self.layers:
                    x = F.sigmoid(
                        layer(x),
                    )
                return self.last(x)
        """,
    "method": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(9, 9) for _ in range(8))
                self.last = nn.Linear(9, 3)

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x).sigmoid()
                return self.last(x)
        """,
    "own class": """
        class Squash(nn.Module):
            def forward(self, x):
                return torch.sigmoid(x)


        def make():
            return nn.Sequential(*[m for _ in range(8) for m in (nn.Linear(9, 9), Squash())], nn.Linear(9, 3))
        """,
}
HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n"
TAIL = "\n\ndef model():\n    net = {}()\n    return net\n"


def imported(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def file_of(style: str, folder: Path) -> Path:
    body = textwrap.dedent(STYLES[style]).strip()
    path = folder / "net.py"
    path.write_text(HEAD + body + TAIL.format("make" if "def make" in body else "Net"))
    return path


def broken_training(model: nn.Module) -> Training:
    torch.manual_seed(0)
    return training(model, (torch.randn(32, 9), torch.randint(0, 3, (32,))), nn.CrossEntropyLoss())


def computes_as_written(edited: Patch, change: Change, path: Path, live: nn.Module) -> bool:
    """Whether the edited file, drawn as the live model was, makes a model with the same outputs."""
    assert edited.not_written == () and len(edited.files) == 1
    path.write_text(edited.files[0].new)
    torch.manual_seed(0)
    written = imported(path).model()
    torch.manual_seed(1)
    run(change.code, written)
    x = torch.randn(5, 9)
    return torch.equal(written(x), live(x))


@pytest.mark.parametrize("style", STYLES)
def test_the_source_says_what_was_tried(style: str, tmp_path: Path) -> None:
    path = file_of(style, tmp_path)
    torch.manual_seed(0)
    with recording():
        model = imported(path).model()
    found = broken_training(model)
    assert len(found.measurement.layers) == 9 and {u.kind for u in found.measurement.units} == {"sigmoid"}
    torch.manual_seed(1)
    change = remedy(f"{SWAP}:gelu").apply(found)
    again = headwater.diagnose(found.model, (torch.randn(32, 9), torch.zeros(32).long()), nn.CrossEntropyLoss())
    assert {units.kind for units in again.measurement.units} == {"gelu"}

    edited = patch([Change(change.remedy, change.says, change.places, change.edits)], optimizer=None)
    assert computes_as_written(edited, change, path, found.model)


class Mixed(nn.Module):
    """Sigmoids as gate, output and hidden activation, as modules and as functions."""

    def __init__(self, share: bool) -> None:
        super().__init__()
        self.a, self.b, self.gate, self.last = (nn.Linear(9, 9) for _ in range(4))
        self.hidden = nn.Sigmoid()
        self.out = self.hidden if share else nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.hidden(self.a(x))
        x = x + torch.sigmoid(self.gate(x)) * self.b(x)
        x = torch.sigmoid(self.b(x))
        return self.out(self.last(x))


def mixed(share: bool) -> Training:
    torch.manual_seed(0)
    return training(Mixed(share), (torch.randn(16, 9), torch.rand(16, 9)), nn.MSELoss())


def test_gates_and_outputs_stay() -> None:
    found = mixed(share=False)
    change = remedy(f"{SWAP}:relu").apply(found)
    model: Any = found.model
    assert isinstance(model.hidden, nn.ReLU) and isinstance(model.out, nn.Sigmoid)
    assert "hidden" in change.places
    (call,) = [edit for edit in change.edits if edit.callee == "sigmoid"]
    assert call.at.line == Mixed.forward.__code__.co_firstlineno + 3
    x = torch.randn(4, 9)
    h = torch.relu(model.a(x))
    h = h + torch.sigmoid(model.gate(h)) * model.b(h)
    assert torch.equal(model(x), torch.sigmoid(model.last(torch.relu(model.b(h)))))


def test_what_serves_as_output_too_stays() -> None:
    found = mixed(share=True)
    change = remedy(f"{SWAP}:relu").apply(found)
    model: Any = found.model
    assert isinstance(model.hidden, nn.Sigmoid)
    assert "hidden" not in change.places


def test_in_a_loop_only_tanh_takes_the_place() -> None:
    _, broken = case("forum-sigmoid-elman")
    assert "explode" in (remedy(f"{SWAP}:relu").refusal(broken) or "")
    assert remedy(f"{SWAP}:tanh").refusal(broken) is None
    remedy(f"{SWAP}:tanh").apply(broken)
    assert isinstance(broken.model.act, nn.Tanh)


def test_a_trained_network_keeps_its_activations() -> None:
    problem = BY_NAME["tanh-default-5x64-adam"].build(0)
    fit(problem, 100)
    learnt = training(problem.model, problem.batches, problem.loss_fn)
    assert "trained" in (remedy(f"{SWAP}:relu").refusal(learnt) or "")


def test_nothing_to_swap_is_an_error() -> None:
    _, healthy = case("relu-default-4x100")
    assert remedy(f"{SWAP}:relu").refusal(healthy)
    with pytest.raises(RemedyError, match="No hidden activation"):
        remedy(f"{SWAP}:relu").apply(healthy)


def test_a_remedy_behind_a_swap_knows_of_it() -> None:
    problem, broken = case("sigmoid-8x64-sgd")
    for key in ("activation-swap:relu", "init-matched:orthogonal"):
        torch.manual_seed(1)
        remedy(key).apply(broken)
    hidden = problem.model[2].weight.detach()
    torch.testing.assert_close(hidden @ hidden.mT, 2 * torch.eye(64), rtol=0.0, atol=2e-3)
    assert codes(diagnosed(problem)) == set()


PARTLY = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 9)
        self.act, self.out = nn.{0}(), nn.{0}()

    def forward(self, x):
        x = self.act(self.a(x))
        x = torch.{1}(self.b(x))
        return self.out(self.c(x))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
"""


@pytest.mark.parametrize(
    ("kind", "function", "key"), [("Sigmoid", "sigmoid", f"{SWAP}:relu"), ("ReLU", "relu", f"{LEAKY}:leaky-relu")]
)
def test_a_line_that_builds_an_output_too_is_left_and_the_swap_is_written_whole(
    tmp_path: Path, kind: str, function: str, key: str
) -> None:
    path = tmp_path / "net.py"
    path.write_text(HEAD + PARTLY.format(kind, function))
    torch.manual_seed(0)
    with recording():
        made = imported(path)
    if kind == "ReLU":
        with torch.no_grad():
            made.net.a.bias.fill_(-30.0)  # dead
    found = training(made.net, (torch.randn(32, 9), torch.rand(32, 9)), nn.MSELoss(), optimizer=made.optimizer)
    assert remedy(key).refusal(found) is None
    change = remedy(key).apply(found)
    assert set(change.places) == {"act", function}
    at = next(number for number, line in enumerate(path.read_text().splitlines(), 1) if "SGD" in line)
    edited = patch([change], optimizer=SourceLine(str(path), at))
    assert edited.not_written == () and len(edited.files) == 1
    path.write_text(edited.files[0].new)
    written = imported(path).net
    written.load_state_dict(found.model.state_dict())
    x = torch.randn(5, 9)
    assert torch.equal(written(x), found.model(x))
    assert isinstance(written.out, getattr(nn, kind)) and not isinstance(written.act, getattr(nn, kind))


def pretrained(fresh_head: bool) -> Training:
    """A tanh body that has learnt, below a fresh head with a tanh of its own."""
    problem = BY_NAME["tanh-default-5x64-adam"].build(0)
    fit(problem, 100)
    width = problem.model[-1].out_features
    torch.manual_seed(0)
    head = [nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, width)] if fresh_head else []
    return training(nn.Sequential(*problem.model, *head), problem.batches, problem.loss_fn)


def test_below_a_fresh_head_a_trained_body_keeps_its_activations() -> None:
    learnt = pretrained(fresh_head=True)
    chosen, before = remedy(f"{SWAP}:relu"), copy.deepcopy(learnt.model)
    assert chosen.refusal(learnt) is None
    change = chosen.apply(learnt)
    last = str(len(learnt.model) - 2)  # type: ignore[arg-type]
    assert change.places == (last,)
    for name, module in learnt.model.named_children():
        assert isinstance(module, nn.ReLU) if name == last else type(module) is type(before.get_submodule(name))
    body = [name for name, _ in before.named_parameters() if int(name.split(".")[0]) < int(last) - 2]  # but for its top
    assert all(torch.equal(learnt.model.get_parameter(name), before.get_parameter(name)) for name in body)


@pytest.mark.parametrize("variant", ["leaky-relu", "elu", "gelu"])
def test_dead_units_of_a_trained_network_stay(variant: str) -> None:
    problem = BY_NAME["relu-default-4x100"].build(0)
    fit(problem, problem.train_steps)
    learnt = training(problem.model, problem.batches, problem.loss_fn)
    dead = tuple(replace(units, dead=3) for units in learnt.measurement.units)
    learnt.measurement = replace(learnt.measurement, units=dead)
    assert "trained" in (remedy(f"{LEAKY}:{variant}").refusal(learnt) or "")


class Listed(nn.Module):
    """Layers in a plain list, of which the model does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(9, 9) for _ in range(3)]
        self.act, self.last = nn.Sigmoid(), nn.Linear(9, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = self.act(layer(x))
        return self.last(x)


def test_layers_in_a_plain_list_get_other_activations_too() -> None:
    torch.manual_seed(0)
    found = broken_training(Listed())
    chosen = remedy(f"{SWAP}:relu")
    assert chosen.refusal(found) is None
    assert chosen.apply(found).places == ("act",)
    assert isinstance(found.model.act, nn.ReLU)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(9, 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.fc(x))


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(*(Block() for _ in range(8))), nn.Linear(9, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def test_functions_are_other_ones_where_a_script_calls_the_parts_of_a_model_too() -> None:
    found = broken_training(Parts())
    remedy(f"{SWAP}:tanh").apply(found)
    model: Any = copy.deepcopy(found.model)
    x = torch.randn(5, 9)
    assert torch.equal(model.head(model.body(x)), found.model(x)) and bool((model.body[0](x) < 0).any())
