"""The scripts of tests/source/fix_scripts, patched, train exactly as they do with the same change made live."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from headwater.monitor import models_of
from headwater.records import Change, Code, ReplaceCall, SourceLine
from headwater.source.writing import Patch, apply, patch
from tests.source.scripts import FOLDER, SCRIPTS, final

DEEP = [script.path for script in SCRIPTS if script.fault == "sigmoid"]
MODULE, FUNCTION = r"\b(nn?\.)?Sigmoid\(\)|\bact\(\)|\bact_layer\(\)|\bactivation\(\)", r"(?<!self)\.sigmoid\("
OPTIMIZER = r"\bSGD\(|make_optimizer\(model.parameters\(\)\)$|getattr\(torch.optim"
UNNAMED = {"config_string.py"}
"""What makes its activations from a string has no line that could be edited."""

DRAW = Code(
    before="""\
for module in {model}.modules():
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
""",
    after="{optimizer}.register_step_post_hook(lambda optimizer, *_: optimizer.param_groups[0].update(lr=0.04))",
    imports=("from torch import nn",),
)
INSTEAD = Code(
    before="""\
for module in list({model}.modules()):
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Sigmoid):
            setattr(module, name, nn.ReLU())
""",
    imports=("from torch import nn",),
)


def places(folder: Path, pattern: str) -> list[SourceLine]:
    """The lines of a script's files on which a pattern stands, the last file first: helpers come before the script."""
    found: list[SourceLine] = []
    for path in sorted(folder.glob("*.py")):
        with tokenize.open(path) as file:
            found += [SourceLine(str(path), n) for n, line in enumerate(file, 1) if re.search(pattern, line.rstrip())]
    return found


def written(folder: Path) -> Patch:
    """ReLU in place of sigmoid, weights drawn for it, and a rate set in each step."""
    edits = [ReplaceCall(at, "Sigmoid", "torch.nn.ReLU") for at in places(folder, MODULE)]
    edits += [ReplaceCall(at, "sigmoid", "torch.nn.functional.relu") for at in places(folder, FUNCTION)]
    swap = Change("swap", "ReLU", ("0",), tuple(edits), instead=INSTEAD)
    return patch([swap, Change("draw", "He", ("0",), code=DRAW)], optimizer=places(folder, OPTIMIZER)[-1])


def run(script: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """Runs a script for a few steps."""
    with tokenize.open(script) as file:
        text = re.sub(r"\b200\b", "5", re.sub(r"\b15\b", "1", file.read()))
    main, said = ModuleType("__main__"), io.StringIO()
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.syspath_prepend(str(script.parent))
    for name in ("network", "optimizers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with contextlib.redirect_stdout(said):
        exec(compile(text, str(script), "exec", dont_inherit=True), main.__dict__)
    return final(said.getvalue())


def change_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same change without any source: other functions, and weights drawn when the optimizer is made."""
    monkeypatch.setattr(nn.Sigmoid, "forward", lambda self, x: torch.relu(x))
    monkeypatch.setattr(torch, "sigmoid", torch.relu)
    monkeypatch.setattr(torch.Tensor, "sigmoid", lambda x: torch.relu(x))
    monkeypatch.setattr(nn.functional, "sigmoid", torch.relu)
    original = torch.optim.SGD.__init__

    def init(self: torch.optim.SGD, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        (model,) = models_of(p for group in self.param_groups for p in group["params"])
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.register_step_post_hook(lambda optimizer, *_: optimizer.param_groups[0].update(lr=0.04))

    monkeypatch.setattr(torch.optim.SGD, "__init__", init)


@pytest.mark.parametrize("name", DEEP)
def test_a_patched_script_trains_as_with_the_change_made_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    script = tmp_path / name
    if "/" in name:
        shutil.copytree((FOLDER / name).parent, script.parent)
    else:
        shutil.copy(FOLDER / name, script)
    with monkeypatch.context() as patches:
        before = run(script, patches)
        change_live(patches)
        live = run(script, patches)
    todo = written(script.parent)
    assert (todo.not_written, todo.snippet) == ((), "")
    assert ("isinstance(child, nn.Sigmoid)" in todo.diff) == (name in UNNAMED)  # the others are edited where they are
    apply(todo)
    with monkeypatch.context() as patches:
        after = run(script, patches)
    assert after == live != before
    if name not in UNNAMED:
        assert not places(script.parent, MODULE.partition("|")[0]) and not places(script.parent, FUNCTION)
