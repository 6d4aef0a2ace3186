"""Activations that are held under another name and called by it: changed where they are named, or left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from headwater.records import Change
from headwater.remedies import remedy
from headwater.source import recording
from headwater.source.writing import Patch, patch
from tests.remedies.test_activations import HEAD, broken_training, computes_as_written, imported

NET = """
class Net(nn.Module):
    def __init__(self{parameters}):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(9, 9) for _ in range(4))
        self.gate, self.last = nn.Linear(9, 9), nn.Linear(9, 3)
        {held}

    def forward(self, x):
        for layer in self.layers:
            x = {call}
        {more}
        return self.last(x)


def model():
    return {made}
"""
CALL = "self.act(layer(x))"
CHANGED = {
    "attribute": ("", "self.act = torch.sigmoid", CALL, "Net()", "self.act = F.gelu"),
    "default": (", act=F.sigmoid", "self.act = act", CALL, "Net()", "act=F.gelu"),
    "default of None": (", act=None", "self.act = act or torch.sigmoid", CALL, "Net()", "act or F.gelu"),
    "handed on by keyword": (", act", "self.act = act", CALL, "Net(act=torch.sigmoid)", "Net(act=F.gelu)"),
    "handed on by position": (", act", "self.act = act", CALL, "Net(torch.sigmoid)", "Net(F.gelu)"),
    "constant": ("", "pass", "ACT(layer(x))", "Net()\n\n\nACT = torch.sigmoid", "ACT = F.gelu"),
    "base class": (
        "",
        "pass",
        CALL,
        "Heir()\n\n\nclass Base(Net):\n    def __init__(self, act):\n        super().__init__()\n        self.act = act"
        "\n\n\nclass Heir(Base):\n    def __init__(self):\n        super().__init__(act=torch.sigmoid)",
        "super().__init__(act=F.gelu)",
    ),
    "class by default": (", act=nn.Sigmoid", "self.act = act()", CALL, "Net()", "act=nn.GELU"),
    "class by keyword": (", act", "self.act = act()", CALL, "Net(act=nn.Sigmoid)", "Net(act=nn.GELU)"),
}
UNSEEN = "hands sigmoid on to where its calls are not seen"
ATTRIBUTE = "self.act = torch.sigmoid"
ACT = "class Act:\n    def __init__(self, act):\n        self.act = act"
LEFT = {
    "a gate too": (ATTRIBUTE, CALL, "x = x + self.act(self.gate(x)) * self.gate(x)", "", "made in other places too"),
    "under two names": (
        "self.act = self.open = torch.sigmoid",
        CALL,
        "x = x + self.open(self.gate(x)) * self.gate(x)",
        "",
        "made in other places too",
    ),
    "called by another": (ATTRIBUTE, CALL, "x = x + next(map(self.act, [self.gate(x)])) * self.gate(x)", "", UNSEEN),
    "an entry of a table": ("self.act = ACTS['s']", CALL, "", "ACTS = {'s': torch.sigmoid}", "by name"),
    "handed to a library": (
        f"{ATTRIBUTE}; self.block = nn.TransformerEncoderLayer(9, 3, activation=self.act)",
        CALL,
        "",
        "",
        UNSEEN,
    ),
    "an argument": (ATTRIBUTE, "self.act(layer(x), out=None)", "", "", "whose arguments would change"),
    "a method": ("self.act = Config().act", CALL, "", "class Config:\n    act = torch.sigmoid", UNSEEN),
    "a table by keyword": ("self.act = act = CFG['act']", CALL, "", "CFG = dict(act=torch.sigmoid)", "by name"),
    "unpacked": ("Act.__init__(self, **CFG)", CALL, "", f"CFG = dict(act=torch.sigmoid)\n\n\n{ACT}", UNSEEN),
}


def swapped(path: Path, text: str) -> tuple[Patch, Change, nn.Module]:
    path.write_text(HEAD + text)
    torch.manual_seed(0)
    with recording():
        model = imported(path).model()
    found = broken_training(model)
    assert {units.kind for units in found.measurement.units} == {"sigmoid"}
    torch.manual_seed(1)
    change = remedy("activation-swap:gelu").apply(found)
    edits = Change(change.remedy, change.says, change.places, change.edits)
    return patch([edits], optimizer=None), change, found.model


@pytest.mark.parametrize("style", CHANGED)
def test_it_changes_where_it_is_named(style: str, tmp_path: Path) -> None:
    parameters, held, call, made, new = CHANGED[style]
    path = tmp_path / "net.py"
    text = NET.format(parameters=parameters, held=held, call=call, made=made, more="")
    edited, change, live = swapped(path, text)
    assert computes_as_written(edited, change, path, live)
    assert new in edited.files[0].new


@pytest.mark.parametrize("style", LEFT)
def test_it_is_left_where_not_all_of_its_calls_are_meant(style: str, tmp_path: Path) -> None:
    held, call, more, below, why = LEFT[style]
    text = NET.format(parameters="", held=held, call=call, made="Net()", more=more or "pass")
    edited, _, _ = swapped(tmp_path / "net.py", f"{text}\n\n{below}\n")
    assert edited.files == () and edited.snippet
    assert why in edited.not_written[0]


def test_relu6_is_found_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = NET.format(parameters="", held="pass", call="F.relu6(layer(x), inplace=True)", made="Net()", more="")
    path.write_text(HEAD + text)
    torch.manual_seed(0)
    with recording():
        model: Any = imported(path).model()
    with torch.no_grad():
        model.layers[1].bias.fill_(-30.0)  # dead
    found = broken_training(model)
    change = remedy("leaky-activation:leaky-relu").apply(found)
    edited = patch([change], optimizer=None)
    assert edited.not_written == () and "F.leaky_relu(layer(x), inplace=True)" in edited.files[0].new
    path.write_text(edited.files[0].new)
    written = imported(path).model()
    written.load_state_dict(model.state_dict())
    x = torch.randn(5, 9)
    assert torch.equal(written(x), model(x))
