"""Writes a `Code` around the statement that builds the optimizer, or before the return of what makes the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import libcst as cst
from libcst.metadata import Scope

from headwater.errors import PatchError
from headwater.records import Code, SourceLine
from headwater.source.writing.document import Document, Splice
from headwater.source.writing.files import Files
from headwater.source.writing.imports import imports_added
from headwater.source.writing.inserting.factory import factory_line, factory_site
from headwater.source.writing.inserting.loading import loading
from headwater.source.writing.inserting.renaming import lasting, renamed
from headwater.source.writing.inserting.sites import Site, optimizer_site
from headwater.source.writing.insertion import above, inserted

_PLACEHOLDERS = ("model", "optimizer")


def with_code(
    files: Files, codes: Sequence[Code], optimizer: SourceLine | None, factory: Callable[..., Any] | None
) -> Files:
    """Returns the files with code in them.

    Raises:
        PatchError: there is no place for one of the codes; the message says why.
    """
    codes = [code for code in codes if code]
    in_factory = [code for code in codes if factory is not None and "optimizer" not in _needs(code)]
    at_optimizer = [code for code in codes if code not in in_factory]
    if in_factory and factory is not None:
        line = factory_line(factory)
        document = files.read(line.file)
        site = factory_site(document, document.now(line.line))
        files = files.spliced(document, _at_return(document, site, in_factory))
    if at_optimizer:
        if optimizer is None:
            raise PatchError("the line that builds the optimizer is not known")
        document = files.read(optimizer.file)
        site = optimizer_site(document, document.now(optimizer.line))
        files = files.spliced(document, _at_optimizer(document, site, at_optimizer))
    return files


def _needs(code: Code) -> set[str]:
    return {name for name in _PLACEHOLDERS if f"{{{name}}}" in code.before + code.after}


def _at_return(document: Document, site: Site, codes: Sequence[Code]) -> list[Splice]:
    codes = _renamed(document, site, codes)
    lines = [line for code in codes for part in (code.before, code.after) for line in _lines(site, part)]
    splices, binding = _bound(document, site)
    loads = loading(document, site)
    if loads is not None:
        splices += above(document, loads, lines)
    else:
        splices += inserted(document, site.statement, [*binding, *lines], [])
    return [*_imported(document, site, codes), *splices]


def _at_optimizer(document: Document, site: Site, codes: Sequence[Code]) -> list[Splice]:
    missing = sorted({name for code in codes for name in _needs(code)} - set(site.names))
    if missing:
        raise PatchError(f"{document.path.name} does not tell what the {missing[0]} is called where it is needed")
    codes = _renamed(document, site, codes)
    ahead = [line for code in codes for line in _lines(site, code.before)]
    behind = [line for code in codes for line in _lines(site, code.after)]
    loads = loading(document, site) if any("{model}" in code.before for code in codes) else None
    splices, binding = _bound(document, site) if behind else ([], [])
    if loads is not None:
        splices += above(document, loads, ahead)
        ahead = []
    if binding:
        ahead, behind = [*ahead, *binding, *behind], []
    if behind and isinstance(site.statement, cst.Return):
        raise PatchError(f"{document.path.name} returns what it builds in one of several ways")
    splices += inserted(document, site.statement, ahead, behind)
    return [*_imported(document, site, codes), *splices]


def _renamed(document: Document, site: Site, codes: Sequence[Code]) -> list[Code]:
    """The codes with names for their variables that neither the file nor another code uses."""
    scope, taken, done = document.scope(site.statement), set(site.names.values()), list[Code]()
    for code in codes:
        done.append(renamed(code, partial(_is_taken, scope, frozenset(taken))))
        taken |= lasting(done[-1])
    return done


def _is_taken(scope: Scope | None, names: frozenset[str], name: str) -> bool:
    return name in names or (scope is not None and name in scope)


def _bound(document: Document, site: Site) -> tuple[list[Splice], list[str]]:
    """Puts a name in the place of an expression, and a line that binds it."""
    if site.bound is None:
        return [], []
    value, place, name = site.bound.value, site.bound.place, site.bound.name
    return [Splice(document.start(place), document.end(place), name)], [f"{name} = {document.source(value)}"]


def _lines(site: Site, part: str) -> list[str]:
    for name, written in site.names.items():
        part = part.replace(f"{{{name}}}", written)
    return part.splitlines()


def _imported(document: Document, site: Site, codes: Sequence[Code]) -> list[Splice]:
    return imports_added(document, site.statement, [each for code in codes for each in code.imports])
