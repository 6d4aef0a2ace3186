"""Optimizers are told once, when they are complete, with the user's line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from headwater.script_trial.construction import on_built


@pytest.fixture
def told() -> Iterator[list[SimpleNamespace]]:
    found: list[SimpleNamespace] = []
    before = {kind: kind.__init__ for kind in (Optimizer, SGD, Adam, AdamW)}
    end = on_built(lambda it, line, _: found.append(SimpleNamespace(it=it, line=line, state=dict(vars(it)))))
    yield found
    end()
    assert {kind: kind.__init__ for kind in before} == before and "__init_subclass__" not in vars(Optimizer)


def weights() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(2))]


def test_each_is_told_once_with_its_line(told: list[SimpleNamespace]) -> None:
    first, second = SGD(weights(), lr=0.1), AdamW(weights())  # AdamW's own __init__ calls Adam's
    assert [each.it for each in told] == [first, second]
    assert {each.line.file for each in told} == {__file__}
    assert told[0].line.line == test_each_is_told_once_with_its_line.__code__.co_firstlineno + 1


def test_a_class_that_is_defined_later_is_told_when_its_own_init_is_through(told: list[SimpleNamespace]) -> None:
    class Mine(SGD):
        def __init__(self, parameters: list[nn.Parameter]) -> None:
            super().__init__(parameters, lr=0.1)
            self.mine = 1

    class Plain(Adam):
        pass

    made = [Mine(weights()), Plain(weights())]
    assert [each.it for each in told] == made and told[0].state["mine"] == 1
    assert told[0].line.line == told[1].line.line


def test_one_that_becomes_another_in_place_is_not_told_again(told: list[SimpleNamespace]) -> None:
    optimizer = SGD(weights(), lr=0.1)
    groups = optimizer.param_groups
    optimizer.__class__ = Adam
    Adam.__init__(optimizer, [{"params": group["params"]} for group in groups], lr=0.1)  # type: ignore[misc,arg-type]
    optimizer.step()
    assert len(told) == 1 and told[0].it is optimizer


def test_what_only_wraps_an_optimizer_is_none(told: list[SimpleNamespace]) -> None:
    class Wrapper(Optimizer):
        def __init__(self, inside: Optimizer) -> None:
            self.inside = inside

    inside = SGD(weights(), lr=0.1)
    Wrapper(inside)
    assert [each.it for each in told] == [inside]


def test_one_that_a_library_builds_has_no_line(told: list[SimpleNamespace]) -> None:
    made = {"SGD": SGD, "weights": weights}
    file = f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/library.py"
    exec(compile("SGD(weights(), lr=0.1)", file, "exec"), made)
    assert len(told) == 1 and told[0].line is None


def test_one_that_fails_is_not_told(told: list[SimpleNamespace]) -> None:
    with pytest.raises(ValueError, match="empty parameter list"):
        SGD([], lr=0.1)
    assert not told
