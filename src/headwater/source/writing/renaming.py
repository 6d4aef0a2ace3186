"""Gives the variables of inserted code names that nothing else bears."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator

from headwater.errors import PatchError
from headwater.records import Code

_PLACEHOLDERS = ("model", "optimizer")


def renamed(code: Code, is_taken: Callable[[str], bool]) -> Code:
    """Returns the code with other names for those of its variables whose names are taken: ``module_`` for ``module``.

    Args:
        code: with its placeholders, which are no variables.
        is_taken: whether a name means something where the code goes.

    Raises:
        PatchError: such a name stands in a string that is formatted.
    """
    before, after = code.before, code.after
    for name in sorted(_bound(code)):
        new = name
        while is_taken(new):
            new += "_"
        if new != name:
            before, after = _exchanged(before, name, new), _exchanged(after, name, new)
    return Code(before, after, code.imports)


def lasting(code: Code) -> set[str]:
    """The variables that functions of the code look up later, so that no further code may use their names."""
    inner = [node for node in _nodes(code) if isinstance(node, ast.Lambda | ast.FunctionDef)]
    used = {each.id for node in inner for each in ast.walk(node) if isinstance(each, ast.Name)}
    return _bound(code) & (used | {node.name for node in inner if isinstance(node, ast.FunctionDef)})


def _nodes(code: Code) -> Iterator[ast.AST]:
    for part in (code.before, code.after):
        yield from ast.walk(ast.parse(part))


def _bound(code: Code) -> set[str]:
    """The variables and functions that the code makes."""
    nodes = list(_nodes(code))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def _exchanged(text: str, name: str, new: str) -> str:
    """Exchanges a variable's name: neither that of an attribute nor of a keyword, nor a placeholder."""
    keywords = {(node.lineno, node.col_offset) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.keyword)}
    lines = text.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for index in range(len(tokens) - 1, -1, -1):
        token, previous = tokens[index], tokens[index - 1].string if index else ""
        if token.type == tokenize.STRING and re.match(rf"(?i)r?f.*\b{name}\b", token.string, re.DOTALL):
            raise PatchError(f"the name {name} is taken")
        is_placeholder = name in _PLACEHOLDERS and previous == "{" and tokens[index + 1].string == "}"
        if token.string == name and previous != "." and not is_placeholder and token.start not in keywords:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + new + lines[row - 1][column + len(name) :]
    return "".join(lines)
