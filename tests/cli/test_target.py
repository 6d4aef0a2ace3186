import sys

import pytest

from headwater.cli.target import load_setup
from headwater.errors import InputError

SOURCE = """
from dataclasses import dataclass

THREE = (1, 2, 3)


@dataclass
class Options:
    rate: float = 0.1


def three():
    return "model", ["batch"], "loss"


def four():
    return "model", ["batch"], None, Options()


def two():
    return "model", ["batch"]


def text():
    return "model"


def broken():
    raise KeyError("digits")
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "training.py").write_text(SOURCE)
    (tmp_path / "raises.py").write_text("import torch\n\n1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in {"mine", "raises"} or name.startswith(("package", "_checked_")):
            del sys.modules[name]


@pytest.mark.parametrize(
    "target", ["mine:three", "mine.py:three", "package.training:three", "package/training.py:three"]
)
def test_modules_and_files(target):
    setup = load_setup(target)
    assert (setup.model, setup.batches, setup.loss_fn, setup.optimizer) == ("model", ["batch"], "loss", None)


def test_an_absolute_path(tmp_path):
    assert load_setup(f"{tmp_path / 'mine.py'}:three").model == "model"


def test_a_fourth_value_is_the_optimizer():
    assert load_setup("mine.py:four").optimizer.rate == 0.1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("mine.py", "Expected a module and a function, got 'mine.py'"),
        ("mine:", "Expected a module and a function"),
        (":three", "Expected a module and a function"),
        ("missing.py:three", "There is no file .*missing.py"),
        ("missing:three", "Importing missing raised ModuleNotFoundError: No module named 'missing'$"),
        ("mine:five", "There is no function 'five' in mine. It has: Options, three, four, two, text, broken."),
        ("mine:THREE", "There is no function 'THREE'"),
        ("mine:two", "got 2 values"),
        ("mine:text", "got str"),
        ("mine:broken", r"mine:broken was called and raised KeyError: 'digits'\n  at .*mine.py:29"),
        ("raises.py:three", r"Importing raises.py raised ZeroDivisionError: division by zero\n  at .*raises.py:3"),
    ],
)
def test_what_cannot_be_used_is_named(target, message):
    with pytest.raises(InputError, match=message):
        load_setup(target)
