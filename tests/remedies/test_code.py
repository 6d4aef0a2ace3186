"""Conditions that pick modules, against the modules that they were asked for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.remedies.code import picked


class Own(nn.Linear):
    pass


MODULES: dict[str, nn.Module] = {f"{i}": nn.Linear(2, 2) for i in range(30)} | {
    "conv": nn.Conv2d(1, 1, 1),
    "relu": nn.ReLU(),
    "own": Own(2, 2),
}


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["0"], 'name == "0"'),
        (["relu"], "isinstance(module, torch.nn.ReLU)"),
        (["relu", "conv"], "isinstance(module, (torch.nn.Conv2d, torch.nn.ReLU))"),
        ([*map(str, range(30)), "own"], None),
        ([*map(str, range(30))], 'isinstance(module, torch.nn.Linear) and name != "own"'),
        ([*map(str, range(29))], 'isinstance(module, torch.nn.Linear) and name not in ("29", "own")'),
        ([*map(str, range(30)), "conv"], 'isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and name != "own"'),
    ],
)
def test_the_condition_is_by_class_where_that_tells_them_apart(names: list[str], short: str | None) -> None:
    condition = picked(MODULES, names, "module")
    chosen = [name for name, module in MODULES.items() if eval(condition, {"torch": torch}, locals())]
    assert chosen == [name for name in MODULES if name in names]
    assert short is None or condition == short
    assert max(map(len, condition.splitlines())) <= 120


def test_few_exceptions_are_named_rather_than_few_modules() -> None:
    modules = {"0": nn.Linear(2, 2), "2": nn.Linear(2, 2), "head": nn.Linear(2, 2)}
    assert picked(modules, ["0", "2"], "layer") == 'isinstance(layer, torch.nn.Linear) and name != "head"'
    assert picked(modules, ["head"], "layer") == 'name == "head"'
