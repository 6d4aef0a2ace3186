"""Another function is called at a line: written as the file writes its own names, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.source.writing.builders import change, edit, patched, refusal, written

RELU, F_RELU, LEAKY = "torch.nn.ReLU", "torch.nn.functional.relu", "torch.nn.functional.leaky_relu"

MODULES = [
    ("from torch import nn\nx = nn.Sigmoid()  # here\n", "from torch import nn\nx = nn.ReLU()  # here\n"),
    ("import torch.nn as N\nx = N.Sigmoid()  # here\n", "import torch.nn as N\nx = N.ReLU()  # here\n"),
    ("import torch\nx = torch.nn.Sigmoid()  # here\n", "import torch\nx = torch.nn.ReLU()  # here\n"),
    (
        "from torch.nn import Linear, Sigmoid\nx = Sigmoid()  # here\n",
        "from torch.nn import Linear, Sigmoid, ReLU\nx = ReLU()  # here\n",
    ),
    (
        "from torch.nn import (\n    Linear,\n    Sigmoid,\n)\nx = Sigmoid()  # here\n",
        "from torch.nn import (\n    Linear,\n    Sigmoid,\n    ReLU,\n)\nx = ReLU()  # here\n",
    ),
    (
        "from torch.nn import ReLU, Sigmoid as S\nx = S()  # here\n",
        "from torch.nn import ReLU, Sigmoid as S\nx = ReLU()  # here\n",
    ),
    ("from torch.nn import *\nx = Sigmoid()  # here\n", "from torch.nn import *\nx = ReLU()  # here\n"),
    (
        "def f():\n    import torch.nn as nn\n    return nn.Sigmoid()  # here\n",
        "def f():\n    import torch.nn as nn\n    return nn.ReLU()  # here\n",
    ),
    (
        "from torch import nn\nlayers = [nn.Linear(2, 2), nn.Sigmoid()] * 9  # here\n",
        "from torch import nn\nlayers = [nn.Linear(2, 2), nn.ReLU()] * 9  # here\n",
    ),
    (
        'from torch import nn\nd = nn.ModuleDict({"act": nn.Sigmoid(), "out": nn.Tanh()})  # here\n',
        'from torch import nn\nd = nn.ModuleDict({"act": nn.ReLU(), "out": nn.Tanh()})  # here\n',
    ),
    (
        "from torch import nn\nx: nn.Module = (  # a comment\n    nn.Sigmoid ( )  # here\n)\n",
        "from torch import nn\nx: nn.Module = (  # a comment\n    nn.ReLU ( )  # here\n)\n",
    ),
    ("from torch import nn\r\nx = nn.Sigmoid()  # here\r\n", "from torch import nn\r\nx = nn.ReLU()  # here\r\n"),
    (
        "# -*- coding: latin-1 -*-\nfrom torch import nn\ns = 'é'; x = nn.Sigmoid()  # here",
        "# -*- coding: latin-1 -*-\nfrom torch import nn\ns = 'é'; x = nn.ReLU()  # here",
    ),
]


@pytest.mark.parametrize(("old", "new"), MODULES)
def test_a_module_is_built_by_another_class(tmp_path: Path, old: str, new: str) -> None:
    path = written(tmp_path / "train.py", old, "latin-1" if "latin-1" in old else "utf-8")
    assert patched(path, change(edit(path, "# here", "Sigmoid", RELU))) == new


FUNCTIONS = [
    ("import torch.nn.functional as F\ny = F.sigmoid(x)  # here\n", F_RELU, "F.relu(x)"),
    ("import torch.nn.functional as F\ny = F.sigmoid(x)  # here\n", "torch.relu", "F.relu(x)"),
    ("import torch\ny = torch.sigmoid(x)  # here\n", F_RELU, "torch.relu(x)"),
    ("import torch\ny = torch.sigmoid(x)  # here\n", LEAKY, "torch.nn.functional.leaky_relu(x)"),
    ("import torch\nfrom torch.nn import functional as F\ny = torch.sigmoid(x)  # here\n", LEAKY, "F.leaky_relu(x)"),
    ("import torch\ny = x.sigmoid()  # here\n", F_RELU, "x.relu()"),
    ("import torch\ny = torch.abs(x).sigmoid()  # here\n", F_RELU, "torch.abs(x).relu()"),
    ("import torch\ny = f(x).sigmoid()  # here\n", LEAKY, "torch.nn.functional.leaky_relu(f(x))"),
    ("import torch\ny = (self.a(x)\n     .sigmoid())  # here\n", F_RELU, "(self.a(x)\n     .relu())"),
]


@pytest.mark.parametrize(("source", "to", "new"), FUNCTIONS)
def test_a_function_gives_way_to_another(tmp_path: Path, source: str, to: str, new: str) -> None:
    path = written(tmp_path / "train.py", source)
    old = source.partition("y = ")[2].partition("  # here")[0]
    assert patched(path, change(edit(path, "# here", "sigmoid", to))) == source.replace(old, new)


def test_a_bare_function_is_imported_beside_the_old_one(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "from torch import sigmoid\ny = sigmoid(x)  # here\n")
    new = patched(path, change(edit(path, "# here", "sigmoid", F_RELU)))
    assert new == "from torch import sigmoid, relu\ny = relu(x)  # here\n"


ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("SGD(net.parameters(), lr=0.1)", {}, "Adam(net.parameters(), lr=0.1)"),
    ("SGD(net.parameters(), 0.1, 0.9)", {"keep": ("lr",)}, "Adam(net.parameters(), lr=0.1)"),
    ("SGD(net.parameters(), 0.1, 0.9)", {"keep": (), "arguments": {"lr": "1e-3"}}, "Adam(net.parameters(), lr=1e-3)"),
    ("SGD(params=p, momentum=0.9, lr = rate)", {"keep": ("lr",)}, "Adam(params=p, lr = rate)"),
    ("SGD(\n    p,\n    lr=0.1,\n)", {"arguments": {"eps": "1e-6"}}, "Adam(\n    p,\n    lr=0.1,\n    eps=1e-6,\n)"),
    ("SGD(\n    p,\n    lr=0.1,\n    momentum=0.9\n)", {"keep": ("lr",)}, "Adam(\n    p,\n    lr=0.1\n)"),
    ("SGD((p), (0.1))", {"keep": ("lr",)}, "Adam((p), lr=(0.1))"),
    ("SGD(p, momentum=0.9)", {"keep": ("lr",), "missing": {"lr": "1e-3"}}, "Adam(p, lr=1e-3)"),
    ("SGD(p, 0.1)", {"keep": ("lr",), "missing": {"lr": "1e-3"}}, "Adam(p, lr=0.1)"),
]


@pytest.mark.parametrize(("old", "more", "new"), ARGUMENTS)
def test_arguments_are_kept_by_their_keyword_dropped_and_set(
    tmp_path: Path, old: str, more: dict[str, Any], new: str
) -> None:
    path = written(tmp_path / "train.py", f"import torch\nopt = torch.optim.{old}  # here\n")
    got = patched(path, change(edit(path, "torch.optim", "SGD", "torch.optim.Adam", **more)))
    assert got == f"import torch\nopt = torch.optim.{new}  # here\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nn.RNN(10, 20)", "nn.GRU(10, 20)"),
        ('nn.RNN(10, 20, 2, "relu", False)', "nn.GRU(10, 20, num_layers=2, bias=False)"),
        ("nn.RNN(10, 20, 2, batch_first=True)", "nn.GRU(10, 20, num_layers=2, batch_first=True)"),
        ('nn.RNN(10, hidden_size=20, nonlinearity="relu")', "nn.GRU(10, hidden_size=20)"),
    ],
)
def test_the_arguments_of_a_recurrent_layer_are_known_though_its_signature_does_not_tell(
    tmp_path: Path, old: str, new: str
) -> None:
    path = written(tmp_path / "train.py", f"from torch import nn\nrnn = {old}\n")
    made = change(edit(path, "rnn =", "RNN", "torch.nn.GRU", keep=("num_layers", "bias", "batch_first")))
    assert patched(path, made) == f"from torch import nn\nrnn = {new}\n"


def test_names_that_are_all_imported_at_once_are_known(tmp_path: Path) -> None:
    source = "from math import *\nfrom torch.optim import *\nopt = SGD(p, 0.1, 0.9)\n"
    path = written(tmp_path / "train.py", source)
    made = change(edit(path, "opt =", "SGD", "torch.optim.SGD", arguments={"lr": "0.3"}))
    assert patched(path, made) == source.replace("0.1", "0.3")


@pytest.mark.parametrize("imports", ["from mine import SGD", "from mine import *"])
def test_positional_arguments_without_a_known_name_are_left(tmp_path: Path, imports: str) -> None:
    path = written(tmp_path / "train.py", f"{imports}\nopt = SGD(p, 0.1)\n")
    made = refusal(change(edit(path, "opt =", "SGD", "torch.optim.SGD", arguments={"lr": "0.3"})))
    assert "the names of the arguments of SGD in train.py are not known" in made.not_written[0]


GROUPS = [
    ('[{"params": p, "lr": 1}]', 1, "options of its own"),
    ('[{"params": p, "lr": 1}, {"params": q}]', 2, "options of its own"),
    ('[dict(params=p, lr=1), {"params": q}]', 2, "options of its own"),
    ('({"params": p, **more} for p in net)', 2, "options of its own"),
    ('[{"params": p}, {"params": q}, *others]', 2, "made elsewhere"),
    ("groups", 2, "made elsewhere"),
    ("groups(net.parameters())", 2, "made elsewhere"),
    ('[{"params": p}, {"params": q, "name": "q"}]', 2, ""),
    ("net.parameters()", 1, ""),
    ("net.parameters()", 2, ""),
    ("groups", 1, ""),
]


@pytest.mark.parametrize(("given", "count", "why"), GROUPS)
def test_an_option_that_a_group_may_have_of_its_own_is_none_of_the_call(
    tmp_path: Path, given: str, count: int, why: str
) -> None:
    source = f"from torch.optim import SGD\nopt = SGD({given}, lr=1)\n"
    path = written(tmp_path / "train.py", source)
    made = change(edit(path, "opt =", "SGD", "torch.optim.SGD", arguments={"lr": "2"}, groups=count))
    if why:
        assert why in refusal(made).not_written[0]
    else:
        assert patched(path, made) == source.replace("lr=1)", "lr=2)")


def test_groups_that_are_named_before_are_looked_at(tmp_path: Path) -> None:
    source = 'from torch.optim import SGD\ngroups = [{"params": p, "lr": 1}]\nopt = SGD(groups, lr=1)\n'
    path = written(tmp_path / "train.py", source)
    made = change(edit(path, "opt =", "SGD", "torch.optim.SGD", arguments={"lr": "2"}, groups=1))
    assert "options of its own" in refusal(made).not_written[0]


def test_the_same_function_gets_another_argument_and_keeps_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "from torch.optim import SGD as S\nopt = S(p, 3.0, 0.9)\n")
    changed = patched(path, change(edit(path, "opt =", "SGD", "torch.optim.SGD", arguments={"lr": "0.3"})))
    assert changed == "from torch.optim import SGD as S\nopt = S(p, 0.3, 0.9)\n"


UNWRAPPED = [
    ("return F.softmax(self.fc(x), dim=1)", "return self.fc(x)"),
    ("return self.fc(x).softmax(dim=-1)", "return self.fc(x)"),
    ("return 2 * F.softmax(a + b, 1)", "return 2 * (a + b)"),
    ("return loss(F.softmax(a + b, 1), y)", "return loss(a + b, y)"),
    ("return self.softmax(x)", "return x"),
    ("return F.relu(x).softmax(dim=-1)", "return F.relu(x)"),
    ("return F.relu(x)[0].softmax(-1)", "return F.relu(x)[0]"),
]


@pytest.mark.parametrize(("old", "new"), UNWRAPPED)
def test_a_call_gives_way_to_what_it_is_applied_to(tmp_path: Path, old: str, new: str) -> None:
    source = "import torch.nn.functional as F\ndef f(self, a, b, x, y):\n    {}\n"
    path = written(tmp_path / "train.py", source.format(old))
    assert patched(path, change(edit(path, "return", "softmax", ""))) == source.format(new)


def test_several_places_of_one_line_are_one_edit(tmp_path: Path) -> None:
    source = "from torch import nn\nlayers = [m for _ in range(9) for m in (nn.Linear(2, 2), nn.Sigmoid())]\n"
    path = written(tmp_path / "train.py", source)
    one = edit(path, "layers", "Sigmoid", RELU)
    assert patched(path, change(*[one] * 9)) == source.replace("Sigmoid", "ReLU")


def test_all_calls_on_the_line_change_and_none_on_the_next(tmp_path: Path) -> None:
    source = "import torch\ny = (torch.sigmoid(a) * torch.sigmoid(b)  # here\n     * torch.sigmoid(c))\n"
    path = written(tmp_path / "train.py", source)
    assert patched(path, change(edit(path, "# here", "sigmoid", F_RELU))) == source.replace("sigmoid", "relu", 2)


def test_calls_change_inside_of_each_other(tmp_path: Path) -> None:
    source = "import torch\ny = torch.sigmoid(f(torch.sigmoid(a)))\n"
    path = written(tmp_path / "train.py", source)
    assert patched(path, change(edit(path, "y =", "sigmoid", F_RELU, keep=()))) == source.replace("sigmoid", "relu")


def test_a_line_between_several_calls_names_none(tmp_path: Path) -> None:
    source = "import torch\ny = f(torch.sigmoid(a),\n    1,  # here\n    torch.sigmoid(c))\n"
    path = written(tmp_path / "train.py", source)
    assert "among several calls" in refusal(change(edit(path, "# here", "sigmoid", F_RELU))).not_written[0]


def test_a_class_that_is_handed_on_changes_where_it_is_named(tmp_path: Path) -> None:
    source = """
import torch.nn as nn
class Block(nn.Module):
    def __init__(self, width, layer=nn.Sigmoid):
        self.act = layer()  # here
    def forward(self, x):
        return self.act(x)
def net(act: type = nn.Sigmoid, gate=nn.Sigmoid):
    return [Block(3, act), Block(4, layer=act)], gate()
"""
    path = written(tmp_path / "train.py", source)
    made = change(edit(path, "# here", "Sigmoid", RELU))
    assert patched(path, made) == source.replace("layer=nn.Sigmoid", "layer=nn.ReLU").replace(
        "act: type = nn.Sigmoid", "act: type = nn.ReLU"
    )


REFUSED = {
    'import torch.nn as nn\nx = getattr(nn, cfg["act"])()  # here\n': "does not say by name",
    'import torch.nn as nn\nx = {"sigmoid": nn.Sigmoid()}[cfg]  # here\n': "chosen by a string",
    'import torch.nn as nn\nif cfg == "sigmoid":\n    x = nn.Sigmoid()  # here\n': "chosen by a string",
    'import torch.nn as nn\nx = nn.Sigmoid() if cfg == "sigmoid" else nn.Tanh()  # here\n': "chosen by a string",
    "import torch.nn as nn\ndef f(act=nn.Sigmoid):\n    x = act()  # here\n    y = act()\n": "in other places too",
    "x = 1  # here\n": "does not say by name",
    "class Sigmoid: pass\nx = Sigmoid()  # here\n": "a Sigmoid of its own",
}


@pytest.mark.parametrize("source", REFUSED)
def test_what_cannot_be_changed_safely_is_said_with_the_reason(tmp_path: Path, source: str) -> None:
    path = written(tmp_path / "train.py", source)
    made = refusal(change(edit(path, "# here", "Sigmoid", RELU)))
    assert REFUSED[source] in made.not_written[0]
    assert "torch.nn.ReLU in place of Sigmoid" in made.snippet
