"""Code of remedies in a user's file: it stands before the optimizer, and does there what it did live."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.records import AttentionRecord, Finding, SourceLine, Where
from headwater.remedies import Training, remedy
from headwater.source.writing import patch
from tests.remedies.trainings import training

FILE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.norm, self.answer = nn.LayerNorm(1), nn.Linear(6, 1)

    def forward(self, x):
        weights = (self.query(x) @ self.key(x).mT).softmax(-1)
        return self.answer(weights @ x).mean(1)


def main():
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return net


model = main()
"""
OPTIMIZER = next(i for i, line in enumerate(FILE.splitlines(), 1) if "SGD" in line)
X = 20 + 30 * torch.randn(16, 8, 6, generator=torch.Generator().manual_seed(1))
TARGETS = 5e3 + 900 * X[:, 0, :1]


def at_hand(found: Training, code: str) -> Training:
    """The training with a finding on its attention, which short trainings do not always show."""
    where = Where("", ("",))
    record = AttentionRecord("", None, 8, 8, 0.1, 0.1, 0.9, 0.9, 0.5, 1.0, 1.0, 1.0, 1.0, heads=1)
    finding = Finding(
        code, "", "error", where, "", "", evidence={"place": "Sqrt"}, remedies=("reconnect", "normalise-elsewhere")
    )
    head = replace(found.measurement.head, ops=())
    measurement = replace(found.measurement, attention=(record,), head=head)
    return replace(found, findings=(finding,), measurement=measurement)


REMEDIES: list[tuple[str, str | None, Callable[[Tensor], Tensor]]] = [
    ("standardise-inputs", None, lambda y: y),
    ("standardise-targets", None, lambda y: y),
    ("match-shapes", None, lambda y: y.flatten()),
    ("scale-logits", "HW303", lambda y: y),
    ("normalise-queries", "HW303", lambda y: y),
    ("position-encoding", "HW104", lambda y: y),
    ("normalise-elsewhere", "HW103", lambda y: y),
    ("find-non-finite", "HW701", lambda y: y),
    ("reconnect", "HW601", lambda y: y),
]


@pytest.mark.parametrize(("key", "code", "targets"), REMEDIES)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_file_with_the_code_computes_what_was_tried(
    tmp_path: Path, key: str, code: str | None, targets: Callable[[Tensor], Tensor]
) -> None:
    file = tmp_path / f"{key}-train.py"
    file.write_text(FILE)
    found = training(run(file), [(X, targets(TARGETS))], F.mse_loss)
    found = at_hand(found, code) if code is not None else found
    assert remedy(key).refusal(found) is None
    change = remedy(key).apply(found)
    written = patch([change], optimizer=SourceLine(str(file), OPTIMIZER))
    assert written.not_written == ()
    file.write_text(written.files[0].new)
    with_code = run(file)
    assert torch.equal(with_code(X), found.model(X))
    assert with_code.state_dict().keys() == found.model.state_dict().keys()


def run(file: Path) -> nn.Module:
    linecache.checkcache(str(file))
    scope: dict[str, Any] = {"__name__": "train", "__file__": str(file)}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    return scope["model"]
