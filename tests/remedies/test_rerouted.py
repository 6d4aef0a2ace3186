"""Models that run under a mode: cuts of the graph mended, functions kept from the edge of where they are defined."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.remedies import remedy
from headwater.remedies.find_non_finite import Guarded
from headwater.remedies.plain import reroute
from headwater.remedies.reconnect import Connected
from headwater.source.writing import patch
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training, training

CASES = [
    ("reconnect", "detach-mlp", "HW601"),
    ("reconnect", "data-attribute-gru", "HW601"),
    ("reconnect", "no-grad-body-cnn", "HW601"),
    ("reconnect", "through-numpy-cnn", "HW601"),
    ("reconnect", "argmax-mlp", "HW601"),
    ("reconnect", "sign-mlp", "HW602"),
    ("reconnect", "round-cnn", "HW602"),
    ("reconnect", "floor-gru", "HW602"),
    ("reconnect", "dropout-of-everything", "HW602"),
    ("find-non-finite", "root-of-zero", "HW701"),
    ("find-non-finite", "norm-of-padding-token", "HW701"),
    ("find-non-finite", "deviation-over-time", "HW701"),
    ("find-non-finite", "attention-to-nothing", "HW701"),
]


@pytest.mark.parametrize(("key", "name", "code"), CASES)
def test_the_fault_is_no_longer_found_and_the_code_does_the_same(key: str, name: str, code: str) -> None:
    problem, broken = case(name)
    assert code in codes(broken.findings)
    assert remedy(key).refusal(broken) is None
    written = copy.deepcopy(problem.model)
    change = remedy(key).apply(broken)
    live = copy.deepcopy(problem.model)
    assert same_training(live, executed(change, written), problem)
    assert code not in codes(diagnosed(problem))


class Cut(nn.Module):
    def __init__(self, cut: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.cut = nn.Linear(3, 3), cut

    def forward(self, x: Tensor) -> Tensor:
        return self.cut(self.layer(x))


def copied(x: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch advises against it, for this very reason
        return torch.tensor(x)


def under_no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        return 1.0 * x


@pytest.mark.parametrize(
    "cut",
    [
        Tensor.detach,
        lambda x: x.data,
        torch.round,
        Tensor.floor,
        torch.ceil,
        torch.trunc,
        Tensor.sign,
        lambda x: torch.tensor(x.tolist()),
        copied,
        lambda x: torch.tensor(2 * x.detach().numpy()),
        lambda x: torch.as_tensor(x.detach().cpu().numpy()),
    ],
)
def test_values_stay_and_the_gradient_passes_as_through_the_identity(cut: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model, x = Cut(cut), torch.randn(5, 3)
    before = model(x)
    plain = copy.deepcopy(model.layer)
    reroute(model, Connected)
    out = model(x)
    torch.testing.assert_close(out, before)
    out.square().sum().backward()
    (2 * before.detach() * plain(x)).sum().backward()
    torch.testing.assert_close(model.layer.weight.grad, plain.weight.grad)


def test_what_is_chosen_by_its_score_has_the_gradient_of_the_scores() -> None:
    torch.manual_seed(0)
    model, x = Cut(lambda x: F.one_hot(x.argmax(-1), 3).float()), torch.randn(5, 3)
    before, plain = model(x), copy.deepcopy(model.layer)
    reroute(model, Connected)
    out = model(x)
    torch.testing.assert_close(out, before)
    weights = torch.randn(5, 3)
    (weights * out).sum().backward()
    (weights * plain(x).softmax(-1)).sum().backward()
    torch.testing.assert_close(model.layer.weight.grad, plain.weight.grad)


def test_a_number_of_the_same_shape_that_never_left_stays_a_number() -> None:
    model = Cut(lambda x: x * torch.tensor(0.5 if x.sum().item() < 1e9 else 2.0))
    plain, x = copy.deepcopy(model), torch.randn(5, 3)
    reroute(model, Connected)
    model(x).sum().backward()
    plain(x).sum().backward()
    torch.testing.assert_close(model.layer.weight.grad, plain.layer.weight.grad)


def test_an_evaluation_without_gradients_stays_one() -> None:
    model = Cut(under_no_grad)
    reroute(model, Connected)
    with torch.no_grad():
        assert not model(torch.randn(5, 3)).requires_grad
    assert torch.is_grad_enabled()
    assert model(torch.randn(5, 3)).requires_grad


def test_calls_of_detach_in_a_forward_method_fall_away_in_the_source(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 3)\n\n    def forward(self, x):\n"
        "        h = self.body(x).relu()\n        h = h.detach()\n        return self.head(h)\n"
    )
    scope: dict[str, type[nn.Module]] = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    torch.manual_seed(0)
    batch = (torch.randn(64, 4), torch.randint(0, 3, (64,)))
    change = remedy("reconnect").apply(training(scope["Net"](), [batch], F.cross_entropy))
    assert [(edit.at.line, edit.callee, edit.to) for edit in change.edits] == [(11, "detach", "")]
    written = patch([change], optimizer=None, factory=scope["Net"])
    assert written.files[0].new == file.read_text().replace("h.detach()", "h")


def test_a_cut_that_is_no_call_is_not_written_as_one() -> None:
    change = remedy("reconnect").apply(case("no-grad-body-cnn")[1])
    assert change.edits == () and change.code


@pytest.mark.parametrize(
    ("function", "at", "slope"),
    [
        (torch.sqrt, 0.0, 0.0),
        (torch.sqrt, 4.0, 0.25),
        (torch.rsqrt, 0.0, 0.0),
        (torch.log, 0.0, 0.0),
        (torch.log, 0.5, 2.0),
        (lambda x: x**0.5, 0.0, 0.0),
        (lambda x: x**2, 0.0, 0.0),
        (lambda x: x**3.0, 2.0, 12.0),
        (torch.acos, 1.0, 0.0),
        (torch.asin, -1.0, 0.0),
        (torch.acos, 0.0, -1.0),
        (torch.exp, 1.0, math.e),
    ],
)
def test_slopes_are_finite_at_the_edge_and_unchanged_elsewhere(
    function: Callable[[Tensor], Tensor], at: float, slope: float
) -> None:
    class Applies(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    model, x = Applies(), torch.tensor([at], requires_grad=True)
    reroute(model, Guarded)
    out = model(x)
    assert torch.isfinite(out).all()
    if slope:
        assert torch.equal(out, function(x))
    out.backward()
    assert x.grad is not None and float(x.grad) == pytest.approx(slope)


def test_a_row_without_a_key_is_even_and_others_are_as_before() -> None:
    class Attends(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.softmax(-1)

    model = Attends()
    reroute(model, Guarded)
    rows = torch.tensor([[-math.inf] * 4, [0.0, 1.0, -math.inf, 2.0]], requires_grad=True)
    out = model(rows)
    assert out[0].tolist() == [0.25] * 4
    assert torch.equal(out[1], rows[1].softmax(-1))
    out[:, 0].sum().backward()
    assert rows.grad is not None and torch.isfinite(rows.grad).all()


def test_other_findings_are_left() -> None:
    _, fine = case("two-heads")
    assert "connected" in (remedy("reconnect").refusal(fine) or "")
    assert "finite" in (remedy("find-non-finite").refusal(fine) or "")
    _, overflow = case("exponential-overflows")
    assert remedy("find-non-finite").refusal(overflow) is not None


def test_where_it_stands_in_the_loss_the_loss_is_guarded() -> None:
    """Zero times the logarithm of zero, in a step of the user's own."""
    problem, broken = case("entropy-of-zero")
    guard = remedy("find-non-finite:loss")
    assert "no function" in (guard.refusal(broken) or "")  # as in a script
    broken.step = problem.step
    assert guard.refusal(broken) is None
    change = guard.apply(broken)
    assert change.by_hand.endswith("compute the loss under it: step = Guarded(step)")
    written = patch([change], optimizer=None, factory=lambda: problem.model)
    assert not written.diff and written.not_written  # nobody but the user knows where the loss is computed
    made: dict[str, Any] = {"step": problem.step}
    exec(written.snippet, made)
    losses: list[Tensor] = []
    for step in (broken.step, made["step"]):
        model = copy.deepcopy(problem.model)
        losses.append(step(model, problem.batches[0]))
        losses[-1].backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    assert torch.equal(*losses)
    assert "HW701" not in codes(diagnosed(replace(problem, step=broken.step)))
