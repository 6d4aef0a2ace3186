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


def test_a_wrapper_is_named_with_the_way_into_it() -> None:
    net, other = nn.Linear(2, 2), nn.Linear(2, 2)
    compiled = torch.compile(net, backend="eager")
    both = nn.DataParallel(compiled)
    assert both.module is compiled
    assert names_of(net, here())[called(here())] == {
        "net": "net",
        "compiled": "compiled._orig_mod",
        "both": "both.module._orig_mod",
    }
    assert names_of(other, here())[called(here())] == {"other": "other"}


def test_attributes_of_plain_objects_are_named_and_properties_are_not_asked() -> None:
    class Agent:
        def __init__(self) -> None:
            self.actor = nn.Linear(2, 2)

        @property
        def model(self) -> Any:
            raise AssertionError("nobody asked for it")

    agent = Agent()
    run = SimpleNamespace(agent=agent, deep=SimpleNamespace(deeper=SimpleNamespace(actor=agent.actor)))
    assert names_of(agent.actor, here())[called(here())] == {
        "agent.actor": "agent.actor",
        "run.agent.actor": "run.agent.actor",
    }
    assert run.deep.deeper.actor is agent.actor  # deeper than anybody writes


def test_each_function_has_names_of_its_own() -> None:
    def build(model: nn.Module) -> dict[str, dict[str, str]]:
        return names_of(model, here())

    net = nn.Linear(2, 2)
    names = build(net)
    assert names["build"] == {"model": "model"}
    assert names[called(here())]["net"] == "net" and "model" not in names[called(here())]
