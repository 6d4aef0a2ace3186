"""Replaced modules and redirected calls: what is matched, what stays, and that copies keep it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import cloudpickle
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import SourceLine
from headwater.remedies.rewrite import Calls, join, redirect, replace_modules


def relu_for_sigmoid(_path: str, module: nn.Module) -> nn.Module | None:
    return nn.ReLU() if isinstance(module, nn.Sigmoid) else None


class Shared(nn.Module):
    """One activation under three names."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Sigmoid()
        self.body = nn.Sequential(nn.Linear(3, 3), self.act, nn.Linear(3, 3), self.act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.body(x))


def test_what_was_shared_stays_shared() -> None:
    model = Shared()
    keys = list(model.state_dict())
    assert replace_modules(model, relu_for_sigmoid) == ("act",)
    assert isinstance(model.act, nn.ReLU)
    assert model.body[1] is model.act and model.body[3] is model.act
    assert list(model.state_dict()) == keys


def test_a_new_module_may_hold_the_old_one_and_is_not_asked_for_again() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    replaced = replace_modules(
        model, lambda path, module: nn.Sequential(module, nn.LayerNorm(4)) if path == "0" else None
    )
    assert replaced == ("0",)
    assert [type(module) for module in model[0]] == [nn.Linear, nn.LayerNorm]


def test_nothing_matched_is_an_error_and_so_is_the_model_itself() -> None:
    with pytest.raises(RemedyError, match="None of the 2 modules"):
        replace_modules(nn.Sequential(nn.Linear(3, 3)), relu_for_sigmoid)
    with pytest.raises(RemedyError, match="a script holds it"):
        replace_modules(nn.Sigmoid(), relu_for_sigmoid)


class Calling(nn.Module):
    """Three spellings of one function, on lines of their own, and one that stays."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(4, 4), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.layer(x))
        x = F.sigmoid(self.layer(x))
        x = self.layer(x).sigmoid()
        x = self.layer(x)
        x.sigmoid_()
        return torch.sigmoid(self.act(x))


FIRST = Calling.forward.__code__.co_firstlineno


def lines(*after: int) -> frozenset[SourceLine]:
    return frozenset(SourceLine(__file__, FIRST + line) for line in after)


def expected(model: Calling, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    for _ in range(4):
        x = function(model.layer(x))
    return torch.sigmoid(torch.sigmoid(x))


SIGMOID = frozenset(["sigmoid", "sigmoid_"])


def test_only_the_calls_from_these_lines_are_redirected_and_gradients_follow() -> None:
    torch.manual_seed(0)
    model, x = Calling().double(), torch.randn(5, 4, dtype=torch.float64)
    redirect(model, Calls(lines(1, 2, 3, 5), SIGMOID, torch.tanh))
    outputs, wanted = model(x), expected(model, x, torch.tanh)
    assert torch.equal(outputs, wanted)
    found, right = (torch.autograd.grad(y.sum(), model.layer.weight)[0] for y in (outputs, wanted))
    torch.testing.assert_close(found, right)


def test_a_module_that_is_called_on_a_line_is_no_call_of_the_function() -> None:
    model, x = Calling(), torch.randn(5, 4)
    before = model(x)
    redirect(model, Calls(lines(6), frozenset(["sigmoid_"]), torch.tanh))
    assert torch.equal(model(x), before)
    redirect(model, Calls(lines(6), SIGMOID, torch.neg))
    assert torch.equal(model(x), -model.act(expected_before_act(model, x)))


def test_it_is_one_where_modules_count_too() -> None:
    model, x = Calling(), torch.randn(5, 4)
    redirect(model, Calls(lines(6), SIGMOID, torch.neg, by_modules=True))
    assert torch.equal(model(x), expected_before_act(model, x))  # twice negated


def expected_before_act(model: Calling, x: Tensor) -> Tensor:
    for _ in range(4):
        x = torch.sigmoid(model.layer(x))
    return x


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: cloudpickle.loads(cloudpickle.dumps(model))])
def test_copies_keep_both_and_share_nothing(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    model, x = Calling(), torch.randn(5, 4)
    redirect(model, Calls(lines(1, 2), SIGMOID, torch.relu))
    redirect(model, Calls(lines(3), SIGMOID, torch.tanh))
    replace_modules(model, relu_for_sigmoid)
    twin = duplicate(model)
    assert torch.equal(twin(x), model(x))
    with torch.no_grad():
        twin.layer.weight.zero_()
        twin.layer.bias.fill_(-1.0)
    assert not torch.equal(twin(x), model(x))
    assert model.layer.weight.abs().sum() > 0


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adagrad])
def test_new_parameters_learn_with_their_neighbours(kind: type[torch.optim.Optimizer]) -> None:
    first, second, new = nn.Linear(3, 3), nn.Linear(3, 3), nn.Parameter(torch.ones(3))
    optimizer = kind([{"params": first.parameters(), "lr": 0.1}, {"params": second.parameters(), "lr": 0.2}])
    join(optimizer, [new], [second.weight])
    assert optimizer.param_groups[1]["params"][-1] is new
    (second(first(torch.ones(2, 3))) * new).sum().backward()
    optimizer.step()
    assert not torch.equal(new, torch.ones(3))
    with pytest.raises(RemedyError, match="holds none"):
        join(optimizer, [new], [nn.Parameter(torch.ones(1))])
