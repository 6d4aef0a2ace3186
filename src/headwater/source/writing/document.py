"""One file of the user's: its text, its syntax with positions and names, and the splices that change it."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tokenize import detect_encoding
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import (
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    QualifiedName,
    QualifiedNameProvider,
    QualifiedNameSource,
    Scope,
    ScopeProvider,
)

from headwater.errors import PatchError

Node = TypeVar("Node", bound=cst.CSTNode)

_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Splice:
    """A piece of text that takes the place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Document:
    """A file as it is read, or as it stands after some splices.

    Attributes:
        path: of the file.
        text: its characters, with the line ends that it has.
        encoding: what its first lines say.
        origins: where each line of the file as it was read begins in `text` now, so that recorded lines stay findable.
    """

    path: Path
    text: str
    encoding: str
    origins: tuple[int, ...] = field(repr=False)

    @cached_property
    def wrapper(self) -> MetadataWrapper:
        """The syntax, with metadata."""
        return MetadataWrapper(cst.parse_module(self.text), unsafe_skip_copy=True)

    @property
    def tree(self) -> cst.Module:
        """The syntax."""
        return self.wrapper.module

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Offset of each line."""
        return (0, *(match.end() for match in _NEWLINE.finditer(self.text)))

    @cached_property
    def newline(self) -> str:
        """Its first line end."""
        match = _NEWLINE.search(self.text)
        return match.group() if match else "\n"

    @property
    def nodes(self) -> Iterator[cst.CSTNode]:
        """All nodes that have a position, in the order of the source."""
        return iter(self.wrapper.resolve(PositionProvider))

    def of(self, kind: type[Node]) -> list[Node]:
        """All nodes of one kind, in the order of the source."""
        return sorted((node for node in self.nodes if isinstance(node, kind)), key=self.start)

    def start(self, node: cst.CSTNode) -> int:
        """Offset at which a node begins."""
        place = self.wrapper.resolve(PositionProvider)[node].start
        return self.starts[place.line - 1] + place.column

    def end(self, node: cst.CSTNode) -> int:
        """Offset behind a node."""
        place = self.wrapper.resolve(PositionProvider)[node].end
        return self.starts[place.line - 1] + place.column

    def source(self, node: cst.CSTNode) -> str:
        """A node as it is written."""
        return self.text[self.start(node) : self.end(node)]

    def line(self, offset: int) -> int:
        """Number of the line that holds an offset, from 1."""
        return bisect_right(self.starts, offset)

    def lines(self, node: cst.CSTNode) -> range:
        """Numbers of the lines that a node stands on."""
        return range(self.line(self.start(node)), self.line(self.end(node)) + 1)

    def now(self, line: int) -> int:
        """Number at which a line of the file as it was read stands now.

        Raises:
            PatchError: the file has no such line.
        """
        if not 0 < line <= len(self.origins):
            raise PatchError(f"{self.path.name} has no line {line}: it was changed after it ran")
        return self.line(self.origins[line - 1])

    def parents(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """What a node stands in, the nearest first."""
        known = self.wrapper.resolve(ParentNodeProvider)
        while node in known:
            node = known[node]
            yield node

    def within(self, node: cst.CSTNode, *kinds: type[Node]) -> Node | None:
        """The nearest node of some kinds that a node stands in."""
        return next((each for each in self.parents(node) if isinstance(each, kinds)), None)

    def scope(self, node: cst.CSTNode) -> Scope | None:
        """The scope in which the names of a node are looked up."""
        return self.wrapper.resolve(ScopeProvider).get(node)

    def full_name(self, node: cst.CSTNode) -> str:
        """What an imported name stands for: ``"torch.nn.Sigmoid"`` for ``nn.Sigmoid``; empty for others."""
        if isinstance(node, cst.Attribute) and not is_dotted(node):  # a method of what a call gives is no import
            return ""
        known: Any = self.wrapper.resolve(QualifiedNameProvider).get(node, ())
        names: Any = known() if callable(known) else known  # some are resolved when they are asked for
        found: list[QualifiedName] = list(names)
        imported = len(found) == 1 and found[0].source is QualifiedNameSource.IMPORT
        return found[0].name if imported else ""


def is_dotted(node: cst.CSTNode) -> bool:
    """Whether a node is a name, or names with dots between them."""
    return isinstance(node, cst.Name) or (isinstance(node, cst.Attribute) and is_dotted(node.value))


def read(path: Path) -> Document:
    """Reads a file, decoded as its first lines say, its line ends untouched.

    Raises:
        PatchError: it cannot be read, or it is not Python.
    """
    try:
        with path.open("rb") as file:
            encoding, _ = detect_encoding(file.readline)
        text = path.read_bytes().decode(encoding)
        document = Document(path, text, encoding, ())
        ast.parse(text)
        cst.parse_module(text)
    except (OSError, SyntaxError, ValueError, cst.ParserSyntaxError) as error:
        raise PatchError(f"{path} cannot be read as Python: {error}") from error
    return Document(path, text, encoding, document.starts)


def spliced(document: Document, splices: Iterable[Splice]) -> Document:
    """Returns the document with pieces of text exchanged; those at one place come in the order in which they are given.

    Raises:
        PatchError: two of them overlap.
    """
    ordered = sorted(dict.fromkeys(splices), key=lambda splice: (splice.start, splice.end))
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise PatchError("two changes meet in one expression")
    text = document.text
    for splice in reversed(ordered):
        text = text[: splice.start] + splice.text + text[splice.end :]
    origins = tuple(_moved(offset, ordered) for offset in document.origins)
    return Document(document.path, text, document.encoding, origins)


def checked(document: Document) -> Document:
    """Returns the document when it is Python and can be encoded as the file is.

    Raises:
        PatchError: it is not.
    """
    try:
        ast.parse(document.text.encode(document.encoding))
    except (SyntaxError, ValueError) as error:
        raise PatchError(f"{document.path.name} would not be Python any more: {error}") from error
    return document


def _moved(offset: int, splices: Sequence[Splice]) -> int:
    """Where the character at an offset is after the splices; what is inserted at it comes before it."""
    moved = offset
    for splice in splices:
        if splice.end <= offset:
            moved += len(splice.text) - (splice.end - splice.start)
        elif splice.start < offset:
            moved -= offset - splice.start
    return moved
