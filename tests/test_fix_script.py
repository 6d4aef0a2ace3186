"""A fix of a script: found, proved, written into its source, and there again after an interruption."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.fix_script import ScriptFix, fix_script
from headwater.script import Target
from headwater.source.writing import apply
from headwater.trials import SoFar
from headwater.trials.engines import Inline
from headwater.trials.servers import end_servers

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
inputs = 100 + torch.randn(256, 8)
targets = inputs[:, :1] - 100
model = nn.Sequential(nn.Linear(8, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(40):
    rows = torch.randint(256, (32,))
    loss = nn.functional.mse_loss(model(inputs[rows]), targets[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
print(loss.item())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "train.py").write_text(SCRIPT)
    yield folder
    end_servers()


def fixed(folder: Path, told: list[SoFar]) -> ScriptFix:
    return fix_script(
        Target("train.py"), cwd=folder, seeds=3, engine=Inline(), trials=folder / "trials", progress=told.append
    )


@pytest.fixture(scope="module")
def found(folder: Path) -> ScriptFix:
    return fixed(folder, [])


def test_a_change_that_mends_the_cause_is_recommended_and_proved(found: ScriptFix) -> None:
    record = found.record
    assert record.verdict == "fixed" and record.best is not None
    assert "standardise-inputs" in record.best.remedies
    assert record.steps == 40  # no more than the script takes by itself
    assert all(len(trial.losses) == 40 and trial.level < 0.5 for trial in record.best.trials)
    assert {trial.seed for trial in record.best.trials} == {0, 1, 2}


def test_a_search_that_was_interrupted_goes_on_with_its_trials(found: ScriptFix, folder: Path) -> None:
    told: list[SoFar] = []
    again = fixed(folder, told)
    assert again.record.best == found.record.best and again.record.diff == found.record.diff
    trained = [each for each in told if each.stage == "training"]
    assert not trained  # each one lies in the folder
    assert told[0].stage == "diagnosing"


def test_the_diff_is_the_repair(found: ScriptFix, folder: Path) -> None:
    assert found.patch is not None and found.record.diff.startswith("--- ")
    assert not (folder / "model.pt").exists()  # trials write elsewhere
    apply(found.patch)
    command = [sys.executable, "train.py"]
    loss = float(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
    assert loss < 0.2  # of targets with a variance of 1


@pytest.mark.parametrize("options", [{"steps": 0}, {"seeds": 0}, {"steps": True}, {"seeds": "3"}])
def test_numbers_that_make_no_sense(folder: Path, options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"at least 1, got (0|True|'3')"):
        fix_script(Target("train.py"), cwd=folder, **options)  # type: ignore[arg-type]
