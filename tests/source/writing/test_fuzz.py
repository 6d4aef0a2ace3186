"""Whatever the file looks like: the new text is Python, and what is not meant stays as it is, line by line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headwater.records import Code, ReplaceCall, SourceLine
from headwater.source.writing import patch
from tests.source.writing.builders import change

HEADS = [
    "import torch\nfrom torch import nn, optim",
    "import torch.nn as nn, torch.optim as optim",
    '"""Doc."""\nfrom __future__ import annotations\nimport torch; from torch import nn, optim',
    "#!/usr/bin/env python\n# coding: utf-8\nfrom torch.nn import (\n    Linear,\n    Sigmoid,  # é\n)\n"
    "from torch import optim",
    "from torch.nn import *\nfrom torch import optim",
    "try:\n    from torch import nn, optim\nexcept ImportError:\n    raise",
]
MAKES = [
    "x = {S}()",
    "layers += [L(2, 2), {S}()] * 3",
    "self.act: object = {S}()",
    "x = f(a,\n      {S}(),  # why\n      b)",
    "if a: x = {S}()",
    "for i in r: layers.append({S}()); n += 1",
    "x = [m for _ in r for m in (L(2, 2), {S}())]",
    "s = '''\nSigmoid()\n'''; x = {S}()",
    "x = \\\n    {S}()",
    "with f() as g: x = {S}(); y = 1  # end",
    "x = {S}() if a else None",
    "lambda: {S}()",
    "return {S}()",
    "yield {S}()",
    "assert {S}(), 'no'",
    "del a[{S}()]",
]
OPTIMIZERS = [
    "opt = optim.SGD(net.parameters(), lr=0.1)",
    "self.opt = optim.SGD(self.net.parameters(),\n    lr=0.1)  # why",
    "return optim.SGD(net.parameters())",
    "return {'o': optim.SGD(net.parameters()), 'x': 1}",
    "if a: opt = optim.SGD(net.parameters())\nelse: opt = None",
    "a = 1; opt = optim.SGD(net.parameters()); b = 2",
    "a, opt = 1, optim.SGD([{'params': net.a.parameters()}, {'params': net.b.parameters()}])",
    "opts.append(optim.SGD(net.parameters()))",
    "while (opt := optim.SGD(net.parameters())): pass",
    "opt = optim.SGD(ps)",
    "opt = [optim.SGD(net.parameters()) for net in nets]",
    "# the optimizer\n\n# of the net\nopt = optim.SGD(net.parameters())",
    "opt = f(lambda: optim.SGD(net.parameters()))",
    "x = '''\n# no comment'''\nopt = optim.SGD(net.parameters())",
]
FILLERS = ["", "pass", "# a comment", "a = {'b': 1}", "x = '''\n  text\n'''", "def f(): return 1", "@f\nclass A: b = 1"]
WRAPPERS = [
    ("{}", 0),
    ("def g(net, self, a, r):\n{}", 1),
    ("class T:\n    b = 1\n\n    async def g(net, self, a, r):\n{}", 2),
    ("if True:\n{}", 1),
]
BEFORE = "for module in {model}.modules():\n    if module:\n        print(module)"
CODE = Code(BEFORE, "rate = f({optimizer})", ("import torch", "from torch import nn"))


def indented(text: str, depth: int, unit: str) -> str:
    """Text deeper by some steps; insides of strings stay where they are."""
    lines, inside = [], False
    for line in text.split("\n"):
        lines.append(line if inside or not line else unit * depth + line)
        inside ^= line.count("'''") % 2 == 1
    return "\n".join(lines)


@st.composite
def sources(draw: st.DrawFn) -> str:
    head, unit = draw(st.sampled_from(HEADS)), draw(st.sampled_from(["    ", "\t", "  "]))
    sigmoid = "Sigmoid" if "Sigmoid" in head or "*" in head else "nn.Sigmoid"
    parts = [head]
    for statements in (MAKES, OPTIMIZERS):
        wrapper, depth = draw(st.sampled_from(WRAPPERS))
        lines = [draw(st.sampled_from(FILLERS)), draw(st.sampled_from(statements)), draw(st.sampled_from(FILLERS))]
        body = indented("\n".join(lines).replace("{S}", sigmoid), depth, unit)
        parts.append(wrapper.replace("{}", body).replace("    ", unit) if depth == 2 else wrapper.replace("{}", body))
    return "\n".join([*parts, draw(st.sampled_from(["", "\n", "\n\n# end\n"]))])


def spanned(source: str, line: int) -> set[int]:
    """The lines of the smallest statement around a line."""
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    around = [range(node.lineno, (node.end_lineno or 0) + 1) for node in statements]
    return set(min((lines for lines in around if line in lines), key=len))


def is_kept(old: list[str], new: list[str]) -> bool:
    """Whether the old lines are among the new ones, in their order."""
    rest = iter(new)
    return all(line in rest for line in old)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=sources(), newline=st.sampled_from(["\n", "\r\n"]), coded=st.booleans())
def test_a_patch_is_python_and_touches_nothing_else(tmp_path: Path, source: str, newline: str, coded: bool) -> None:
    try:
        ast.parse(source)
    except SyntaxError:
        assume(False)
    lines = source.split("\n")
    (made,) = [n for n, line in enumerate(lines, 1) if "Sigmoid()" in line and line != "Sigmoid()"]
    (at,) = [n for n, line in enumerate(lines, 1) if "optim.SGD(" in line]
    path = tmp_path / "train.py"
    path.write_bytes(source.replace("\n", newline).encode())
    edits = [
        ReplaceCall(SourceLine(str(path), made), "Sigmoid", "torch.nn.ReLU"),
        ReplaceCall(SourceLine(str(path), at), "SGD", "torch.optim.Adam", ("lr",), {"lr": "0.5"}),
    ]
    todo = patch([*map(change, edits), change(code=CODE if coded else None)], optimizer=SourceLine(str(path), at))
    assert len(todo.not_written) <= (1 if coded else 0)  # the calls are there: nothing hinders their exchange
    (file,) = todo.files
    ast.parse(file.new)
    assert file.new.count("\n") == file.new.count(newline)
    meant = spanned(source, made) | spanned(source, at) | {n for n, line in enumerate(lines, 1) if "import" in line}
    meant |= {n for n, line in enumerate(lines, 1) if line.strip() in ("Linear,", "Sigmoid,  # é", ")")}
    assert is_kept([line for n, line in enumerate(lines, 1) if n not in meant], file.new.split(newline))
    assert file.new.count("ReLU()") == 1 and file.new.count("Adam(") == 1
    assert not re.search(r"(?<!')\bSigmoid\(\)", file.new.replace("\nSigmoid()", ""))
