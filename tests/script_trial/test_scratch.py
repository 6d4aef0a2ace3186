"""The folder of a trial looks like the user's, and what is written there stays there."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.script import Target
from headwater.script_trial import scratch as module
from headwater.script_trial.scratch import scratch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("src/deep", "data", "out", ".git"):
        (root / name).mkdir(parents=True)
    (root / "src" / "train.py").write_text("print(1)")
    (root / "data" / "x.bin").write_bytes(b"12345")
    (root / "out" / "best.pt").write_bytes(b"precious")
    (root / "log.txt").write_text("before\n")
    (root / ".git" / "config").write_text("")
    with sqlite3.connect(root / "runs.sqlite") as base:
        base.execute("create table runs (name)")
    base.close()
    return root


def test_it_looks_like_the_project_around_the_current_folder(project: Path) -> None:
    with scratch(Target("train.py", ("--fast",)), project / "src") as place:
        mirror = place.cwd.parent
        assert place.cwd.name == "src" and place.target.arguments == ("--fast",)
        assert Path(place.target.name).resolve() == place.cwd / "train.py"  # a copy, and no link
        assert (mirror / "data" / "x.bin").read_bytes() == b"12345" and (mirror / "data" / "x.bin").is_symlink()
        assert (mirror / ".git").is_symlink() and not (mirror / "out").is_symlink()
        assert place.moved == {str(mirror): str(project)}
        inside = place.folder
    assert not inside.exists() and (project / "out" / "best.pt").exists()


def test_a_script_of_another_project_has_its_own_there(project: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with scratch(Target(str(project / "src" / "train.py")), here) as place:
        assert place.cwd.name == "here" and Path(place.target.name).is_relative_to(place.folder)
        assert sorted(place.moved.values()) == [str(here), str(project)]


def test_far_folders_of_a_large_project_are_linked_whole(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    with scratch(Target("train.py"), project / "src") as place:
        assert not place.cwd.is_symlink() and (place.cwd.parent / "data").is_symlink()


WRITES = """
import os, pathlib, sqlite3, sys, shutil
from headwater.script_trial.guard import announce, protect
protect(sys.argv[1], [sys.argv[2]])
here = pathlib.Path(__file__).resolve().parent.parent
(here / "out" / "best.pt").write_bytes(b"junk")
with open("../log.txt", "a") as file:
    file.write("after")
assert (here / "log.txt").read_text().split() == ["before", "after"]
os.remove(here / "data" / "x.bin")
with sqlite3.connect(here / "runs.sqlite") as base:
    base.execute("insert into runs values ('x')")
(here / "new").mkdir()
os.replace(here / "out" / "best.pt", here / "new" / "best.pt")
shutil.rmtree(here / "out")
"""


def run(project: Path, script: str) -> subprocess.CompletedProcess[str]:
    (project / "src" / "train.py").write_text(script)
    with scratch(Target("train.py"), project / "src") as place:
        command = [sys.executable, place.target.name, str(place.folder), str(project)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(command, cwd=place.cwd, env=environment, capture_output=True, text=True)


def files(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file() and path.suffix != ".py"}


def test_what_a_script_writes_stays_there(project: Path) -> None:
    before = files(project)
    done = run(project, WRITES)
    assert done.returncode == 0, done.stderr
    assert files(project) == before


HIDDEN = """
import os, sys
from headwater.script_trial.guard import protect
protect(sys.argv[1], [sys.argv[2]])
root = sys.argv[2]
"""


def hidden(project: Path) -> Path:
    file = project / "src" / ".ckpt" / "last.pt"
    file.parent.mkdir()
    file.write_bytes(b"precious")
    return file


def test_what_a_script_writes_into_a_hidden_folder_stays_there(project: Path) -> None:
    file = hidden(project)
    code = "assert open('.ckpt/last.pt', 'rb').read() == b'precious'; open('.ckpt/last.pt', 'wb').write(b'junk')"
    done = run(project, f"{HIDDEN}{code}; assert open('.ckpt/last.pt', 'rb').read() == b'junk'")
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == b"precious"


def test_hidden_files_beside_the_project_are_not_touched_and_those_of_caches_are(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    for name in (".ckpt/last.pt", ".cache/lock", ".xdg/lock", "tmp/lock"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("before")
    (project / "src" / "train.py").write_text("")
    script = f"{HIDDEN}for name in ('.cache', '.xdg'): open(f'{{root}}/../{{name}}/lock', 'w')\n"
    script += "open(f'{root}/../.ckpt/last.pt', 'w')"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".xdg"))
    done = run(project, script)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / name).read_text() for name in (".ckpt/last.pt", ".cache/lock", ".xdg/lock")] == [
        "before",
        "",
        "",
    ]


def test_environments_are_linked_whole_and_hidden_folders_come_last(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden(project)
    for name in (".venv/pyvenv.cfg", ".pixi/conda-meta/history", "lib/site-packages/x.py"):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text("")
    with scratch(Target("train.py"), project / "src") as place:
        mirror = place.cwd.parent
        assert (
            (mirror / ".venv").is_symlink()
            and (mirror / ".pixi").is_symlink()
            and (mirror / "lib/site-packages").is_symlink()
        )
        assert not (place.cwd / ".ckpt").is_symlink()
    monkeypatch.setattr(module, "MOST", 15)  # nine in the project, three in src, one each in data, out and lib
    with scratch(Target("train.py"), project / "src") as place:
        assert not any((place.cwd.parent / name).is_symlink() for name in ("data", "out", "lib"))
        assert (place.cwd / ".ckpt").is_symlink()
