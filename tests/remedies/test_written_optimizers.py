"""Optimizers as they are written: a patched file builds the groups that the live change left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch.optim import Optimizer

from headwater.records import Change, SourceLine
from headwater.remedies import Training, remedy
from headwater.source.writing import patch
from tests.builders import measurement

FILE = """\
import torch
from torch import nn
from torch.optim import *


def decayed(net, **more):
    return [
        {"params": [p for p in net.parameters() if p.ndim > 1], **more},
        {"params": [p for p in net.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
w = [p for p in net.parameters() if p.ndim > 1]
b = [p for p in net.parameters() if p.ndim < 2]
split = [{"params": w, "weight_decay": 5e-4}]
split.append(dict(params=b, weight_decay=0.0))
rated = [{"params": w, "lr": 0.1}, {"params": b, "lr": 0.1}]
told = {"params": 3, "lr": 0.5}
opt = OPTIMIZER
"""
DECAY = '[{"params": w, "weight_decay": 5e-4}, {"params": b, "weight_decay": 0}]'
RATES = '[{"params": w, "lr": 0.1}, {"params": b, "lr": 0.1}]'
BUILT = [
    f"SGD({DECAY}, lr=0.1)",
    f"SGD({DECAY}, lr=0.1, momentum=0.9)",
    f"torch.optim.SGD(params={DECAY}, lr=0.1, momentum=0.9)",
    "SGD([dict(params=w, weight_decay=5e-4), dict(params=b)], lr=0.1)",
    'SGD([{"params": w, "name": "w"}, {"params": b, "name": "b"}], lr=0.1, weight_decay=1e-3)',
    f"SGD({RATES}, lr=0.1)",
    'SGD([{"params": w, "lr": 0.1}, {"params": b}], lr=0.1)',
    'SGD([{"params": net.parameters(), "lr": 0.1}], lr=0.1)',
    'SGD([{"params": net.parameters(), "momentum": 0.9}], lr=0.1)',
    'SGD([{"params": [p], "lr": 0.1} for p in net.parameters()], lr=0.1)',
    "SGD(decayed(net, weight_decay=5e-4), lr=0.1)",
    "SGD(decayed(net, lr=0.1), lr=0.1)",
    "SGD(split, lr=0.1)",
    "SGD(rated, lr=0.1)",
    "SGD(list(rated), lr=0.1)",
    "SGD(net.parameters(), 0.1)",
    "torch.optim.SGD(net.parameters(), 0.1, weight_decay=1e-3)",
    'Adam([{"params": w, "lr": 1e-3}, {"params": b, "lr": 1e-3}])',
    'Adam([{"params": w, "weight_decay": 1e-2}, {"params": b}])',
    "Adam(net.parameters(), weight_decay=1e-2)",
    "RMSprop(net.parameters(), weight_decay=1e-2)",
    "torch.optim.RMSprop(net.parameters(), weight_decay=1e-2, momentum=0.5)",
    "Adamax(net.parameters(), weight_decay=1e-2)",
    "torch.optim.Adamax(net.parameters(), 3e-3, weight_decay=1e-2)",
    'RMSprop([{"params": w}, {"params": b}], weight_decay=1e-2)',
    'RMSprop([{"params": w}, {"params": b, "weight_decay": 0}], weight_decay=1e-2)',
]
OF_DESCENT = [
    *(f"adaptive-optimizer:{each}" for each in ("adam", "adam-1e-4", "adamw", "rmsprop", "adagrad")),
    *("raise-rate:tenfold adaptive-optimizer:rmsprop", "adaptive-optimizer:adamw lower-rate:tenth"),
]
OF_RATES = ["lower-rate:tenth", "raise-rate:tenfold"]
OF_DECAY = ["lower-decay:none", "lower-decay:none lower-rate:tenth"]


def keys(built: str) -> list[str]:
    """The remedies that apply to an optimizer, several of them in one text where they are applied together."""
    found = [*OF_RATES, *(OF_DECAY if "weight_decay" in built else [])]
    if "SGD" not in built:
        return [*found, *(["decoupled-decay", "decoupled-decay raise-rate:tenfold"] if "weight_decay" in built else [])]
    momentum = [] if "momentum" in built else ["momentum", "momentum:nesterov lower-rate:tenth"]
    return [*found, *OF_DESCENT, *momentum]


def executed(text: str) -> dict[str, Any]:
    """What a file leaves behind."""
    scope: dict[str, Any] = {"__name__": "train"}
    exec(compile(text, "train.py", "exec"), scope)
    return scope


def groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [group | {"params": [tuple(p.shape) for p in group["params"]]} for group in optimizer.param_groups]


def patched(folder: Path, built: str, remedies: str) -> tuple[str, Optimizer]:
    """The file after remedies, and the optimizer that they changed live."""
    file = folder / "train.py"
    file.write_text(FILE.replace("OPTIMIZER", built))
    begun = executed(file.read_text())
    here = SourceLine(str(file), FILE.splitlines().index("opt = OPTIMIZER") + 1)
    live = Training(begun["net"], begun["opt"], measurement(), (), 20, built=here)
    changes: list[Change] = []
    for key in remedies.split():
        assert remedy(key).refusal(live) is None
        changes.append(remedy(key).apply(live))
    written = patch(changes, optimizer=here)
    assert written.not_written == ()
    return written.files[0].new, live.optimizer


@pytest.mark.parametrize(("built", "remedies"), [(built, each) for built in BUILT for each in keys(built)])
def test_the_patched_file_builds_the_groups_that_were_tried(tmp_path: Path, built: str, remedies: str) -> None:
    text, live = patched(tmp_path, built, remedies)
    after = executed(text)["opt"]
    assert type(after) is type(live)
    assert groups(after) == groups(live)


@pytest.mark.parametrize(
    ("built", "remedies", "new"),
    [
        (f"SGD({DECAY}, lr=0.1)", "momentum", f"SGD({DECAY}, lr=0.1, momentum=0.9)"),
        (f"SGD({DECAY}, 0.1)", "raise-rate:tenfold", f"SGD({DECAY}, 1.0)"),
        ("SGD(net.parameters(), 0.1, 0.9)", "adaptive-optimizer:adam", "Adam(net.parameters(), lr=0.001)"),
        ('SGD([{"params": w}, {"params": b}], 0.1)', "lower-rate:tenth", 'SGD([{"params": w}, {"params": b}], 0.01)'),
        ("SGD(split, lr=0.1)", "raise-rate:tenfold", "SGD(split, lr=1.0)"),
        ("SGD(w + b, lr=0.1)", "raise-rate:tenfold", "SGD(w + b, lr=1.0)"),
        ("SGD(filter(id, net.parameters()), 0.1)", "momentum", "SGD(filter(id, net.parameters()), 0.1, momentum=0.9)"),
        (
            "RMSprop(net.parameters(), weight_decay=1e-2)",
            "decoupled-decay",
            "AdamW(net.parameters(), weight_decay=1e-2, lr=0.01)",
        ),
        (
            "RMSprop(net.parameters(), lr=float('1e-2'), weight_decay=1e-2)",
            "decoupled-decay",
            "AdamW(net.parameters(), lr=float('1e-2'), weight_decay=1e-2)",
        ),
    ],
)
def test_where_no_group_has_them_of_its_own_the_call_has_other_arguments(
    tmp_path: Path, built: str, remedies: str, new: str
) -> None:
    text, _ = patched(tmp_path, built, remedies)
    assert text == FILE.replace("OPTIMIZER", new)
