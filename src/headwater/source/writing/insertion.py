"""Puts lines of code ahead of a statement and behind it, whatever it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile
from operator import not_

import libcst as cst

from headwater.source.writing.document import Document, Splice

_CELLS = ("# %%", "# In[", "# COMMAND")
"""Comments that part the cells of an exported notebook: code stays behind them."""


def inserted(
    document: Document, statement: cst.BaseSmallStatement, ahead: Sequence[str], behind: Sequence[str]
) -> list[Splice]:
    """Returns what puts lines around a statement, indented as it is.

    A statement that shares its line with others (``a; b``, ``if a: b``) gets one of its own.
    """
    block = next(document.parents(statement))
    assert isinstance(block, cst.SimpleStatementLine | cst.SimpleStatementSuite)
    indent = _indent(document, block)
    position = list(block.body).index(statement)
    start, end = document.start(statement), document.end(statement)
    top = _top(document, block) if isinstance(block, cst.SimpleStatementLine) and position == 0 else None
    ahead = _indented(document, indent, ahead, top)
    last = position + 1 == len(block.body)
    behind = _indented(document, indent, behind, _next_line(document, end) if last else None)
    splices: list[Splice] = []
    if isinstance(block, cst.SimpleStatementSuite):
        first = document.start(block.body[0])
        colon = len(document.text[:first].rstrip(" \t"))
        splices.append(_parted(document, colon, first, ahead if position == 0 else [], indent))
    elif top is not None and ahead:
        splices.append(Splice(top, top, "".join(line + document.newline for line in ahead)))
    if position > 0 and ahead:
        splices.append(_parted(document, document.end(block.body[position - 1]), start, ahead, indent))
    if behind and position + 1 < len(block.body):
        splices.append(_parted(document, end, document.start(block.body[position + 1]), behind, indent))
    elif behind:
        splices.append(below(document, document.line(end), behind))
    return splices


def above(document: Document, statement: cst.CSTNode, lines: Sequence[str]) -> list[Splice]:
    """Returns what puts lines ahead of a statement, which may be a compound one."""
    if isinstance(statement, cst.BaseSmallStatement):
        return inserted(document, statement, lines, [])
    assert isinstance(statement, cst.BaseCompoundStatement)
    top, start = _top(document, statement), document.start(statement)
    indent = document.text[document.starts[document.line(start) - 1] : start]
    text = "".join(line + document.newline for line in _indented(document, indent, lines, top))
    return [Splice(top, top, text)]


def at_end(document: Document, function: cst.FunctionDef, lines: Sequence[str]) -> list[Splice]:
    """Returns what puts lines at the end of a function."""
    last = function.body.body[-1]
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    if isinstance(last, cst.BaseSmallStatement):
        return inserted(document, last, [], lines)
    start = document.start(last)
    indent = document.text[document.starts[document.line(start) - 1] : start]
    inside = [each for each in document.of(cst.BaseSmallStatement) if last in document.parents(each)]
    end = max(map(document.end, inside))
    return [below(document, document.line(end), _indented(document, indent, lines, _next_line(document, end)))]


def below(document: Document, line: int, lines: Sequence[str]) -> Splice:
    """Returns what puts lines below a line, which may be the last one and may have no end."""
    if line < len(document.starts):
        start = document.starts[line]
        return Splice(start, start, "".join(each + document.newline for each in lines))
    end = len(document.text)
    return Splice(end, end, "".join(document.newline + each for each in lines))


def _parted(document: Document, start: int, end: int, lines: Sequence[str], indent: str) -> Splice:
    """Lines in place of what parts two statements on one line."""
    return Splice(start, end, document.newline.join(["", *lines, indent]))


def _next_line(document: Document, offset: int) -> int:
    """Where the line behind that of an offset begins, or the file ends."""
    line = document.line(offset)
    return document.starts[line] if line < len(document.starts) else len(document.text)


def _indented(document: Document, indent: str, lines: Sequence[str], at: int | None) -> list[str]:
    """Lines of code as the file indents them, with blank ones around functions and classes (PEP 8).

    Args:
        document: the file.
        indent: of the block in which they will stand.
        lines: of code, from the left margin.
        at: where a line begins ahead of which they will stand; ``None``: they share a line with others.
    """
    blank = 1 if indent else 2
    groups = _groups(lines)
    spaced = [line for group in groups for line in (*([""] * blank), *group)][blank:]
    if at is not None and groups:
        before, behind = document.text[:at].splitlines()[::-1], document.text[at:].splitlines()
        opened = bool(before) and before[0].rstrip().endswith(":")
        if _is_definition(groups[0][0]) and not opened:
            spaced[:0] = [""] * _missing(before, blank)
        if _is_definition(groups[-1][0]):
            spaced += [""] * _missing(behind, blank)
    return [_line(document, indent, line) for line in spaced]


def _groups(lines: Sequence[str]) -> list[list[str]]:
    """Each function and each class by itself, with its decorators, and the lines between them."""
    groups: list[list[str]] = []
    for line in dropwhile(not_, lines):
        inside = line.startswith(" ") or not line
        decorated = bool(groups) and groups[-1][-1].startswith("@")
        in_one = bool(groups) and _is_definition(groups[-1][0])
        if not groups or (not decorated and not inside and (in_one or _is_definition(line))):
            while groups and not groups[-1][-1]:
                groups[-1].pop()
            groups.append([])
        groups[-1].append(line)
    return groups


def _is_definition(line: str) -> bool:
    return line.startswith(("def ", "class ", "@"))


def _missing(lines: Sequence[str], blank: int) -> int:
    """How many blank lines there are too few, of the lines of a side, the nearest first; at an end of the file none."""
    return max(0, blank - next((i for i, line in enumerate(lines) if line.strip()), blank))


def _line(document: Document, indent: str, line: str) -> str:
    """A line of code, its steps of four spaces written as the file indents."""
    if not line.strip():
        return ""
    code = line.lstrip(" ")
    return indent + document.tree.default_indent * ((len(line) - len(code)) // 4) + code


def _indent(document: Document, block: cst.SimpleStatementLine | cst.SimpleStatementSuite) -> str:
    head = next(document.parents(block)) if isinstance(block, cst.SimpleStatementSuite) else block
    start = document.start(head)
    indent = document.text[document.starts[document.line(start) - 1] : start]
    return indent + document.tree.default_indent if head is not block else indent


def _top(document: Document, block: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> int:
    """Where a statement begins with the comments that belong to it."""
    line = document.line(document.start(block))
    for empty in reversed(block.leading_lines):
        if empty.comment is None or empty.comment.value.startswith(_CELLS):
            break
        line -= 1
    return document.starts[line - 1]
