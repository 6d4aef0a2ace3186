"""What a model is called where its optimizer is built, bare and in what libraries wrap around it."""

from __future__ import annotations

import sys
from types import FrameType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from headwater.script_trial.naming import names_of


def here() -> FrameType:
    return sys._getframe(1)


def called(frame: FrameType) -> str:
    return frame.f_code.co_name


def seen(model: nn.Module, frame: FrameType) -> dict[str, str]:
    """What reaches it in a frame."""
    return {name: written for name, written in names_of(model, frame)[called(frame)].items() if written}


def test_a_wrapper_is_named_with_the_way_into_it() -> None:
    net, other = nn.Linear(2, 2), nn.Linear(2, 2)
    compiled = torch.compile(net, backend="eager")
    both = nn.DataParallel(compiled)
    assert both.module is compiled
    assert seen(net, here()) == {
        "net": "net",
        "compiled": "compiled._orig_mod",
        "both": "both.module._orig_mod",
    }
    assert seen(other, here()) == {"other": "other"}


def test_attributes_of_plain_objects_are_named_and_properties_are_not_asked() -> None:
    class Agent:
        def __init__(self) -> None:
            self.actor = nn.Linear(2, 2)

        @property
        def model(self) -> Any:
            raise AssertionError("nobody asked for it")

    agent = Agent()
    run = SimpleNamespace(agent=agent, deep=SimpleNamespace(deeper=SimpleNamespace(actor=agent.actor)))
    names = seen(agent.actor, here())
    assert names == {"agent.actor": "agent.actor", "run.agent.actor": "run.agent.actor"}
    assert run.deep.deeper.actor is agent.actor  # deeper than anybody writes


def test_each_function_has_names_of_its_own() -> None:
    def build(model: nn.Module) -> dict[str, dict[str, str]]:
        return names_of(model, here())

    net, number = nn.Linear(2, 2), 3
    names = build(net)
    assert names["build"]["model"] == "model" and not names["build"]["here"]
    inside = names[called(here())]
    assert inside["net"] == "net" and "model" not in inside and inside["number"] == "" and number


def test_objects_that_raise_when_they_are_asked_are_passed_over() -> None:
    class Odd(nn.Module):
        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

    class Odder:
        @property
        def __dict__(self) -> Any:
            raise RuntimeError("no")

    odd, odder, net = Odd.__new__(Odd), Odder(), nn.Linear(2, 2)
    assert seen(net, here()) == {"net": "net"} and [odd, odder]


def test_of_two_functions_of_one_name_the_inner_one_tells() -> None:
    class Inner:
        def __init__(self, net: nn.Module) -> None:
            self.names = names_of(net, here())

    class Outer:
        def __init__(self, whole: nn.Module) -> None:
            net = nn.Identity()
            self.inner, self.net = Inner(whole), net

    names = Outer(nn.Linear(2, 2)).inner.names["__init__"]
    assert (names["net"], names["whole"], names["self"]) == ("net", "whole", "")
