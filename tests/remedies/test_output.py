"""Operations that make the output: taken away, exchanged, and left where they are meant."""

from __future__ import annotations

import copy
import inspect
import linecache
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.problem import Problem, fit
from headwater.records import ReplaceCall, SourceLine
from headwater.remedies import Training, remedy
from headwater.source import recording
from headwater.source.writing import patch
from tests.remedies.trainings import case, codes, diagnosed, executed, training


class Net(nn.Module):
    """A layer, and an output as its author wrote it."""

    def __init__(self, end: Callable[[Tensor], Tensor], outputs: int = 3) -> None:
        super().__init__()
        self.layer, self.end = nn.Linear(4, outputs), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.layer(x))


def softmax_method(x: Tensor) -> Tensor:
    return x.softmax(-1)


def softmax_functional(x: Tensor) -> Tensor:
    return F.softmax(x, dim=1)


def softmax_keyword(x: Tensor) -> Tensor:
    return torch.softmax(input=x, dim=1)


def relu_in_place(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


def line_of(function: Callable[..., Any]) -> SourceLine:
    """The one line of its body."""
    return SourceLine(__file__, inspect.getsourcelines(function)[1] + 1)


X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
CLASSES, BITS, REALS = X[:, :3].argmax(1), (X[:, :1] > 0).float(), 5 + 3 * X[:, :1]
LOSSES = {
    "cross-entropy": (F.cross_entropy, CLASSES, 3),
    "bce-with-logits": (F.binary_cross_entropy_with_logits, BITS, 1),
    "squared": (F.mse_loss, REALS, 1),
    "nll": (F.nll_loss, CLASSES, 3),
    "bce": (F.binary_cross_entropy, BITS, 1),
}


def prepared(end: Callable[[Tensor], Tensor], loss: str) -> Training:
    torch.manual_seed(0)
    loss_fn, targets, outputs = LOSSES[loss]
    return training(Net(end, outputs), [(X, targets)], loss_fn)


FUNCTIONS: list[tuple[str, Callable[[Tensor], Tensor], str, str]] = [
    ("remove-softmax", softmax_method, "cross-entropy", "softmax"),
    ("remove-softmax", softmax_functional, "cross-entropy", "softmax"),
    ("remove-softmax", softmax_keyword, "cross-entropy", "softmax"),
    ("remove-output-activation", relu_in_place, "squared", "relu"),
]


@pytest.mark.parametrize(("key", "end", "loss", "callee"), FUNCTIONS)
def test_a_call_gives_way_to_what_it_is_applied_to(key: str, end: Callable[..., Any], loss: str, callee: str) -> None:
    found = prepared(end, loss)
    layer = copy.deepcopy(found.model.layer)
    change = remedy(key).apply(found)
    assert torch.equal(found.model(X), layer(X))
    assert change.edits == (ReplaceCall(line_of(end), callee, ""),)
    assert torch.equal(copy.deepcopy(found.model)(X), layer(X))  # copies are changed too


MODULES = [
    ("remove-softmax", nn.Softmax(dim=1), "cross-entropy", "torch.nn.Identity", {}),
    ("remove-softmax", nn.Sigmoid(), "bce-with-logits", "torch.nn.Identity", {}),
    ("remove-output-activation", nn.ReLU(), "squared", "torch.nn.Identity", {}),
    ("remove-output-activation", nn.Tanh(), "squared", "torch.nn.Identity", {}),
    ("match-loss:log-softmax", nn.Softmax(dim=-1), "nll", "torch.nn.LogSoftmax", {"dim": "1"}),
    ("match-loss:log-softmax", nn.Sigmoid(), "nll", "torch.nn.LogSoftmax", {"dim": "1"}),
    ("match-loss:sigmoid", nn.Softmax(dim=1), "bce", "torch.nn.Sigmoid", {}),
]


@pytest.mark.parametrize(("key", "end", "loss", "to", "arguments"), MODULES)
def test_a_module_is_exchanged_and_the_code_does_the_same(
    key: str, end: nn.Module, loss: str, to: str, arguments: dict[str, str]
) -> None:
    torch.manual_seed(0)
    loss_fn, targets, outputs = LOSSES[loss]
    with recording():
        end = type(end)(end.dim) if isinstance(end, nn.Softmax) else type(end)()
        here = SourceLine(__file__, inspect.currentframe().f_lineno - 1)  # type: ignore[union-attr]
    model = nn.Sequential(nn.Linear(4, outputs), end)
    found, written = training(model, [(X, targets)], loss_fn), copy.deepcopy(model)
    change = remedy(key).apply(found)
    assert change.places == ("1",)
    assert change.edits == (ReplaceCall(here, type(end).__name__, to, (), arguments),)
    assert type(model[1]) is type(executed(change, written)[1])
    assert torch.equal(model(X), written(X))
    expected = {"Identity": lambda x: x, "LogSoftmax": lambda x: x.log_softmax(1), "Sigmoid": torch.sigmoid}
    assert torch.equal(model(X), expected[to.rpartition(".")[2]](model[0](X)))


CASES = [
    ("double-softmax-mlp", "remove-softmax"),
    ("double-softmax-cnn", "remove-softmax"),
    ("double-softmax-transformer", "remove-softmax"),
    ("sigmoid-before-bce-with-logits", "remove-softmax"),
    ("relu-on-regression-output", "remove-output-activation"),
    ("sigmoid-on-regression-output", "remove-output-activation"),
    ("nll-on-raw-logits", "match-loss:log-softmax"),
    ("nll-on-probabilities-gru", "match-loss:log-softmax"),
    ("one-unit-softmax", "match-loss:sigmoid"),
    ("one-unit-softmax-cnn", "match-loss:sigmoid"),
]


def losses(problem: Problem, steps: int = 4) -> list[float]:
    found: list[float] = []
    fit(problem, steps, lambda _, loss: found.append(loss))
    return found


@pytest.mark.parametrize(("name", "key"), CASES)
def test_a_changed_network_trains_as_its_twin_that_was_written_right(name: str, key: str) -> None:
    problem, broken = case(name)
    assert "HW603" in codes(broken.findings)
    assert remedy(key).refusal(broken) is None
    remedy(key).apply(broken)
    assert "HW603" not in codes(diagnosed(problem))
    assert losses(problem) == losses(BY_NAME[BY_NAME[name].twin or ""].build(0))


@pytest.mark.parametrize("name", ["double-softmax-mlp", "double-softmax-cnn"])
def test_where_the_line_cannot_be_changed_the_logarithm_trains_alike(name: str) -> None:
    problem, broken = case(name)
    written = Problem(copy.deepcopy(problem.model), *list(vars(problem).values())[1:])
    change = remedy("remove-softmax").apply(broken)
    executed(change, written.model)
    assert losses(written) == pytest.approx(losses(problem), rel=1e-5)


def hand_written(outputs: Tensor, targets: Tensor) -> Tensor:
    """A focal loss: its own sigmoid is no fault of the network."""
    p = torch.sigmoid(outputs)
    return -((1 - p) ** 2 * targets * p.log() + p**2 * (1 - targets) * (1 - p).log()).mean()


LEFT = [
    ("remove-softmax", softmax_method, "nll", "does not apply"),
    ("remove-softmax", nn.Identity(), "cross-entropy", "no softmax"),
    ("remove-output-activation", torch.sigmoid, "bce", "no target"),
    ("remove-output-activation", nn.Softplus(), "squared", "no activation"),
    ("match-loss:sigmoid", softmax_method, "cross-entropy", "no softmax over one unit"),
    ("match-loss:log-softmax", nn.LogSoftmax(1), "nll", "gets log-probabilities"),
    ("match-loss:log-softmax", nn.Identity(), "cross-entropy", "log-probabilities"),
    ("match-loss:log-softmax", nn.Identity(), "squared", "no negative log-likelihood"),
]


@pytest.mark.parametrize(("key", "end", "loss", "why"), LEFT)
def test_what_is_meant_is_left(key: str, end: Callable[..., Any], loss: str, why: str) -> None:
    assert why in (remedy(key).refusal(prepared(end, loss)) or "")


def test_operations_of_the_loss_are_left() -> None:
    torch.manual_seed(0)
    found = training(nn.Linear(4, 1), [(X, BITS)], hand_written)
    assert any(op.kind == "Sigmoid" for op in found.measurement.head.ops)
    for key in ("remove-softmax", "remove-output-activation"):
        assert "output" in (remedy(key).refusal(found) or "")


class Shared(nn.Module):
    """One activation for all layers, the output's too."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.one, self.two, self.relu = nn.Linear(4, 8), nn.Linear(8, 1), nn.ReLU(inplace)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.one(x))
        return self.relu(self.two(x))


@pytest.mark.parametrize("inplace", [False, True])
def test_a_module_of_hidden_layers_is_left_out_at_the_line_of_the_output(inplace: bool) -> None:
    torch.manual_seed(0)
    model = Shared(inplace)
    change = remedy("remove-output-activation").apply(training(model, [(X, REALS - 9)], F.mse_loss))
    assert torch.equal(model(X), model.two(model.one(X).relu()))
    last = inspect.getsourcelines(Shared.forward)[1] + 2
    assert change.edits == (ReplaceCall(SourceLine(__file__, last), "relu", ""),)


def test_in_a_sequence_a_module_of_hidden_layers_has_no_line_of_its_own() -> None:
    torch.manual_seed(0)
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 8), relu, nn.Linear(8, 1), relu)
    found = training(model, [(X, REALS - 9)], F.mse_loss)
    assert "is not known" in (remedy("remove-output-activation").refusal(found) or "")


def test_a_call_that_serves_hidden_layers_is_left() -> None:
    torch.manual_seed(0)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.two(torch.relu(self.one(x))))

    found = training(Twice(), [(X, REALS - 9)], F.mse_loss)
    assert "for hidden layers as well" in (remedy("remove-output-activation").refusal(found) or "")


def test_a_line_that_builds_hidden_activations_is_not_rewritten() -> None:
    torch.manual_seed(0)
    with recording():
        model = nn.Sequential(*(each for i in (8, 1) for each in (nn.LazyLinear(i), nn.Tanh())))
    model(X)
    change = remedy("remove-output-activation").apply(training(model, [(X, REALS)], F.mse_loss))
    assert change.edits == () and change.instead.before == "{model}.set_submodule('3', nn.Identity())"
    assert [type(each) for each in model] == [nn.Linear, nn.Tanh, nn.Linear, nn.Identity]


SCRIPT = """
import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 16)
        self.answer = nn.Linear(16, OUTPUTS)
        self.end = END

    def forward(self, x):
        x = torch.tanh(self.hidden(x))
        x = self.answer(x)
        return CALL


def make():
    torch.manual_seed(0)
    return Net()
"""


@pytest.mark.parametrize(
    ("key", "loss", "end", "call", "right"),
    [
        ("remove-softmax", "cross-entropy", "None", "F.softmax(x, dim=1)", "x"),
        ("remove-softmax", "cross-entropy", "None", "x.softmax(-1)", "x"),
        ("remove-softmax", "cross-entropy", "nn.Softmax(dim=1)", "self.end(x)", "x"),
        ("remove-softmax", "bce-with-logits", "None", "torch.sigmoid(x)", "x"),
        ("remove-output-activation", "squared", "nn.ReLU()", "self.end(x)", "x"),
        ("remove-output-activation", "squared", "nn.Tanh(); self.tanh = self.end", "self.end(x)", "x"),
        ("match-loss:sigmoid", "bce", "nn.Softmax(1)", "self.end(x)", "x.sigmoid()"),
        ("match-loss:sigmoid", "bce", "None", "torch.softmax(x, 1)", "x.sigmoid()"),
        ("match-loss:log-softmax", "nll", "nn.Softmax(-1)", "self.end(x)", "x.log_softmax(1)"),
        ("match-loss:log-softmax", "nll", "None", "x", "x.log_softmax(1)"),
    ],
)
def test_the_diff_of_a_file_does_what_was_tried(
    tmp_path: Path, key: str, loss: str, end: str, call: str, right: str
) -> None:
    loss_fn, targets, outputs = LOSSES[loss]
    file = tmp_path / f"{key}-{loss}-net.py"
    file.write_text(SCRIPT.replace("OUTPUTS", str(outputs)).replace("END", end).replace("CALL", call))
    module = loaded(file)
    found = training(module.make(), [(X, targets)], loss_fn)
    assert remedy(key).refusal(found) is None
    written = patch([remedy(key).apply(found)], optimizer=None, factory=module.make)
    assert written.not_written == ()
    file.write_text(written.files[0].new)
    assert torch.equal(found.model(X), loaded(file).make()(X))
    file.write_text(SCRIPT.replace("OUTPUTS", str(outputs)).replace("END", end).replace("CALL", right))
    assert torch.equal(found.model(X), loaded(file).make()(X))


def loaded(file: Path) -> Any:
    scope: dict[str, Any] = {"__name__": "net", "__file__": str(file)}
    linecache.checkcache(str(file))
    exec(compile(file.read_text(), str(file), "exec"), scope)
    return SimpleNamespace(**scope)


def test_an_attention_keeps_its_softmax() -> None:
    """A call on another line, of the same function, goes on as it was."""
    torch.manual_seed(0)

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            weights = (x @ x.T).softmax(-1)
            return self.layer(weights @ x).softmax(-1)

    model = Attending()
    expected = model.layer((X @ X.T).softmax(-1) @ X)
    found = training(model, [(X, X.argmax(1))], F.cross_entropy)
    remedy("remove-softmax").apply(found)
    torch.testing.assert_close(model(X), expected)
