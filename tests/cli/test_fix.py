"""What ``headwater fix`` prints, writes and leaves with; the search behind it is tested in tests/test_fix_script.py."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from headwater import fix_script as module
from headwater.cli.console import complain, note
from headwater.cli.fix import _list  # pyright: ignore[reportPrivateUsage]
from headwater.cli.target import Maker
from headwater.errors import InputError
from headwater.records import Candidate, Change, Code, FixRecord, RunInfo, SourceLine
from headwater.report import Report
from headwater.report.fix.json import parse
from headwater.script import Target
from headwater.source.writing import patch
from headwater.store import RunWriter
from headwater.trials import SoFar
from headwater.trials.servers import end_servers
from tests import builders as build
from tests import test_fix_script
from tests.builders import vanishing
from tests.cli.test_app import run
from tests.pages import carried

SCRIPT = "import torch\nmodel = torch.nn.Linear(2, 1)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
CHANGE = Change("clip-gradient", "clips", ("",), code=Code(after="{optimizer}.clip(1.0)"))
BEST = Candidate(("clip-gradient",), "clip the gradient", 1, "safe", "recommended", "better", changes=(CHANGE,))
RECORD = FixRecord("fixed", "it is better", (), (BEST,), steps=200, seeds=3)
LEADS = SoFar("training", 1, 2, "clip the gradient", 0.5, 1.0)


@dataclass
class Search:
    """Stands for the search, which takes its time."""

    record: FixRecord = RECORD
    options: dict[str, Any] | None = None
    target: Target | None = None
    so_far: SoFar = LEADS

    def __call__(self, target: Target, **options: Any) -> SimpleNamespace:
        self.target, self.options = target, options
        options["progress"](self.so_far)
        if self.record.best is None:
            return SimpleNamespace(record=self.record, patch=None)
        written = patch(self.record.best.changes, optimizer=SourceLine(str(Path("train.py").resolve()), 3))
        return SimpleNamespace(record=replace(self.record, diff=written.diff), patch=written)


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    search = Search()
    monkeypatch.setattr(module, "fix_script", search)
    return search


def test_ranking_and_diff_are_shown_and_nothing_is_written(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "fix", "--steps", "50", "--engine", "dask", "train.py", "--epochs", "3", "--apply")
    assert code == 0 and err.startswith("headwater: --apply behind train.py goes to the script")
    assert "clip-gradient" in out and "+optimizer.clip(1.0)" in out
    assert Path("train.py").read_text() == SCRIPT
    assert search.target == Target("train.py", ("--epochs", "3", "--apply"))
    assert search.options is not None and search.options["trials"] == Path("runs/train/trials")
    assert search.options["steps"] == 50 and search.options["engine"] == "dask"


def test_apply_writes_it(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "fix", "--apply", "train.py")
    assert code == 2 and "not tracked by git" in err and "--force" in err and "written" not in err
    assert err.startswith("headwater: --apply will not write into train.py")  # ahead of the search
    assert Path("train.py").read_text() == SCRIPT
    code, _, err = run(capsys, "fix", "--apply", "--force", "train.py")
    assert code == 0 and "written: " in err
    assert Path("train.py").read_text() == SCRIPT + "optimizer.clip(1.0)\n"


def test_apply_with_nothing_that_can_be_written(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    search.record = replace(RECORD, candidates=(replace(BEST, changes=(replace(CHANGE, code=Code()),)),))
    code, _, err = run(capsys, "fix", "--apply", "train.py")
    assert code == 1 and "nothing was written" in err and Path("train.py").read_text() == SCRIPT


def test_json_alone_goes_to_stdout_and_the_page_to_its_place(
    search: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "fix", "--json", "--html", "fix.html", "-m", "package.train")
    assert code == 0 and json.loads(out)["record"]["verdict"] == "fixed"
    assert "<html" in Path("fix.html").read_text()
    assert search.options is not None and search.options["trials"] == Path("runs/train/trials")
    assert search.target == Target("package.train", module=True)


def test_the_search_stays_with_the_run_whose_page_then_shows_it(
    search: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "fix", "train.py")
    assert not Path("runs").exists()  # there is no run whose it is
    RunWriter("runs/train", RunInfo("", 1)).close()
    Path("runs/train/report.json").write_text(Report(vanishing(), ()).to_json())
    run(capsys, "fix", "train.py")
    assert parse(Path("runs/train/fix.json").read_text()).verdict == "fixed"
    assert run(capsys, "report", "runs/train", "--html", "page.html")[0] == 0
    assert carried(Path("page.html").read_text())["overview"]["fix"]["remedies"] == ["clip-gradient"]
    Path("runs/train/fix.json").write_text("{")
    assert "fix.json cannot be read" in run(capsys, "report", "runs/train", "--html", "page.html", "--lines")[2]


@pytest.mark.parametrize(("verdict", "code"), [("nothing helped", 1), ("healthy", 0)])
def test_exit_codes(search: Search, capsys: pytest.CaptureFixture[str], verdict: Any, code: int) -> None:
    search.record = FixRecord(verdict, "as it is", ())
    assert run(capsys, "fix", "--apply", "train.py")[0] == code


def test_usage(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "fix", "--aply", "train.py")
    assert code == 2 and "Did you mean --apply?" in err
    assert run(capsys, "fix", "--html", "no/such/folder/fix.html", "train.py")[0] == 2


def test_a_script_that_takes_fewer_steps_is_told(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    search.record = replace(RECORD, steps=60)
    assert "ends by itself after 60 optimizer steps" in run(capsys, "fix", "train.py")[2]


FUNCTION = """
import torch

def network():
    torch.manual_seed(7)
    model = torch.nn.Linear(3, 1)
    batches = [(torch.randn(8, 3), torch.randn(8, 1)) for _ in range(4)]
    return model, batches, torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.1)

def unscaled():
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return model, [(1000 + torch.randn(8, 3), torch.randn(8, 1)) for _ in range(9)], torch.nn.MSELoss()
"""


@pytest.fixture
def mine(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    Path("mine.py").write_text(FUNCTION)


def test_a_function_is_called_anew_for_each_training(mine: None) -> None:
    maker = Maker.of("mine.py:network")
    first, second = maker(), maker()
    assert isinstance(first[1], torch.optim.SGD) and first[0] is not second[0]
    assert maker.__wrapped__.__name__ == "network"


def test_results_of_a_function_are_kept_where_it_says(
    mine: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Path] = []

    def search(*_: Any, trials: Path, **options: Any) -> Any:
        given.append(trials)
        return SimpleNamespace(record=FixRecord("healthy", "", ()), patch=None)

    monkeypatch.setattr(importlib.import_module("headwater.fix"), "fix", search)
    run(capsys, "fix", "--run-dir", "there", "mine.py:network")
    run(capsys, "fix", "mine.py:network")
    assert given == [Path("there/trials"), Path("runs/network/trials")]


@pytest.mark.usefixtures("code_in_files")
def test_a_healthy_function(mine: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "fix", "mine.py:network")
    assert code == 0 and "Healthy" in out


def test_names_with_colons_are_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    finding = build.finding(message="of blocks:zero: and on", remedies=("residual",))
    _list([finding])
    complain(InputError("residual:zero: refused"))
    note("residual:zero: written")
    out, err = capsys.readouterr()
    assert "of blocks:zero: and on" in out and "  residual:zero: " in out
    assert "residual:zero: refused" in err and "residual:zero: written" in err


def test_dry_run_lists_what_would_be_tried(mine: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "fix", "--dry-run", "mine.py:unscaled")
    assert code == 0 and "HW605" in out and "standardise-inputs" in out
    assert "those that apply, and combinations of them, would be tried" in " ".join(out.split())
    code, out, _ = run(capsys, "fix", "--dry-run", "mine.py:network")
    assert code == 0 and "Nothing would be tried." in out


UNSCALED = test_fix_script.SCRIPT + 'open("trained.txt", "a").write("once")\n'


def test_dry_run_of_a_script_lists_what_would_be_tried(search: Search, capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.py").write_text(UNSCALED)
    try:
        code, out, err = run(capsys, "fix", "--dry-run", "--steps", "10", "--apply", "--json", "--force", "train.py")
    finally:
        end_servers()
    assert code == 0 and "HW605" in out and "  standardise-inputs: " in out
    assert "those that apply, and combinations of them, would be tried" in " ".join(out.split())
    assert "there is nothing for --json and --apply" in err
    assert search.target is None  # nothing is searched, and nothing is left
    assert Path("train.py").read_text() == UNSCALED and [each.name for each in Path().iterdir()] == ["train.py"]


@pytest.mark.parametrize(
    ("so_far", "said"),
    [
        (SoFar("diagnosing", 0, 1), "Diagnosing"),
        (SoFar("screening", 3, 9), "Screening"),
        (SoFar("training", 1, 2, "clip", None, 1.0), "Training"),
        (
            SoFar("training", 1, 2, "clip the gradient", 0.5123, 1.04),
            "Training; best so far 0.51 (original 1): clip the gradient",
        ),
        (SoFar("training", 1, 2, 60 * "x", 0.0, 2.3), f"Training; best so far 0 (original 2.3): {60 * 'x'}"),
    ],
)
def test_progress_tells_the_stage_and_who_leads(
    search: Search,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    so_far: SoFar,
    said: str,
) -> None:
    told: list[tuple[str, int, int]] = []

    @contextmanager
    def bar() -> Iterator[Any]:
        yield lambda *moved: told.append(moved)

    monkeypatch.setattr(importlib.import_module("headwater.cli.fix"), "progress_bar", bar)
    search.so_far = so_far
    run(capsys, "fix", "train.py")
    assert told == [(said, so_far.done, so_far.total)]
