"""Trials of a script: paired, repeatable, its own training where nothing is changed, and no file of the user's lost."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from headwater.errors import InputError
from headwater.script import Target
from headwater.trials import servers
from headwater.trials.engines import Inline
from headwater.trials.script import SCREENING, ScriptWorkload, observe
from headwater.trials.searching import _Runs
from headwater.trials.servers import end_servers
from headwater.trials.worker import packed
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


EARLY = """
import sys, torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[2]))
for step in range(120):
    inputs = torch.randn(16, 4)
    loss = ((model(inputs) - inputs.sum(1, keepdim=True)) ** 2).mean()
    if step == 20 and sys.argv[1] == "exits":
        sys.exit("no more")
    if not torch.isfinite(loss) and sys.argv[1] == "guarded":
        break
    if not torch.isfinite(loss) and sys.argv[1] == "asserts":
        raise FloatingPointError("the loss is gone")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptWorkload]:
    folder = tmp_path_factory.mktemp("early")
    (folder / "train.py").write_text(EARLY)
    target = Target("train.py", ("runs", "0.1"))
    yield ScriptWorkload(target, str(folder), observe(target, str(folder), 60))
    end_servers()


def test_a_script_that_ends_before_is_judged_by_what_it_has_reached(early: ScriptWorkload) -> None:
    ended, whole = early.run(Trial((), 0, 150)), early.run(Trial((), 0, 120))
    assert ended.finished and not ended.lost and ended.error is None
    assert ended.losses == whole.losses and ended.level == whole.level
    assert not whole.finished


def test_a_script_that_ends_with_an_exit_code_has_failed(early: ScriptWorkload) -> None:
    result = replace(early, target=Target("train.py", ("exits", "0.1"))).run(Trial((), 0, 60))
    assert result.lost and not result.finished and len(result.losses) == 20
    assert result.error is not None and "exited with 1" in result.error and "no more" in result.error


@pytest.mark.parametrize("way", ["guarded", "asserts"])
def test_a_script_that_guards_itself_against_what_is_no_number_has_diverged(early: ScriptWorkload, way: str) -> None:
    result = replace(early, target=Target("train.py", (way, "1e3"))).run(Trial((), 0, 60))
    assert result.lost and result.error is None and not result.finished
    assert len(result.losses) < 60 and math.isnan(result.losses[-1])


@pytest.mark.parametrize(("way", "astray"), [("break", False), ("sys.exit(1)", True), ("raise OSError", True)])
def test_a_loss_that_rises_is_a_course_left_only_where_the_script_broke_off(
    tmp_path: Path, way: str, astray: bool
) -> None:
    """An actor's loss, near zero at first, or a curriculum: it ends well at a hundred times what it began with."""
    script = EARLY.replace("    optimizer.zero", f"    if step == 20:\n        {way}\n    optimizer.zero")
    script = script.replace(".mean()\n", ".mean() * (1 + 100 * step)\n", 1)
    (tmp_path / "train.py").write_text(script)
    target = Target("train.py", ("runs", "1e-6"))
    workload = ScriptWorkload(target, str(tmp_path), observe(target, str(tmp_path), 15))
    result = workload.run(Trial((), 0, 60))
    assert result.losses[19] > 100 * result.losses[0]
    assert (len(result.losses), result.lost, result.finished) == (20 + astray, astray, not astray)
    assert result.error is None and (not astray or math.isnan(result.losses[-1]))
    end_servers()


def test_a_range_test_runs_the_script_and_tells_all_trials_the_same(early: ScriptWorkload) -> None:
    slow = replace(early, target=Target("train.py", ("runs", "1e-6")))
    looked = slow.screen(("raise-rate:range-test",))
    assert looked.standing == "passed" and SCREENING + 60 < looked.spent <= SCREENING + 100
    one, other = (slow.run(Trial(("raise-rate:range-test",), seed, 60)) for seed in (0, 1))
    assert one.error is None and one.changes == other.changes == looked.changes
    assert one.spent == 60 and one.level < 0.5 * slow.run(Trial((), 0, 60)).level


def test_rates_of_single_steps_leave_the_script_its_own(early: ScriptWorkload) -> None:
    own = early.losses([1.0] * 30)
    assert own == early.original.losses[:30]
    changed = early.losses([1.0] * 10 + [0.0] * 5 + [1.0] * 15)
    assert changed[:11] == own[:11] and changed[11] != own[11]
    assert fmean(changed[-5:]) < fmean(changed[:5])


def test_a_server_that_died_with_its_thread_is_not_asked_again(early: ScriptWorkload) -> None:
    end_servers()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(early.run, Trial((), 0, 5)).result()
    for waiting in servers._free.values():  # elsewhere than on Linux they live on
        for server in waiting:
            server._process.kill()
            server._process.wait()
    again = early.run(Trial((), 0, 5))
    assert again.error is None and again.losses == first.losses


def test_a_script_that_was_killed_once_is_run_again(tmp_path: Path) -> None:
    folder, marks = tmp_path / "project", tmp_path / "marks"
    folder.mkdir(), marks.mkdir()
    killed = f"    if step == 3 and (pathlib.Path({str(marks)!r}) / 'kill').exists():\n"
    killed += f"        (pathlib.Path({str(marks)!r}) / 'kill').unlink()\n        os.kill(os.getpid(), 9)\n"
    script = EARLY.replace("import sys", "import os, pathlib, sys").replace(
        "    optimizer.zero", f"{killed}    optimizer.zero"
    )
    (folder / "train.py").write_text(script)
    target = Target("train.py", ("runs", "0.1"))
    workload = ScriptWorkload(target, str(folder), observe(target, str(folder), 20))
    (marks / "kill").touch()
    runs = _Runs(packed(workload), Inline(), lambda _: None, None)
    (result,) = runs.train([Trial((), 0, 20)])
    assert not (marks / "kill").exists() and result.error is None and len(result.losses) == 20
    end_servers()


CHECKPOINTS = """
import os, pathlib, torch
home = pathlib.Path({home!r})
os.makedirs(home / "ckpt", exist_ok=True)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(12):
    loss = ((model(torch.randn(16, 4)) - 1) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for name in ("ckpt/best.pt", "mine.pt"):
        torch.save(model.state_dict(), home / name)
        assert torch.equal(torch.load(home / name)["weight"], model.weight)
    torch.save(model.state_dict(), home / "ckpt" / "last.tmp")
    os.replace(home / "ckpt" / "last.tmp", home / "ckpt" / "last.pt")
    assert sorted(os.listdir(home / "ckpt")) == ["best.pt", "last.pt"]
"""


def test_checkpoints_that_are_named_by_absolute_paths_stay_in_the_trial(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    (home / ".git").mkdir()
    (home / "mine.pt").write_bytes(b"precious")
    (folder / "train.py").write_text(CHECKPOINTS.format(home=str(home)))
    target = Target("train.py")
    workload = ScriptWorkload(target, str(folder), observe(target, str(folder), 12))
    for _ in range(2):
        assert workload.run(Trial((), 0, 12)).error is None
    assert sorted(each.name for each in home.iterdir()) == [".git", "mine.pt", "project"]
    assert (home / "mine.pt").read_bytes() == b"precious"
    end_servers()


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


SCHEDULED = """
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

def build(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)

model = torch.compile(nn.Linear(4, 1), backend="eager")
optimizer = build(model)
{more}
for step in range(6):
    {each}
    loss = model(torch.ones(2, 4)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("more", "each", "scheduled", "alone"),
    [
        ("", "pass", False, True),
        ("schedule = CosineAnnealingLR(optimizer, 100)", "pass", True, True),
        ("schedule = ReduceLROnPlateau(optimizer)", "pass", True, True),
        ("", "optimizer.param_groups[0]['lr'] = 0.1 * min(1, (step + 1) / 4)", True, True),
        ("other = build(nn.Linear(2, 2))", "pass", False, False),
        ("other = build(nn.Linear(4, 1))", "pass", False, True),
    ],
    ids=["bare", "schedule", "on plateau", "by hand", "another network at its line", "one like it at its line"],
)
def test_it_is_seen_who_sets_the_rate_and_what_a_line_builds(
    tmp_path: Path, more: str, each: str, scheduled: bool, alone: bool
) -> None:
    (tmp_path / "train.py").write_text(SCHEDULED.format(more=more, each=each))
    original = observe(Target("train.py"), str(tmp_path), 10)
    assert (original.scheduled, original.built is not None) == (scheduled, alone)
    assert original.names["build"]["model"] == "model._orig_mod" and original.names["<module>"]["model"]
    workload = ScriptWorkload(Target("train.py"), str(tmp_path), original)
    refused = workload.screen(("decaying-rate:cosine",))
    assert ("a schedule sets the learning rate" in refused.why) == scheduled
    end_servers()
