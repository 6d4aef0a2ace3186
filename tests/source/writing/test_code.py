"""Code around the statement that builds the optimizer, and before the return of what makes the model."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.records import Code
from headwater.source.writing import patch
from tests.source.writing.builders import change, patched, place, refusal, written

BEFORE, AFTER = "start({model})", "schedule({optimizer})\nif True:\n    pass"
BOTH, FIRST, LAST = Code(BEFORE, AFTER), Code(BEFORE), Code(after=AFTER)

AROUND = {
    "a name": (
        "opt = SGD(net.parameters())  # here\nrest()\n",
        "start(net)\nopt = SGD(net.parameters())  # here\nschedule(opt)\nif True:\n    pass\nrest()\n",
    ),
    "the end of the file": (
        "opt = SGD(net.parameters())  # here",
        "start(net)\nopt = SGD(net.parameters())  # here\nschedule(opt)\nif True:\n    pass",
    ),
    "groups": (
        'opt = SGD([{"params": net.a.parameters()}, {"params": net.b.parameters()}])  # here\n',
        'start(net)\nopt = SGD([{"params": net.a.parameters()}, {"params": net.b.parameters()}])  # here\n'
        "schedule(opt)\nif True:\n    pass\n",
    ),
    "parameters in a variable": (
        "ps = [p for p in net.parameters() if p.requires_grad]\nopt = SGD(ps)  # here\n",
        "ps = [p for p in net.parameters() if p.requires_grad]\nstart(net)\nopt = SGD(ps)  # here\n"
        "schedule(opt)\nif True:\n    pass\n",
    ),
    "an attribute, with its comment, and tabs": (
        "class T:\n\tdef __init__(self):\n\t\t# step\n\t\tself.o: Any = SGD(self.net.parameters())  # here\n",
        "class T:\n\tdef __init__(self):\n\t\tstart(self.net)\n\t\t# step\n"
        "\t\tself.o: Any = SGD(self.net.parameters())  # here\n\t\tschedule(self.o)\n\t\tif True:\n\t\t\tpass\n",
    ),
    "a return": (
        "class L(LightningModule):\n    def optimizers(self):\n"
        "        return SGD(\n            self.parameters(),\n        )  # here\n",
        "class L(LightningModule):\n    def optimizers(self):\n        start(self)\n"
        "        optimizer = SGD(\n            self.parameters(),\n        )\n        schedule(optimizer)\n"
        "        if True:\n            pass\n        return optimizer  # here\n",
    ),
    "a part of a module": (
        "class L(Module):\n    def f(self):\n        self.o = SGD(self.net.parameters())  # here\n",
        "class L(Module):\n    def f(self):\n        start(self)\n        self.o = SGD(self.net.parameters())  # here\n"
        "        schedule(self.o)\n        if True:\n            pass\n",
    ),
    "an item of something": (
        'optimizer = 1\nd = {"opt": SGD(net.parameters())}  # here\n',
        "optimizer = 1\nstart(net)\noptimizer_ = SGD(net.parameters())\nschedule(optimizer_)\nif True:\n    pass\n"
        'd = {"opt": optimizer_}  # here\n',
    ),
    "semicolons": (
        "net = N(); opt = SGD(net.parameters()); rest()  # here\n",
        "net = N()\nstart(net)\nopt = SGD(net.parameters())\nschedule(opt)\nif True:\n    pass\nrest()  # here\n",
    ),
    "an arm in one line": (
        "def f(net):\n  if a: opt = SGD(net.parameters())  # here\n  else: opt = None\n",
        "def f(net):\n  if a:\n    start(net)\n    opt = SGD(net.parameters())  # here\n    schedule(opt)\n"
        "    if True:\n      pass\n  else: opt = None\n",
    ),
    "a function in one line": (
        "def make(net): return SGD(net.parameters())  # here\n",
        "def make(net):\n    start(net)\n    optimizer = SGD(net.parameters())\n    schedule(optimizer)\n"
        "    if True:\n        pass\n    return optimizer  # here\n",
    ),
    "a walrus": (
        "train(net, (opt := SGD(net.parameters())))  # here\n",
        "start(net)\nopt = SGD(net.parameters())\nschedule(opt)\nif True:\n    pass\ntrain(net, (opt))  # here\n",
    ),
    "two names for it": (
        "self.o = o = SGD(net.parameters())  # here\n",
        "start(net)\noptimizer = SGD(net.parameters())\nschedule(optimizer)\nif True:\n    pass\n"
        "self.o = o = optimizer  # here\n",
    ),
    "several names": (
        "a, opt = 1, SGD(net.parameters())  # here\n",
        "start(net)\na, opt = 1, SGD(net.parameters())  # here\nschedule(opt)\nif True:\n    pass\n",
    ),
    "what a function gives": (
        "opt, sched = make(net.parameters())  # here\n",
        "start(net)\nopt, sched = make(net.parameters())  # here\nschedule(opt)\nif True:\n    pass\n",
    ),
    "a function that gets the parameters": (
        "def make(ps): return SGD(ps)  # here\ndef main(net):\n    opt = make(net.parameters())\n",
        "def make(ps): return SGD(ps)  # here\ndef main(net):\n    start(net)\n    opt = make(net.parameters())\n"
        "    schedule(opt)\n    if True:\n        pass\n",
    ),
    "two arms": (
        "o = SGD(net.parameters()) if a else Adam(net.parameters())  # here\n",
        "start(net)\no = SGD(net.parameters()) if a else Adam(net.parameters())  # here\nschedule(o)\n"
        "if True:\n    pass\n",
    ),
}


@pytest.mark.parametrize("case", AROUND)
def test_code_stands_around_the_statement_that_builds_the_optimizer(tmp_path: Path, case: str) -> None:
    old, new = AROUND[case]
    head = "from torch.optim import *\n"
    path = written(tmp_path / "train.py", head + old)
    assert patched(path, change(code=BOTH), optimizer=place(path, "# here")) == head + new
    written(path, (head + old).replace("\n", "\r\n"))
    assert patched(path, change(code=BOTH), optimizer=place(path, "# here")) == (head + new).replace("\n", "\r\n")


DEFINING = Code(
    "w = 3\n@cached\ndef wide(x):\n    return x * w\n\nclass Kept:\n    pass\nuse({model})", "def late():\n    pass"
)
DEFINED = {
    "in a file": (
        "net = Net()\nopt = SGD(net.parameters())  # here\nrun()\n",
        "net = Net()\nw = 3\n\n\n@cached\ndef wide(x):\n    return x * w\n\n\nclass Kept:\n    pass\n\n\nuse(net)\n"
        "opt = SGD(net.parameters())  # here\n\n\ndef late():\n    pass\n\n\nrun()\n",
    ),
    "where blank lines are, and at an end": (
        "opt = SGD(net.parameters())  # here\n\n\n\n",
        "w = 3\n\n\n@cached\ndef wide(x):\n    return x * w\n\n\nclass Kept:\n    pass\n\n\nuse(net)\n"
        "opt = SGD(net.parameters())  # here\n\n\ndef late():\n    pass\n\n\n\n",
    ),
    "in a function": (
        "def f(net):\n    opt = SGD(net.parameters())  # here\n\n    run()\n",
        "def f(net):\n    w = 3\n\n    @cached\n    def wide(x):\n        return x * w\n\n"
        "    class Kept:\n        pass\n\n    use(net)\n"
        "    opt = SGD(net.parameters())  # here\n\n    def late():\n        pass\n\n    run()\n",
    ),
}


@pytest.mark.parametrize("case", DEFINED)
def test_blank_lines_stand_around_functions_and_classes(tmp_path: Path, case: str) -> None:
    old, new = DEFINED[case]
    head = "from torch.optim import SGD\n"
    path = written(tmp_path / "train.py", head + old)
    assert patched(path, change(code=DEFINING), optimizer=place(path, "# here")) == head + new


def test_a_function_that_opens_a_block_needs_no_blank_line_ahead(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "def f(net):\n    opt = SGD(net.parameters())  # here\n")
    code = Code(before="def wide():\n    pass")
    new = "def f(net):\n    def wide():\n        pass\n\n    opt = SGD(net.parameters())  # here\n"
    assert patched(path, change(code=code), optimizer=place(path, "# here")) == new


REFUSED = {
    "opt = SGD(params)  # here\n": "does not tell what the model is called",
    "make = lambda net: SGD(net.parameters())  # here\n": "does not tell what the optimizer is called",
    "opts = [SGD(net.parameters()) for net in nets]  # here\n": "does not tell what the optimizer is called",
    "a, b = SGD(net.parameters()), SGD(net.parameters())  # here\n": "several optimizers",
    "with SGD(net.parameters()) as opt:  # here\n    pass\n": "the head of a block",
    "opt = SGD(one.parameters() + other.parameters())  # here\n": "does not tell what the model is called",
    "def f(net):\n    return SGD(net.parameters()) if a else Adam(net.parameters())  # here\n": (
        "does not tell what the optimizer is called"
    ),
    "def f(ps):\n    return SGD(ps), 1  # here\nf(net.parameters())\n": "does not tell what the model is called",
    "x = 1  # here\n": "no optimizer",
}


@pytest.mark.parametrize("source", REFUSED)
def test_code_that_has_no_place_becomes_a_snippet(tmp_path: Path, source: str) -> None:
    path = written(tmp_path / "train.py", "from torch.optim import SGD, Adam\n" + source)
    made = refusal(change(code=BOTH), optimizer=place(path, "# here"))
    assert REFUSED[source] in made.not_written[0]
    assert made.snippet == (
        "# before the optimizer is built\nstart(model)\n\n"
        "# after the optimizer is built\nschedule(optimizer)\nif True:\n    pass"
    )


LOADING = {
    "under a condition": (
        "net = Net().cuda()\nnet = net.to(0)\n\n# resume\nif exists(path):\n"
        "    net.load_state_dict(torch.load(path))\nopt = SGD(net.parameters())  # here\n",
        "net = Net().cuda()\nnet = net.to(0)\n\nstart(net)\n# resume\nif exists(path):\n"
        "    net.load_state_dict(torch.load(path))\nopt = SGD(net.parameters())  # here\n",
    ),
    "into a parameter": (
        "def train(net):\n    state = torch.load(path); net.load_state_dict(state)\n    net.train()\n"
        "    return SGD(net.parameters())  # here\n",
        "def train(net):\n    start(net)\n    state = torch.load(path); net.load_state_dict(state)\n    net.train()\n"
        "    return SGD(net.parameters())  # here\n",
    ),
    "by a function": (
        "def resume(net):\n    net.load_state_dict(torch.load(path))\n\n\nnet = Net()\nresume(net)\n"
        "opt = SGD(net.parameters())  # here\n",
        "def resume(net):\n    net.load_state_dict(torch.load(path))\n\n\nnet = Net()\nstart(net)\nresume(net)\n"
        "opt = SGD(net.parameters())  # here\n",
    ),
    "of the data": (
        "data = torch.load(path)\nnet = Net()\nopt = SGD(net.parameters())  # here\n",
        "data = torch.load(path)\nnet = Net()\nstart(net)\nopt = SGD(net.parameters())  # here\n",
    ),
    "behind the optimizer": (
        "net = Net()\nopt = SGD(net.parameters())  # here\nnet.load_state_dict(torch.load(path))\n",
        "net = Net()\nstart(net)\nopt = SGD(net.parameters())  # here\nnet.load_state_dict(torch.load(path))\n",
    ),
}


@pytest.mark.parametrize("case", LOADING)
def test_code_for_the_model_stands_ahead_of_weights_that_are_loaded(tmp_path: Path, case: str) -> None:
    old, new = LOADING[case]
    head = "import torch\nfrom torch.optim import SGD\n"
    path = written(tmp_path / "train.py", head + old)
    assert patched(path, change(code=FIRST), optimizer=place(path, "# here")) == head + new
    assert "start(" not in patched(path, change(code=Code(after="a({optimizer})")), optimizer=place(path, "# here"))


@pytest.mark.parametrize(
    "source",
    [
        "net = torch.load(path)\nopt = SGD(net.parameters())  # here\n",
        "def build():\n    net = Net()\n    net.load_state_dict(torch.load(path))\n    return net\n\n\n"
        "net = build()\nopt = SGD(net.parameters())  # here\n",
        "net = Net()\nnet.load_state_dict(torch.load(path))\nnet = Wrapped(net)\nopt = SGD(net.parameters())  # here\n",
        "net = Net()\nnet.load_state_dict(torch.load(path))\nif training:\n    opt = SGD(net.parameters())  # here\n",
    ],
)
def test_code_that_would_overwrite_loaded_weights_becomes_a_snippet(tmp_path: Path, source: str) -> None:
    path = written(tmp_path / "train.py", "import torch\nfrom torch.optim import SGD\n" + source)
    made = refusal(change(code=FIRST), optimizer=place(path, "# here"))
    assert "may load weights, which code behind it would overwrite" in made.not_written[0]
    assert "start(model)" in made.snippet


def test_in_a_factory_too(tmp_path: Path) -> None:
    load = "net.load_state_dict(torch.load(path))"
    source = f"import torch\ndef make():\n    net = Net()\n    with Here():\n        {load}\n    return net\n"
    source += f"def other():\n    {load}\n    return net.to(0)\n"
    path = written(tmp_path / "train.py", source)
    new = patched(path, change(code=FIRST), factory=loaded(path).make)
    assert new == source.replace("    with", "    start(net)\n    with")
    assert "may load weights" in refusal(change(code=FIRST), factory=loaded(path).other).not_written[0]


IMPORTS = {
    "import torch.nn as nn\n": "import torch\nimport torch.nn as nn\n",
    "import torch\n": "import torch\n",
    '"""Doc."""\n': '"""Doc."""\nimport torch\n',
    '"""Doc."""\nfrom __future__ import annotations\n\nimport os\n': (
        '"""Doc."""\nfrom __future__ import annotations\n\nimport os\nimport torch\n'
    ),
    "#!/usr/bin/env python\n# coding: utf-8\n\n": "#!/usr/bin/env python\n# coding: utf-8\nimport torch\n\n",
    "": "import torch\n",
}


@pytest.mark.parametrize("head", IMPORTS)
def test_what_the_code_needs_is_imported_once_and_where_imports_belong(tmp_path: Path, head: str) -> None:
    body = "def f(net):\n    opt = SGD(net.parameters())  # here\n"
    path = written(tmp_path / "train.py", head + body)
    code = Code("torch.a({model})", imports=("import torch",))
    new = patched(path, change(code=code), change(code=code), optimizer=place(path, "# here"))
    lines = "    torch.a(net)\n" * 2
    assert new == IMPORTS[head] + body.replace("    opt", f"{lines}    opt")


def test_each_name_of_an_import_is_added_where_it_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "from torch import nn\nopt = SGD(net.parameters())\n")
    code = Code("a({model})", imports=("from torch import Tensor, nn", "from typing import Any, Protocol"))
    new = patched(path, change(code=code), optimizer=place(path, "opt"))
    exec(new.partition("a(net)")[0], names := {})
    assert {"Tensor", "nn", "Any", "Protocol"} <= set(names)


def test_a_name_that_means_something_else_is_not_imported(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "import tensors as torch\nopt = SGD(net.parameters())\n")
    code = Code("torch.a({model})", imports=("import torch",))
    assert "the name torch" in refusal(change(code=code), optimizer=place(path, "opt")).not_written[0]


def test_changes_keep_their_order_and_later_ones_see_earlier_ones(tmp_path: Path) -> None:
    from headwater.records import ReplaceCall

    path = written(tmp_path / "train.py", "import torch\n\n\nopt = torch.optim.SGD(net.parameters(), lr=1)\n")
    at = place(path, "opt")
    adam = ReplaceCall(at, "SGD", "torch.optim.Adam")
    slower = ReplaceCall(at, "Adam", "torch.optim.Adam", arguments={"lr": "0.1"})
    one = change(adam, code=Code("one({model})", "two({optimizer})"))
    other = change(slower, code=Code("three({model})", "four({optimizer})"))
    assert patched(path, one, other, optimizer=at) == (
        "import torch\n\n\none(net)\nthree(net)\n"
        "opt = torch.optim.Adam(net.parameters(), lr=0.1)\ntwo(opt)\nfour(opt)\n"
    )


FACTORIES = {
    "a name": (
        "def make():\n    net = Net()\n    return net\n",
        "def make():\n    net = Net()\n    start(net)\n    return net\n",
    ),
    "an expression": (
        "@cache\ndef make():\n    return Net().to(0)  # cpu\n",
        "@cache\ndef make():\n    model = Net().to(0)\n    start(model)\n    return model  # cpu\n",
    ),
    "one line": ("def make(): return Net()\n", "def make():\n    model = Net()\n    start(model)\n    return model\n"),
    "a function inside": (
        "def make():\n    def block(): return Net()\n    return block()\n",
        "def make():\n    def block(): return Net()\n    model = block()\n    start(model)\n    return model\n",
    ),
}


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("users", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("case", FACTORIES)
def test_code_for_the_model_stands_before_the_return_of_its_factory(tmp_path: Path, case: str) -> None:
    old, new = FACTORIES[case]
    head = "from functools import cache\nNet = len\n\n\n"
    path = written(tmp_path / "train.py", head + old)
    assert patched(path, change(code=FIRST), factory=loaded(path).make) == head + new


def test_code_for_the_optimizer_of_a_factory_stands_where_that_is_built(tmp_path: Path) -> None:
    source = (
        "import torch\ndef make():\n    return torch.nn.Linear(1, 1)\n"
        "def optimizer(params):\n    return torch.optim.SGD(params)\n"
    )
    path = written(tmp_path / "train.py", source)
    new = patched(path, change(code=FIRST), change(code=LAST), optimizer=place(path, "SGD"), factory=loaded(path).make)
    assert new == (
        "import torch\ndef make():\n    model = torch.nn.Linear(1, 1)\n    start(model)\n    return model\n"
        "def optimizer(params):\n    optimizer_ = torch.optim.SGD(params)\n    schedule(optimizer_)\n"
        "    if True:\n        pass\n    return optimizer_\n"
    )


def test_factories_without_room_are_refused(tmp_path: Path) -> None:
    source = "make = lambda: 1\ndef two(a):\n    if a:\n        return 1\n    return 2\n"
    module = loaded(written(tmp_path / "train.py", source))
    assert "in a lambda" in refusal(change(code=FIRST), factory=module.make).not_written[0]
    assert "returns in 2 places" in refusal(change(code=FIRST), factory=module.two).not_written[0]
    assert "no function in a file" in refusal(change(code=FIRST), factory=Path).not_written[0]


def test_variables_of_the_code_get_names_of_their_own(tmp_path: Path) -> None:
    code = Code(
        "for module in {model}.modules():\n    module.module(module, module=1)",
        "rate = f({optimizer})\n{optimizer}.hook(lambda: rate.step())",
    )
    path = written(tmp_path / "train.py", "module = 1\nopt = make(net.parameters())\nrate = 2\n")
    new = patched(path, change(code=code), change(code=code), optimizer=place(path, "opt"))
    loop = "for module_ in net.modules():\n    module_.module(module_, module=1)\n"
    assert new == (
        f"module = 1\n{loop}{loop}opt = make(net.parameters())\n"
        "rate_ = f(opt)\nopt.hook(lambda: rate_.step())\nrate__ = f(opt)\nopt.hook(lambda: rate__.step())\nrate = 2\n"
    )


def test_a_model_that_bears_the_name_of_a_variable_of_the_code_stays_what_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "module = Net()\nopt = make(module.parameters())\n")
    code = Code("for module in {model}.modules():\n    print(module)")
    new = patched(path, change(code=code), optimizer=place(path, "opt"))
    assert "for module_ in module.modules():\n    print(module_)\n" in new


def test_a_class_of_the_code_gets_a_name_of_its_own_and_its_methods_keep_theirs(tmp_path: Path) -> None:
    code = Code(after="class Wide(Base):\n    def step(self):\n        super().step()\n\n{optimizer}.__class__ = Wide")
    path = written(
        tmp_path / "train.py", "opt = make(net.parameters())\nfor step in range(3):\n    opt.step()\nWide = 1\n"
    )
    new = patched(path, change(code=code), optimizer=place(path, "opt ="))
    assert "class Wide_(Base):\n    def step(self):\n        super().step()\n\n\nopt.__class__ = Wide_\n" in new


def test_nothing_is_put_behind_a_return(tmp_path: Path) -> None:
    source = "def f(net):\n    return make(net.parameters()) or make(net.parameters())\n"
    path = written(tmp_path / "train.py", source)
    code = Code(after="torch.compile({model})")
    assert "one of several ways" in refusal(change(code=code), optimizer=place(path, "return")).not_written[0]


def test_functions_and_classes_of_the_code_keep_their_insides(tmp_path: Path) -> None:
    code = Code(
        "class Plain(Base):\n    def forward(self, x):\n        y = x\n        return y\n{model}.part = Plain()"
    )
    path = written(tmp_path / "train.py", "forward = x = y = Plain = 1\nopt = make(net.parameters())\n")
    new = patched(path, change(code=code), optimizer=place(path, "opt"))
    assert [line for line in new.splitlines() if line][1:6] == [
        "class Plain_(Base):",
        "    def forward(self, x):",
        "        y = x",
        "        return y",
        "net.part = Plain_()",
    ]


def test_what_is_left_to_the_user_is_told_beside_the_diff(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "opt = make(net.parameters())\n")
    todo = replace(change(code=LAST), by_hand="write schedule.step(loss) into the loop")
    made = patch([todo], optimizer=place(path, "opt"))
    assert made.files and made.not_written == ("what was done: write schedule.step(loss) into the loop",)
    lost = patch([todo], optimizer=None)
    assert lost.not_written[0].endswith(
        "or builds that of another network, too; write schedule.step(loss) into the loop"
    )


def test_what_is_left_to_the_user_names_a_variable_that_is_there(tmp_path: Path) -> None:
    path = written(tmp_path / "train.py", "rate = 1\nopt = make(net.parameters())\n")
    code = Code(after="rate = schedule({optimizer})\n# after each step: rate.step(loss)")
    made = refusal(replace(change(code=code), by_hand="write rate.step(loss)"), optimizer=place(path, "opt"))
    assert "the name rate is taken; write rate.step(loss)" in made.not_written[0] and "rate = schedule" in made.snippet
