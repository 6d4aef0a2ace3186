"""Rows are found again for the same point measured by the same code, and for no other."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from headwater.errors import StoreError
from headwater.study import kept
from headwater.study.experiments import EXPERIMENTS
from headwater.study.kept import Kept, fingerprint


@dataclass(frozen=True)
class Point:
    x: float


def test_rows_come_back_as_they_were(tmp_path):
    store = Kept(tmp_path / "new", "1")
    rows = [{"a": 1, "b": 2.5, "c": "word", "d": None, "e": True, "f": float("inf")}]
    store.put(Point(0.1), rows)
    assert store.get(Point(0.1)) == rows
    assert store.get(Point(0.2)) is None
    assert Kept(tmp_path / "new", "2").get(Point(0.1)) is None
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".msgpack"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written to"):
        Kept(tmp_path / "file", "1").put(Point(0.1), [])


SOURCE = """
STEPS = {steps}
CAPTION = {caption!r}

def measure(point):
    return helper(point)

def helper(point):
    return [{{"y": STEPS * {factor}}}]

def says(table):
    return [CAPTION]
"""


def module(folder: Path, monkeypatch: pytest.MonkeyPatch, **values: object) -> ModuleType:
    path = folder / f"{'-'.join(map(str, values.values()))}.py".replace(" ", "_")
    path.write_text(SOURCE.format(**values))
    spec = importlib.util.spec_from_file_location("headwater.study.pretended", path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
    return made


def test_the_code_that_measures_decides_and_no_other(tmp_path, monkeypatch):
    def of(**values: object) -> str:
        return fingerprint(
            module(tmp_path, monkeypatch, **({"steps": 3, "caption": "a", "factor": 2} | values)).measure
        )

    assert of() == of() == of(caption="b")
    assert len({of(), of(steps=4), of(factor=5)}) == 3


def test_what_the_experiments_import_inside_of_functions_belongs_to_it():
    depth = next(each for each in EXPERIMENTS if each.name == "depth")
    sources = "\n".join(kept._sources(depth.measure, set()))
    for part in ("def train_together", "def mlp", "BATCH_SIZE = 64", "def load_dataset", "WIDTH = 64"):
        assert part in sources
    assert "_shallow_and_deep" not in sources
