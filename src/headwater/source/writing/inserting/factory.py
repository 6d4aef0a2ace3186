"""The end of the user's function that makes the model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import libcst as cst

from headwater.errors import PatchError
from headwater.records import SourceLine
from headwater.source.writing.document import Document
from headwater.source.writing.inserting.sites import Bound, Site, fresh


def factory_line(factory: Callable[..., Any]) -> SourceLine:
    """Returns where a function begins.

    Raises:
        PatchError: it is a class, an object that is called, or a function that was written in no file.
    """
    while isinstance(factory, functools.partial):
        factory = factory.func
    function = inspect.unwrap(factory)
    if not isinstance(function, FunctionType) or not Path(function.__code__.co_filename).is_file():
        raise PatchError(
            f"the model is made by {getattr(factory, '__name__', factory)!r}, which is no function in a file"
        )
    return SourceLine(function.__code__.co_filename, function.__code__.co_firstlineno)


def factory_site(document: Document, line: int) -> Site:
    """Returns the statement that returns the model, of the function that begins on a line.

    Raises:
        PatchError: there is no such function, or it returns in several places.
    """
    functions = [each for each in document.of(cst.FunctionDef) if line == _first_line(document, each)]
    if not functions:
        raise PatchError(f"{document.path.name}:{line} makes the model in a lambda: it has no room for further lines")
    returns = [each for each in document.of(cst.Return) if document.within(each, cst.FunctionDef) is functions[0]]
    if len(returns) != 1 or returns[0].value is None:
        raise PatchError(f"{functions[0].name.value} in {document.path.name} returns in {len(returns)} places")
    value = returns[0].value
    if isinstance(value, cst.Tuple):  # the model, and what belongs to it: an optimizer, batches, a loss
        value = value.elements[0].value
    if isinstance(value, cst.Name):
        return Site(returns[0], {"model": value.value})
    name = fresh(document, value, "model")
    return Site(returns[0], {"model": name}, Bound(value, value, name))


def _first_line(document: Document, function: cst.FunctionDef) -> int:
    """As Python counts it: that of the first decorator."""
    return document.line(document.start(function.decorators[0] if function.decorators else function))
