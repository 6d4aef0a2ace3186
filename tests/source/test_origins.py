"""Source lines of layers: where each was built and where it is called, the user's own frame first."""

from __future__ import annotations

import copy
import io
import json
import linecache
import re
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

import headwater
from headwater.graph.frames import is_librarys, is_users
from headwater.records import Layer, SourceLine
from headwater.source import recording
from headwater.source.origins import built
from tests.source.userfile import line

BUILT = {
    "blocks.0.fc": "fc",
    "blocks.1.multi": "multi",
    "blocks.1": "blocks",
    "listed.1": "listed",
    "body.0": "body.0",
    "body.2": "body.2",
    "named.first": "named.first",
    "named.second": "named.second",
    "tail.0": "tail",
    "tail.2": "tail",
    "step0": "step",
    "step1": "step",
    "chosen.a": "chosen.a",
    "encoder.linear1": "encoder",
    "encoder.self_attn": "encoder",
    "tower.0": "tower.0",
    "tower.2": "tower.2",
}
CALLED = {
    "blocks.0.fc": "fc call",
    "blocks.1.fc": "fc call",
    "blocks.0.multi": "multi call",
    "blocks.0": "weight call",
    "listed.0": "listed call",
    "body.2": "body call",
    "named.first": "body call",
    "tail.0": "tail call",
    "step0": "tail call",
    "step1": "step1 call",
    "chosen.a": "chosen call",
    "encoder.linear2": "encoder call",
    "tower.2": "tower call",
}


def layers(setup: tuple[Any, ...]) -> dict[str, Layer]:
    return {layer.name: layer for layer in headwater.diagnose(*setup, steps=1).layers}


@pytest.mark.parametrize("seen", [False, True])
def test_every_layer_names_the_users_lines(user: ModuleType, seen: bool) -> None:
    if seen:
        with recording():
            setup = user.network()
    else:
        setup = user.network()
    found = layers(setup)
    for name, marker in BUILT.items():
        assert found[name].built == SourceLine(str(user.__file__), line(marker)), name
    for name, marker in CALLED.items():
        assert (found[name].file, found[name].line) == (user.__file__, line(marker)), name
    for name in ("body.0", "blocks.0.fc", "listed.1"):
        assert found[name].built_inside is None and found[name].called_inside is None


@pytest.mark.parametrize("seen", [False, True])
def test_a_librarys_own_line_follows(user: ModuleType, seen: bool) -> None:
    with recording() if seen else torch.enable_grad():
        setup = user.network()
    found = layers(setup)["encoder.linear1"]
    for place, said in ((found.built_inside, "self.linear1 = Linear("), (found.called_inside, "self.linear1(x)")):
        assert place is not None and place.file.endswith("transformer.py")
        assert said in linecache.getline(place.file, place.line)


def test_a_plain_sequential_is_built_where_it_was_recorded_and_called_nowhere(user: ModuleType) -> None:
    unseen = user.diagnosed(headwater)
    assert {layer.built for layer in unseen.layers} == {None}
    assert {(layer.file, layer.line) for layer in unseen.layers} == {(None, None)}  # not where Headwater was called
    with recording():
        seen = user.diagnosed(headwater)
    places = [layer.built.line if layer.built else None for layer in seen.layers]
    assert places == [line("plain.0")] + 3 * [line("plain.rest")]


@pytest.mark.skipif(find_spec("timm") is None, reason="needs timm (extra: test)")
@pytest.mark.filterwarnings("ignore")
def test_a_timm_model(user: ModuleType) -> None:
    from benchmarks.zoo.entry import register_missing_operators

    register_missing_operators()
    with recording():
        setup = user.vision()
    found = layers(setup)["blocks.0.mlp.fc1"]
    assert found.built == SourceLine(str(user.__file__), line("vision"))
    assert found.built_inside and found.built_inside.file.endswith("timm/layers/mlp.py")
    assert found.called_inside and "self.fc1(x)" in linecache.getline(
        found.called_inside.file, found.called_inside.line
    )
    assert found.file is None
    unseen = layers(user.vision())["blocks.0.mlp.fc1"]
    assert (unseen.built, unseen.built_inside) == (None, found.built_inside)


def test_a_finding_names_both_lines(user: ModuleType) -> None:
    with recording():
        hidden = [layer for _ in range(20) for layer in (nn.Linear(8, 8), nn.Sigmoid())]
    model = user.Tower(8)
    model.extend([*hidden, nn.Linear(8, 8)])
    report = headwater.diagnose(model, user.data(), nn.CrossEntropyLoss())
    where = next(finding.where for finding in report.findings if finding.code == "HW101")
    assert where.module == "0" and where.built == SourceLine(str(user.__file__), line("tower.0"))
    assert where.file is None
    said = f"at {user.__file__}:{line('tower.0')}, in 0"
    assert said in re.sub("<.*?>", "", report.to_html())
    console = Console(file=io.StringIO(), width=80)
    report.print(console)
    assert said in console.file.getvalue()  # type: ignore[attr-defined]
    (finding,) = [each for each in json.loads(report.to_json())["findings"] if each["code"] == "HW101"]
    assert finding["where"]["built"] == {"file": user.__file__, "line": line("tower.0")}


def test_recording_leaves_nothing_behind() -> None:
    original = nn.Module.__init__
    with pytest.raises(ZeroDivisionError), recording():
        assert nn.Module.__init__ is not original
        model = nn.Linear(2, 2)
        keys = set(vars(model))
        raise ZeroDivisionError
    assert nn.Module.__init__ is original
    assert keys == set(vars(nn.Linear(2, 2)))


def test_a_copy_and_an_equal_module_are_not_mistaken_for_the_recorded_one() -> None:
    class Same(nn.Linear):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    with recording():
        model = Same(2, 2)
    assert built(model, "weight").own is not None
    assert built(copy.deepcopy(model), "weight").own is None
    assert built(Same(2, 2), "weight").own is None


def test_what_cannot_be_told_is_not_guessed(user: ModuleType) -> None:
    model = user.Net()
    model.late = nn.Linear(8, 8)  # set from outside: no class says so
    assert built(model, "late").own is None
    made = {}
    exec("from torch import nn\nclass M(nn.Module):\n    def __init__(s):\n        super().__init__()\n", made)
    generated = made["M"]()
    generated.fc = nn.Linear(2, 2)
    assert built(generated, "fc").own is None


def test_whose_code_a_file_is() -> None:
    for file in ("/home/me/net.py", "<ipython-input-3-1f2e>", "/tmp/ipykernel_7/12.py", "<stdin>"):
        assert is_users(file) and not is_librarys(file)
    for file in (torch.__file__, headwater.__file__, linecache.__file__, "<string>", "<frozen runpy>"):
        assert not is_users(file)
    assert is_librarys(str(Path(pytest.__file__))) and not is_librarys(nn.Linear.__init__.__code__.co_filename)


def test_a_notebook_cell(capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "from torch import nn\nclass M(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(2, 2)\n    def forward(self, x):\n        return self.fc(x)\n"
    )
    name = "<ipython-input-4-ab12>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    cell: dict[str, Any] = {}
    exec(compile(source, name, "exec"), cell)
    layer = layers((cell["M"](), [(torch.randn(4, 2), torch.randn(4, 2))], nn.MSELoss()))["fc"]
    assert layer.built == SourceLine(name, 5)
    assert (layer.file, layer.line) == (name, 7)
