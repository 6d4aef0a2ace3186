"""Code of remedies in a user's file: it stands before the optimizer, and does there what it did live."""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

import headwater
from headwater.monitor import models_of
from headwater.records import AttentionRecord, Change, Finding, SourceLine, Where
from headwater.remedies import Training, remedy
from headwater.report import Report
from headwater.source.writing import apply, patch
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
    return executed(file, file.read_text())["model"]


def executed(file: Path, text: str) -> dict[str, Any]:
    """What a file leaves behind."""
    linecache.checkcache(str(file))
    scope: dict[str, Any] = {"__name__": "train", "__file__": str(file)}
    exec(compile(text, str(file), "exec"), scope)
    return scope


SCRIPT = '''\
"""Trains a classifier, as people write it: all of it in one file, at the top level."""

import torch
import torch.nn.functional as F
from torch import nn

TAKEN = "mine"
STEPS = 5


NETWORK


def loss_fn(outputs, targets):
    return SCALE * F.cross_entropy(outputs, targets)


torch.manual_seed(0)
x = INPUTS
y = x.flatten(1)[:, :4].argmax(1)
data = list(zip(x.split(64), y.split(64)))
net = Net()
net.train()
optimizer = OPTIMIZER
losses = []
for step in range(STEPS):
    inputs, targets = data[torch.randint(len(data), ()).item()]
    optimizer.zero_grad(set_to_none=True)
    loss = loss_fn(net(inputs), targets)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
'''
TAKEN = """
name layer chain start index modules module group inputs_ residual Residual normalised batch_normalised
orthogonal_recurrence identity_recurrence open_gates chrono_initialise PlainLSTM WideStep KahanStep StochasticStep
under_autocast in_bfloat16 unscaled scaled scaled_backward clip_gradient rate_schedule
""".split()
"""Names that the codes use, and that the script gives to things of its own."""

CHAIN = """\
class Net(nn.Sequential):
    def __init__(self, depth=20, width=32):
        layers = [nn.Linear(16, width), nn.ReLU()]
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.ReLU()]
        super().__init__(*layers, nn.Linear(width, 4))
"""
LOOP = """\
class Net(nn.Module):
    def __init__(self, depth=20, width=32):
        super().__init__()
        self.stem, self.head = nn.Linear(16, width), nn.Linear(width, 4)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        x = F.relu(self.stem(x))
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(x)
"""
NARROW = """\
class Net(nn.Module):
    def __init__(self, width=100):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 4)
        self.to(torch.bfloat16)

    def forward(self, x):
        return self.head(self.body(x.to(self.head.weight.dtype))).float()
"""
MIXED = """\
class Net(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        with torch.autocast("cpu", torch.float16):
            return self.head(self.body(x)).float()
"""
RECURRENT = """\
class Net(nn.Module):
    def __init__(self, kind="KIND"):
        super().__init__()
        self.rnn = MADE(2, 24, batch_first=True)
        self.head = nn.Linear(24, 4)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])
"""
SEQUENCES = "torch.randn(512, 40, 2)"


def recurrent(kind: str, made: str = "") -> str:
    return RECURRENT.replace("KIND", kind).replace("MADE", made or f"nn.{kind}")


def sgd(rate: float) -> str:
    return f"torch.optim.SGD(net.parameters(), lr={rate})"


ADAM = "torch.optim.Adam(net.parameters(), lr=1e-4)"
BY_NAME = recurrent("RNN", "getattr(nn, kind)")


@dataclass(frozen=True)
class Case:
    """A script, the remedies that are written into it, and the finding that is gone then.

    Attributes:
        exact: whether the file draws its random numbers in the order in which the live change does.
    """

    keys: tuple[str, ...]
    network: str = CHAIN
    optimizer: str = sgd(0.05)
    code: str = ""
    inputs: str = "torch.randn(512, 16)"
    scale: str = "1.0"
    exact: bool = True

    def __str__(self) -> str:
        return "+".join(self.keys)


CASES = [
    *(Case((f"residual:{each}",), net, code="HW101") for each in ("zero", "scaled") for net in (CHAIN, LOOP)),
    *(Case((f"normalisation:{each}",), code="HW101") for each in ("layer", "batch")),
    Case(("normalisation:batch",), LOOP, code="HW101"),
    Case(("residual:scaled", "init-matched:he"), code="HW101"),
    *(Case((key,), NARROW, sgd(0.003), "HW501") for key in ("master-weights", "kahan-summation", "autocast")),
    Case(("stochastic-rounding",), NARROW, sgd(0.003), "HW501"),
    Case(("master-weights", "clip-gradient"), NARROW, ADAM),
    *(Case((key,), MIXED, sgd(1e5), "HW502", scale="1e-6") for key in ("loss-scaling", "bfloat16")),
    Case(("clip-gradient",), scale="1000.0"),
    Case(("clip-gradient:median",)),
    *(Case((f"decaying-rate:{each}",)) for each in ("cosine", "linear", "step", "exponential")),
    Case(("lower-rate:warm-up", "clip-gradient"), optimizer=ADAM),
    Case(("gated-recurrence:gru", "chrono-init"), recurrent("RNN"), ADAM, "HW201", SEQUENCES, exact=False),
    Case(("gated-recurrence:gru", "chrono-init"), BY_NAME, ADAM, "HW201", SEQUENCES),
    Case(("gated-recurrence:lstm", "forget-bias"), BY_NAME, ADAM, "HW201", SEQUENCES),
    Case(("orthogonal-recurrence",), recurrent("GRU"), ADAM, inputs=SEQUENCES),
    *(Case((key,), recurrent("LSTM"), ADAM, "HW201", SEQUENCES) for key in ("chrono-init", "forget-bias")),
]


def script(case: Case, folder: Path) -> Path:
    text = SCRIPT.replace("TAKEN", " = ".join(TAKEN)).replace("NETWORK", case.network)
    text = text.replace("OPTIMIZER", case.optimizer).replace("INPUTS", case.inputs).replace("SCALE", case.scale)
    file = folder / "train.py"
    file.write_text(text)
    return file


def ran(file: Path, *, steps: bool = True) -> dict[str, Any]:
    """What a script leaves behind; without its steps, a training that has yet to begin."""
    scope = executed(file, file.read_text() if steps else file.read_text().replace("STEPS = 5", "STEPS = 0"))
    assert {scope[name] for name in TAKEN} == {"mine"}
    return scope


def diagnosed(case: Case, file: Path) -> Report:
    """With the optimizer where it matters: without, no rate is tried at length."""
    begun = ran(file, steps=False)
    optimizer = begun["optimizer"] if case.code.startswith("HW5") or "median" in str(case) else None
    return headwater.diagnose(begun["net"], begun["data"], begun["loss_fn"], optimizer=optimizer)


def change_live(
    case: Case, found: Report, file: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], list[Change]]:
    """Runs a script, with the remedies applied when its optimizer was built."""
    kind = getattr(torch.optim, case.optimizer.removeprefix("torch.optim.").partition("(")[0])
    original, changes = kind.__init__, list[Change]()

    def init(self: Optimizer, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        (model,) = models_of(p for group in self.param_groups for p in group["params"])
        live = Training(model, self, found.measurement, found.findings, steps=5)
        for key in case.keys:
            assert remedy(key).refusal(live) is None
            changes.append(remedy(key).apply(live))
        scheduler: Any = live.scheduler
        if scheduler is not None:
            self.register_step_post_hook(lambda *_: scheduler.step())

    with monkeypatch.context() as patches:
        patches.setattr(kind, "__init__", init)
        return ran(file), changes


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_script_with_the_code_trains_as_with_the_change_made_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    file = script(case, tmp_path)
    before, found = ran(file), diagnosed(case, file)
    assert not case.code or case.code in {finding.code for finding in found.findings}
    live, changes = change_live(case, found, file, monkeypatch)
    line = next(i for i, line in enumerate(file.read_text().splitlines(), 1) if line.startswith("optimizer ="))
    written = patch(changes, optimizer=SourceLine(str(file), line))
    assert (written.not_written, written.snippet) == ((), "")
    apply(written)
    after = ran(file)
    assert len(after["losses"]) == 5 and all(map(math.isfinite, after["losses"]))
    ours, theirs = after["net"].state_dict(), live["net"].state_dict()
    assert ours.keys() == theirs.keys()
    if case.exact:
        assert after["losses"] == live["losses"]
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    unchanged = before["net"].state_dict()
    assert ours.keys() != unchanged.keys() or any(not torch.equal(ours[key], unchanged[key]) for key in ours)
    assert not case.code or case.code not in {finding.code for finding in diagnosed(case, file).findings}


def test_a_schedule_that_reads_the_loss_takes_the_line_that_is_told(tmp_path: Path) -> None:
    file = script(Case(("decaying-rate:on-plateau",)), tmp_path)
    file.write_text(file.read_text().replace("rate_schedule = ", "").replace(" = rate_schedule", ""))
    begun = executed(file, file.read_text().replace("STEPS = 5", "STEPS = 0"))
    live = training(begun["net"], begun["data"], F.cross_entropy)
    change = remedy("decaying-rate:on-plateau").apply(replace(live, steps=5))
    line = next(i for i, line in enumerate(file.read_text().splitlines(), 1) if line.startswith("optimizer ="))
    written = patch([change], optimizer=SourceLine(str(file), line))
    (told,) = written.not_written
    assert "write rate_schedule.step(loss.item()) into the training loop, after each optimizer step" in told
    apply(written)
    step = "    optimizer.step()\n"
    file.write_text(file.read_text().replace(step, f"{step}    rate_schedule.step(loss.item())\n"))
    after = executed(file, file.read_text().replace("lr=0.05", "lr=1e-6").replace("STEPS = 5", "STEPS = 50"))
    assert after["optimizer"].param_groups[0]["lr"] < 1e-6
