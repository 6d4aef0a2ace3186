"""A softmax that an attention uses as well as the output: the attention keeps it, live and in the written diff."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from headwater.remedies import remedy
from headwater.source import recording
from headwater.source.writing import patch
from tests.remedies.trainings import training

SCRIPT = """
import torch
from torch import nn


def softmax(x):
    return torch.softmax(x, -1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.fc = nn.Linear(8, CLASSES)
        BUILT

    def forward(self, x):
        weights = WEIGHTS(self.q(x) @ self.k(x).mT)
        h = (weights @ self.v(x)).mean(1)
        return OUTPUT(self.fc(h))


def make():
    torch.manual_seed(0)
    return Net()
"""
X = torch.randn(32, 5, 8, generator=torch.Generator().manual_seed(0))
LABELS, BITS = X[:, 0, :3].argmax(1), (X[:, :1, 0] > 0).float()


def same(x: Tensor) -> Tensor:
    return x


def log_softmax(x: Tensor) -> Tensor:
    return x.log_softmax(1)


CASES: list[tuple[str, Any, Tensor, Callable[[Tensor], Tensor]]] = [
    ("remove-softmax", F.cross_entropy, LABELS, same),
    ("match-loss:log-softmax", F.nll_loss, LABELS, log_softmax),
    ("match-loss:sigmoid", F.binary_cross_entropy, BITS, torch.sigmoid),
]
SHARED = "self.softmax = nn.Softmax(-1)"
ONE_LINE = "self.a, self.b = nn.Softmax(-1), nn.Softmax(-1)"


def loaded(file: Path) -> Any:
    scope: dict[str, Any] = {"__name__": "net", "__file__": str(file)}
    linecache.checkcache(str(file))
    with recording():
        exec(compile(file.read_text(), str(file), "exec"), scope)
    return SimpleNamespace(**scope)


def file_of(folder: Path, built: str, weights: str, output: str, classes: int = 3) -> Path:
    file = folder / "net.py"
    text = SCRIPT.replace("CLASSES", str(classes)).replace("BUILT", built)
    file.write_text(text.replace("WEIGHTS", weights).replace("OUTPUT", output))
    return file


def attending(net: Any, x: Tensor) -> Tensor:
    """What the last layer makes of an attention whose weights add up to one."""
    return net.fc((torch.softmax(net.q(x) @ net.k(x).mT, -1) @ net.v(x)).mean(1))


@pytest.mark.parametrize(("key", "loss", "targets", "right"), CASES)
@pytest.mark.parametrize(
    ("built", "weights", "output"), [(SHARED, "self.softmax", "self.softmax"), (ONE_LINE, "self.a", "self.b")]
)
def test_the_output_alone_loses_it(
    tmp_path: Path, built: str, weights: str, output: str, key: str, loss: Any, targets: Tensor, right: Any
) -> None:
    file = file_of(tmp_path, built, weights, output, 1 if targets is BITS else 3)
    module = loaded(file)
    with recording():
        net = module.make()
    found = training(net, [(X, targets)], loss)
    assert remedy(key).refusal(found) is None
    written = patch([remedy(key).apply(found)], optimizer=None, factory=module.make)
    torch.testing.assert_close(found.model(X), right(attending(found.model, X)))
    assert written.not_written == ()
    file.write_text(written.files[0].new)
    assert torch.equal(found.model(X), loaded(file).make()(X))


@pytest.mark.parametrize(("key", "loss", "targets", "right"), CASES)
def test_one_line_for_both_is_left(tmp_path: Path, key: str, loss: Any, targets: Tensor, right: Any) -> None:
    module = loaded(file_of(tmp_path, "pass", "softmax", "softmax", 1 if targets is BITS else 3))
    found = training(module.make(), [(X, targets)], loss)
    assert "give the output a line of its own" in (remedy(key).refusal(found) or "")


POOLED = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.fc, self.softmax = nn.Linear(8, 1), nn.Linear(8, 3), nn.Softmax(1)

    def forward(self, x):
        weights = self.softmax(self.score(x))
        answers = (weights * self.fc(x)).sum(1)
        return self.softmax(answers)
"""


def test_weights_above_the_last_layer_keep_it_too(tmp_path: Path) -> None:
    file = tmp_path / "pooled.py"
    file.write_text(POOLED)
    net = loaded(file).Net()
    found = training(net, [(X, LABELS)], F.cross_entropy)
    assert remedy("remove-softmax").refusal(found) is None
    remedy("remove-softmax").apply(found)
    torch.testing.assert_close(net(X), (net.score(X).softmax(1) * net.fc(X)).sum(1))


def test_a_network_that_is_called_twice_loses_both(tmp_path: Path) -> None:
    """Both calls are the output's: nothing else is served."""
    net = torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.Softmax(-1))

    def step(model: Any, batch: Any) -> Tensor:
        x, targets = batch
        return F.cross_entropy(model(x[:, 0]), targets) + F.cross_entropy(model(x[:, 1]), targets)

    found = training(net, [(X, LABELS)], None, step=step)
    assert not any(op.shared_module or op.shared_line for op in found.measurement.head.ops)
