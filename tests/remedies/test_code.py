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
        (["relu"], 'name == "relu"'),
        ([*map(str, range(30)), "own"], None),
        ([*map(str, range(30))], 'isinstance(module, torch.nn.Linear) and name != "own"'),
        ([*map(str, range(29))], 'isinstance(module, torch.nn.Linear) and name not in ("29", "own")'),
        ([*map(str, range(30)), "conv"], 'isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and name != "own"'),
    ],
)
def test_the_shorter_condition_that_holds_for_these_only(names: list[str], short: str | None) -> None:
    condition = picked(MODULES, names, "module")
    chosen = [name for name, module in MODULES.items() if eval(condition, {"torch": torch}, locals())]
    assert chosen == [name for name in MODULES if name in names]
    assert short is None or condition == short
    assert max(map(len, condition.splitlines())) <= 120
