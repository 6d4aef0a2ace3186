"""Finds the line of a class that assigns an attribute, from its source: for modules whose construction nobody saw."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import CodeType, FunctionType

from headwater.records import SourceLine


@dataclass(frozen=True)
class Scope:
    """A method: its class, the file, and its syntax with the line numbers of that file."""

    owner: type
    file: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes in the order of the source."""
        placed = [node for node in ast.walk(self.tree) if hasattr(node, "lineno")]
        return tuple(sorted(placed, key=lambda node: (_line(node), getattr(node, "col_offset", 0))))

    @cached_property
    def repeated(self) -> frozenset[ast.AST]:
        """The nodes inside loops."""
        loops = [node for node in self.nodes if isinstance(node, ast.For | ast.While)]
        return frozenset(node for loop in loops for node in ast.walk(loop) if node is not loop)


@dataclass(frozen=True)
class Assignment:
    """An expression that makes a module, the method that it stands in, and the attribute that it is assigned to."""

    scope: Scope
    value: ast.expr
    attribute: str | None = None

    @property
    def place(self) -> SourceLine:
        """Where the expression begins."""
        return SourceLine(self.scope.file, _line(self.value))


@cache
def assignment(owner: type, attribute: str, kind: str) -> Assignment | None:
    """Returns the expression that a class assigns to ``self.<attribute>``.

    Args:
        owner: the class; its bases are searched after it, and ``__init__`` before other methods.
        attribute: name of the attribute, also when ``add_module`` or ``setattr`` sets it.
        kind: class name of what is there now; decides between several assignments (the arms of an ``if``).
    """
    for scope in _scopes(owner):
        found = [Assignment(scope, value, attribute) for node in scope.nodes for value in _assigned(node, attribute)]
        if found:
            return next((each for each in found if made_by(each.value) == kind), found[-1])
    return None


@cache
def base_call(owner: type) -> Assignment | None:
    """Returns the call ``super().__init__(...)`` by which a subclass of a container fills itself."""
    for scope in _scopes(owner):
        for node in scope.nodes:
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) == "super().__init__":
                return Assignment(scope, node)
    return None


def made_by(value: ast.expr) -> str:
    """Name of the class or function that an expression calls: ``nn.Linear(3, 4)`` gives ``"Linear"``."""
    if not isinstance(value, ast.Call):
        return ""
    return dotted(value.func).rpartition(".")[2]


def dotted(value: ast.expr) -> str:
    """A name with its attributes as it is written: ``self.layers.append``; nothing for another expression."""
    if isinstance(value, ast.Name):
        return value.id
    return f"{dotted(value.value)}.{value.attr}" if isinstance(value, ast.Attribute) else ""


def _assigned_to_attribute(node: ast.AST, attribute: str) -> Iterator[ast.expr]:
    """The values that a statement assigns to ``self.<attribute>``, in so many words."""
    yield from _values(node, f"self.{attribute}")


def assigned_to_name(node: ast.AST, name: str) -> Iterator[ast.expr]:
    """The values that a statement assigns to a local variable."""
    yield from _values(node, name)


def method(scope: Scope, name: str) -> Scope | None:
    """Another method of the same class."""
    return next((each for each in _scopes(scope.owner) if _named(each) == name), None)


def _assigned(node: ast.AST, attribute: str) -> Iterator[ast.expr]:
    yield from _assigned_to_attribute(node, attribute)
    if not isinstance(node, ast.Call):
        return
    called = dotted(node.func)
    if called in ("self.add_module", "self.register_module", "self.register_parameter") and len(node.args) == 2:
        name, value = node.args
    elif called == "setattr" and len(node.args) == 3:
        _, name, value = node.args
    else:
        return
    if _writes(name, attribute):
        yield value


def _values(node: ast.AST, wanted: str) -> Iterator[ast.expr]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    for target in targets:
        if value is None:
            continue
        if dotted(target) == wanted:
            yield value
        elif isinstance(target, ast.Tuple):
            both = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
            parts = value.elts if both and isinstance(value, ast.Tuple) else [value] * len(target.elts)
            yield from (part for inner, part in zip(target.elts, parts, strict=True) if dotted(inner) == wanted)


def _writes(name: ast.expr, attribute: str) -> bool:
    """Whether an expression for a name can give this one: a constant, an f-string, ``"fc%d" % i``, ``"fc" + i``."""
    return re.fullmatch(_pattern(name), attribute) is not None


def _pattern(name: ast.expr) -> str:
    if isinstance(name, ast.Constant):
        return re.escape(str(name.value))
    if isinstance(name, ast.JoinedStr):
        return "".join(_pattern(part) for part in name.values)
    if isinstance(name, ast.BinOp) and isinstance(name.op, ast.Add):
        return _pattern(name.left) + _pattern(name.right)
    if isinstance(name, ast.BinOp) and isinstance(name.left, ast.Constant):
        return re.sub(r"%\w", ".+", str(name.left.value))
    if isinstance(name, ast.Call) and isinstance(name.func, ast.Attribute) and name.func.attr == "format":
        return re.sub(r"\\{.*?\\}", ".+", _pattern(name.func.value))
    return ".+" if isinstance(name, ast.FormattedValue | ast.Call) else "(?!)"


@cache
def _scopes(owner: type) -> tuple[Scope, ...]:
    """The methods of a class and its bases, ``__init__`` first in each."""
    found: list[Scope] = []
    for each in owner.__mro__:
        if each.__name__ == "Module" and each.__module__ == "torch.nn.modules.module":
            break  # it builds nothing, and has some eighty methods to read
        functions = [inspect.unwrap(f) for f in vars(each).values() if isinstance(f, FunctionType)]
        functions.sort(key=lambda function: function.__name__ != "__init__")
        found += filter(None, (_scope(owner, function.__code__) for function in functions))
    return tuple(found)


def _scope(owner: type, code: CodeType) -> Scope | None:
    """Reads a method's source; there is none for generated code, nor where the file has changed its shape."""
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getblock(lines)))) if lines else None
    except (SyntaxError, tokenize.TokenError):
        return None
    if tree is None:
        return None
    return Scope(owner, code.co_filename, ast.increment_lineno(tree, code.co_firstlineno - 1))


def _named(scope: Scope) -> str:
    return next((node.name for node in scope.tree.body if isinstance(node, ast.FunctionDef)), "")


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))
