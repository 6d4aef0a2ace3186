"""The user's files in a run: as they were, bounded, and never a danger to the training."""

from __future__ import annotations

import importlib.util
import json
import linecache
import math
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.nn import functional as F

import headwater
from headwater.monitor import texts
from headwater.monitor.texts import Texts
from headwater.records import Measurement, SourceLine
from headwater.report import Report
from headwater.report.page import overview
from headwater.store import open_run
from tests.builders import layer, measurement

SCRIPT = """from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.outer(self.inner(x).sigmoid())
"""


def module(path: Path) -> ModuleType:
    path.write_text(SCRIPT)
    spec = importlib.util.spec_from_file_location("a_users_file", path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def train(model: torch.nn.Module, folder: Path, steps: int = 6) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with headwater.watch(model, optimizer, run_dir=folder, budget=math.inf):
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(model(torch.randn(16, 8)), torch.randint(2, (16,))).backward()
            optimizer.step()


def at(*files: str) -> Measurement:
    return replace(
        measurement(), layers=tuple(replace(layer(str(i)), file=file, line=1) for i, file in enumerate(files))
    )


def test_a_run_holds_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "näts <b>.py"
    train(module(path).Net(), tmp_path / "x")
    path.write_text("changed = True\n")
    run = open_run(tmp_path / "x")
    assert run.sources() == {str(path): SCRIPT} and run.notes == []
    drawn = overview([Report.from_json(text) for text in run.report_texts()], run)
    assert [file["text"] for file in drawn["reports"][0]["source"]["files"]] == [SCRIPT.splitlines()]
    assert all(part.isascii() for part in os.listdir(tmp_path / "x" / "sources"))


def test_too_many_and_too_long_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MOST_FILES", 2)
    monkeypatch.setattr(texts, "MOST_LETTERS", 100)
    paths = [tmp_path / f"{i}.py" for i in range(4)]
    for path, length in zip(paths, (200, 50, 50, 50), strict=True):
        path.write_text("#" * length)
    known = Texts()
    assert known.learn(at(*map(str, paths))) and list(known.known) == [str(paths[1]), str(paths[2])]
    assert not known.learn(at(*map(str, paths)))


def test_a_file_that_is_far_too_long_is_not_even_read(tmp_path: Path) -> None:
    with open(tmp_path / "long.py", "wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    assert not Texts().learn(at(str(tmp_path / "long.py")))


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    known = Texts()
    assert not known.learn(at(str(tmp_path / "pipe.py"), str(tmp_path / "nowhere.py"), "<stdin>"))


def test_a_cell_of_a_notebook_is_kept() -> None:
    name = "/tmp/ipykernel_1/2.py"
    linecache.cache[name] = (3, None, ["a\n", "b\n"], name)
    known = Texts()
    known.learn(replace(at(), layers=(replace(layer("a"), built=SourceLine(name, 1)),)))
    assert known.known == {name: "a\nb\n"}


@pytest.mark.parametrize(
    "index", [{"a.py": "../../secret.txt"}, {"a.py": "/etc/hostname"}, {"a.py": "none"}, [], {"a.py": 3}]
)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, index: object) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    train(module(tmp_path / "net.py").Net(), tmp_path / "x" / "run")
    (tmp_path / "x" / "run" / "sources" / "index.json").write_text(json.dumps(index))
    run = open_run(tmp_path / "x" / "run")
    assert run.sources() == {} and any("source texts cannot be read" in note for note in run.notes)
