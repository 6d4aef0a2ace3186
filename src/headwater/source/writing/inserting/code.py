"""Writes a `Code` around the statement that builds the optimizer, or where the model was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from headwater.source.writing.inserting.loading import constructor, loading
from headwater.source.writing.inserting.renaming import lasting, renamed, shares
from headwater.source.writing.inserting.sites import Site, optimizer_site
from headwater.source.writing.insertion import above, at_end, inserted

Names = Mapping[str, Mapping[str, str]]

_PLACEHOLDERS = ("model", "optimizer")


def with_code(
    files: Files,
    codes: Sequence[Code],
    optimizer: SourceLine | None,
    factory: Callable[..., Any] | None,
    names: Names | None = None,
) -> Files:
    """Returns the files with code in them; the arguments are those of `headwater.source.writing.patch.patch`.

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
            raise PatchError("the line that builds the optimizer is not known, or builds that of another network, too")
        document = files.read(optimizer.file)
        site = optimizer_site(document, document.now(optimizer.line))
        if names is not None:
            site = _checked(document, site, names)
        files = files.spliced(document, _at_optimizer(document, site, at_optimizer))
    return files


def _needs(code: Code) -> set[str]:
    return {name for name in _PLACEHOLDERS if f"{{{name}}}" in code.before + code.after}


def _checked(document: Document, site: Site, names: Names) -> Site:
    """The site with the way to the model, or to what it is a part of; without a name that stands for something else.

    A name that was not seen there, such as that of a property, is taken for what the source says.
    """
    function = document.within(site.statement, cst.FunctionDef)
    known = names.get(function.name.value if function is not None else "<module>", {})
    name = site.names.get("model", "")
    parts = name.split(".")
    for prefix in (".".join(parts[:count]) for count in range(len(parts), 0, -1)):
        if known.get(prefix):
            return replace(site, names=site.names | {"model": prefix}, way=known[prefix].removeprefix(prefix))
    if name in known or not any(written for each in names.values() for written in each.values()):
        return replace(site, names={each: written for each, written in site.names.items() if each != "model"})
    return site


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
    of_model = any("{model}" in code.before for code in codes)
    home = constructor(document, site) if of_model else None
    codes = _renamed(document, site, codes, home)
    ahead = [line for code in codes for line in _lines(site, code.before)]
    behind = [line for code in codes for line in _lines(site, code.after)]
    splices = _imported(document, site, codes)
    if home is not None:
        splices += [*imports_added(document, home.body.body[0], _imports(codes)), *at_end(document, home, ahead)]
        ahead = []
    elif of_model and (loads := loading(document, site)) is not None:
        if site.way:
            raise PatchError(f"{document.path.name} loads weights into the model and wraps it: what comes first?")
        splices += above(document, loads, ahead)
        ahead = []
    bound, binding = _bound(document, site) if behind else ([], [])
    if binding:
        ahead, behind = [*ahead, *binding, *behind], []
    if behind and isinstance(site.statement, cst.Return):
        raise PatchError(f"{document.path.name} returns what it builds in one of several ways")
    around = inserted(document, site.statement, ahead, behind) if ahead or behind else []
    return [*splices, *bound, *around]


def _renamed(document: Document, site: Site, codes: Sequence[Code], home: cst.FunctionDef | None = None) -> list[Code]:
    """The codes with names for their variables that neither the file nor another code uses.

    Raises:
        PatchError: a part of a code in another function than the other one would not find its variables.
    """
    if home is not None and any(shares(code) for code in codes):
        raise PatchError(f"{document.path.name} builds the model and its optimizer in different functions")
    scopes = [document.scope(node) for node in (site.statement, *([home.body.body[0]] if home is not None else []))]
    taken, done = set(site.names.values()), list[Code]()
    for code in codes:
        done.append(renamed(code, partial(_is_taken, scopes, frozenset(taken))))
        taken |= lasting(done[-1])
    return done


def _is_taken(scopes: Sequence[Scope | None], names: frozenset[str], name: str) -> bool:
    return name in names or any(scope is not None and name in scope for scope in scopes)


def _bound(document: Document, site: Site) -> tuple[list[Splice], list[str]]:
    """Puts a name in the place of an expression, and a line that binds it."""
    if site.bound is None:
        return [], []
    value, place, name = site.bound.value, site.bound.place, site.bound.name
    return [Splice(document.start(place), document.end(place), name)], [f"{name} = {document.source(value)}"]


def _lines(site: Site, part: str) -> list[str]:
    for name, written in site.names.items():
        part = part.replace(f"{{{name}}}", written + site.way * (name == "model"))
    return part.splitlines()


def _imported(document: Document, site: Site, codes: Sequence[Code]) -> list[Splice]:
    return imports_added(document, site.statement, _imports(codes))


def _imports(codes: Sequence[Code]) -> list[str]:
    return [each for code in codes for each in code.imports]
