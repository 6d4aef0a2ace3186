"""Trials of a script: paired, repeatable, its own training where nothing is changed, and no file of the user's lost."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.script import Target
from headwater.trials.script import ScriptWorkload, observe
from headwater.trials.servers import end_servers
from headwater.trials.workload import Trial

TRAIN = """
import os, random, sys
os.environ["MINE"] = "set before the imports"
os.environ.setdefault("MINE_TOO", "1")
import numpy as np
import torch
from torch import nn

def build(model):
    return torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]) if len(sys.argv) > 1 else 0.05)

def main():
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    inputs = 100 + torch.randn(256, 8)
    targets = inputs[:, :1] - 100
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, 1))
    helper = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    optimizer = build(model)
    for step in range(40):
        rows = torch.randint(256, (32,))
        loss = nn.functional.mse_loss(model(inputs[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(float(loss.detach()))
        torch.save(model.state_dict(), "model.pt")

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "train.py").write_text("import warnings; warnings.simplefilter('ignore')\n" + TRAIN)
    (folder / "model.pt").write_bytes(b"precious")
    yield folder
    assert (folder / "model.pt").read_bytes() == b"precious"
    assert sorted(path.name for path in folder.iterdir()) == ["model.pt", "train.py"]
    end_servers()


@pytest.fixture(scope="module")
def workload(folder: Path) -> ScriptWorkload:
    target = Target("train.py")
    return ScriptWorkload(target, str(folder), observe(target, str(folder), 100))


def line_of(folder: Path, text: str) -> int:
    return next(i for i, line in enumerate((folder / "train.py").read_text().splitlines(), 1) if text in line)


def test_it_is_observed(workload: ScriptWorkload, folder: Path) -> None:
    original = workload.original
    assert original.steps == 40 and original.optimizer == 1  # all that it takes by itself; the helper takes none
    assert original.built is not None and original.built.file == str(folder / "train.py")
    assert original.built.line == line_of(folder, "torch.optim.SGD(model")
    assert "HW605" in [finding.code for finding in workload.findings]
    assert {layer.built.file for layer in workload.measurement.layers if layer.built} == {str(folder / "train.py")}
    assert original.environment == {"MINE": "set before the imports", "MINE_TOO": "1"} and "torch" in original.imports


def test_without_remedies_it_is_the_users_own_training(workload: ScriptWorkload, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(folder / "train.py")]
    plain = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    own = workload.run(Trial((), 0, 40, profile=True))
    assert own.error is None and not own.lost and own.spent == 40
    assert own.losses == tuple(map(float, plain.split()))
    assert own.profile is not None and len(own.profile.points) == 2


def test_trials_are_pure_and_paired(workload: ScriptWorkload) -> None:
    own, other = workload.run(Trial((), 0, 5)), workload.run(Trial((), 1, 5))
    assert workload.run(Trial((), 1, 5)).losses == other.losses
    assert not set(own.losses) & set(other.losses)
    control, again = (workload.run(Trial((), 0, 5, control=True)) for _ in range(2))
    assert control.losses == again.losses and not set(own.losses) & set(control.losses)


def test_a_remedy_is_put_in_before_the_first_step(workload: ScriptWorkload) -> None:
    fixed = workload.run(Trial(("standardise-inputs",), 0, 40))
    assert fixed.error is None and [change.remedy for change in fixed.changes] == ["standardise-inputs"]
    own = workload.run(Trial((), 0, 40))
    assert fixed.level < 0.5 * own.level
    screening = workload.screen(("standardise-inputs",))
    assert screening.standing == "passed" and screening.changes == fixed.changes
    assert workload.screen(()).standing == "screened out"


def test_a_remedy_that_does_not_apply(workload: ScriptWorkload) -> None:
    screening, result = workload.screen(("match-shapes",)), workload.run(Trial(("match-shapes",), 0, 5))
    assert screening.standing == "refused" and screening.why == result.error
    assert "match-shapes: " in screening.why and result.lost


def test_a_script_that_ends_before(workload: ScriptWorkload) -> None:
    early = workload.run(Trial((), 0, 60))
    assert early.lost and early.error is not None and "ended by itself after 40 optimizer steps" in early.error


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import torch\nx = 1\nraise RuntimeError('mine')", ("crashed", "train.py:3", "RuntimeError: mine")),
        ("import os\nprint('last words', flush=True)\nos.kill(os.getpid(), 9)", ("its process died", "last words")),
        ("print('no training')", ("No step of an optimizer", "no training")),
        ("def f(:", ("is not Python",)),
    ],
)
def test_scripts_that_cannot_be_tried(tmp_path: Path, script: str, told: tuple[str, ...]) -> None:
    (tmp_path / "train.py").write_text(script)
    with pytest.raises(InputError) as error:
        observe(Target("train.py"), str(tmp_path), 10)
    for each in told:
        assert each in str(error.value)
    assert "headwater-" not in str(error.value)  # the folder of the trial


def test_a_training_that_diverges_is_lost_and_ended(workload: ScriptWorkload) -> None:
    diverging = replace(workload, target=Target("train.py", ("1e20",)))
    result = diverging.run(Trial((), 0, 40))
    assert result.lost and math.isinf(result.level) and 1 < len(result.losses) < 10 and result.error is None
    assert diverging.screen(()).standing == "passed"  # nothing of the original's stands: it is gone before
