"""Gives the variables of inserted code names that nothing else bears."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator

from headwater.errors import PatchError
from headwater.records import Code

_STANDS_FOR = {"{model}": "_model_", "{optimizer}": "_optimizer_"}
"""Names as long as the placeholders, so that code with placeholders can be read as Python."""

_SCOPES = (ast.Lambda, ast.FunctionDef, ast.ClassDef)
"""What has variables of its own."""


def renamed(code: Code, is_taken: Callable[[str], bool]) -> Code:
    """Returns the code with other names for those of its variables whose names are taken: ``module_`` for ``module``.

    Args:
        code: with its placeholders, which are no variables.
        is_taken: whether a name means something where the code goes.

    Raises:
        PatchError: such a name stands in a string that is formatted, or in a comment that tells what to do with it.
    """
    before, after = _as_python(code.before), _as_python(code.after)
    for name in sorted(_bound(code)):
        new = name
        while is_taken(new):
            new += "_"
        if new != name:
            before, after = _exchanged(before, name, new), _exchanged(after, name, new)
    return Code(_as_code(before), _as_code(after), code.imports)


def lasting(code: Code) -> set[str]:
    """The variables that functions of the code look up later, so that no further code may use their names."""
    inner = [node for node in _nodes(code) if isinstance(node, _SCOPES)]
    used = {each.id for node in inner for each in ast.walk(node) if isinstance(each, ast.Name)}
    return _bound(code) & (used | {node.name for node in inner if not isinstance(node, ast.Lambda)})


def shares(code: Code) -> bool:
    """Whether what stands behind the optimizer uses a variable of what stands ahead of it."""
    used = {node.id for node in ast.walk(ast.parse(_as_python(code.after))) if isinstance(node, ast.Name)}
    return bool(_bound(Code(code.before)) & used)


def _as_python(text: str) -> str:
    for placeholder, name in _STANDS_FOR.items():
        text = text.replace(placeholder, name)
    return text


def _as_code(text: str) -> str:
    for placeholder, name in _STANDS_FOR.items():
        text = text.replace(name, placeholder)
    return text


def _nodes(code: Code) -> Iterator[ast.AST]:
    """The nodes of both parts, without those inside of functions and classes."""
    left: list[ast.AST] = [ast.parse(_as_python(part)) for part in (code.before, code.after)]
    while left:
        node = left.pop()
        yield node
        left += [] if isinstance(node, _SCOPES) else ast.iter_child_nodes(node)


def _bound(code: Code) -> set[str]:
    """The variables, functions and classes that the code makes."""
    nodes = list(_nodes(code))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _exchanged(text: str, name: str, new: str) -> str:
    """Exchanges a variable's name, and leaves attributes and keywords that are called the same."""
    keywords = {(node.lineno, node.col_offset) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.keyword)}
    lines = text.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for index in range(len(tokens) - 1, -1, -1):
        token, previous = tokens[index], tokens[index - 1].string if index else ""
        if token.type == tokenize.STRING and re.match(rf"(?i)r?f.*\b{name}\b", token.string, re.DOTALL):
            raise PatchError(f"the name {name} is taken")
        if token.type == tokenize.COMMENT and re.search(rf"\b{name}[.(]", token.string):
            raise PatchError(f"the name {name} is taken")
        if token.string == name and previous != "." and token.start not in keywords:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + new + lines[row - 1][column + len(name) :]
    return "".join(lines)
