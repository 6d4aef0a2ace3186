"""A patch is written whole or not at all, and never over what git has no copy of."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from headwater.errors import PatchError
from headwater.source.writing import Patch, apply, patch
from tests.source.writing.builders import change, edit, written

OLD = "# coding: latin-1\r\nfrom torch import nn\r\nx = nn.Sigmoid()  # é\r\n"
NEW = OLD.replace("Sigmoid", "ReLU").encode("latin-1")


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def made(path: Path) -> Patch:
    written(path, OLD, "latin-1")
    return patch([change(edit(path, "x =", "Sigmoid", "torch.nn.ReLU"))], optimizer=None)


def test_bytes_mode_and_line_ends_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    todo = made(path)
    path.chmod(0o750)
    assert path.read_bytes() == OLD.encode("latin-1")  # nothing is written before it is applied
    apply(todo)
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_changed_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    todo = made(path)
    path.write_text("other")
    with pytest.raises(PatchError, match="was changed while"):
        apply(todo, force=True)
    assert path.read_text() == "other"


def test_a_file_with_uncommitted_changes_needs_force(tmp_path: Path) -> None:
    git(tmp_path, "init")
    path = tmp_path / "train.py"
    todo = made(path)
    with pytest.raises(PatchError, match="not committed"):
        apply(todo)
    git(tmp_path, "add", "train.py")
    with pytest.raises(PatchError, match="not committed"):
        apply(todo)
    git(tmp_path, "commit", "-m", "x")
    apply(todo)
    assert path.read_bytes() == NEW
    todo = made(path)
    git(tmp_path, "commit", "-am", "y", "--allow-empty")
    path.write_bytes(OLD.encode("latin-1") + b"# mine\r\n")
    todo = patch([change(edit(path, "x =", "Sigmoid", "torch.nn.ReLU"))], optimizer=None)
    apply(todo, force=True)
    assert path.read_bytes() == NEW + b"# mine\r\n"


def test_a_file_that_git_cannot_restore_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    todo = made(path)
    with pytest.raises(PatchError, match=r"not tracked by git.*--force"):
        apply(todo, tracked=True)  # no repository
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("train.py\n")
    with pytest.raises(PatchError, match=r"not tracked by git.*--force"):
        apply(todo, tracked=True)
    assert path.read_bytes() == OLD.encode("latin-1")
    git(tmp_path, "add", "--force", "train.py")
    git(tmp_path, "commit", "-m", "x")
    apply(todo, tracked=True)
    assert path.read_bytes() == NEW
    todo = made(path)
    git(tmp_path, "rm", "--cached", "train.py")
    apply(todo, tracked=True, force=True)
    assert path.read_bytes() == NEW


def test_git_applies_the_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init")
    path = tmp_path / "train.py"
    old = "from torch import nn\n\n\nx = nn.Sigmoid()"
    written(path, old)
    todo = patch([change(edit(path, "x =", "Sigmoid", "torch.nn.ReLU"))], optimizer=None)
    (tmp_path / "fix.diff").write_bytes(todo.diff.encode())
    git(tmp_path, "apply", "fix.diff")
    assert path.read_text() == old.replace("Sigmoid", "ReLU")


@pytest.mark.parametrize("at", [1, 2])
def test_where_one_file_cannot_be_replaced_all_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    paths = [tmp_path / "net.py", tmp_path / "train.py"]
    for path in paths:
        written(path, OLD, "latin-1")
    todo = patch([change(edit(path, "x =", "Sigmoid", "torch.nn.ReLU")) for path in paths], optimizer=None)
    assert len(todo.files) == 2
    paths[0].chmod(0o750)
    called: list[Path] = []
    original = os.replace

    def replace(new: Path, path: Path) -> None:
        called.append(path)
        if len(called) == at:
            raise OSError("no space left")
        original(new, path)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PatchError, match="every file is as it was: no space left"):
        apply(todo)
    assert {path.read_bytes() for path in paths} == {OLD.encode("latin-1")}
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o750
    assert sorted(tmp_path.iterdir()) == paths


def test_where_one_file_cannot_be_written_all_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.py"
    todo = made(path)

    def fsync(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(PatchError, match="every file is as it was"):
        apply(todo)
    assert path.read_bytes() == OLD.encode("latin-1") and list(tmp_path.iterdir()) == [path]
