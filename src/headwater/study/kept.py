"""What was measured, on disk, so that a study that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import msgspec

import headwater
from headwater.errors import StoreError
from headwater.study.experiment import Experiment, Row

_OURS = "headwater.study."


@dataclass(frozen=True)
class Kept:
    """The rows of finished points, one file each, under the hash of what decides them.

    Attributes:
        folder: is made when it is first written to.
        version: of the code that measures; rows of another one are not found.
    """

    folder: Path
    version: str

    def get(self, point: Any) -> list[Row] | None:
        """Returns the rows of a point; ``None`` where there are none, or the file is damaged."""
        try:
            return msgspec.msgpack.decode(self._path(point).read_bytes(), type=list[Row])
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def put(self, point: Any, rows: list[Row]) -> None:
        """Keeps rows; whoever is interrupted meanwhile leaves no half of them.

        Raises:
            StoreError: nothing can be written there.
        """
        path = self._path(point)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                file.write(msgspec.msgpack.encode(rows))
            os.replace(file.name, path)
        except OSError as error:
            raise StoreError(f"The rows of a point cannot be written to {path}: {error}") from error

    def _path(self, point: Any) -> Path:
        key = f"{self.version}\n{point!r}"
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.msgpack"


def kept(experiment: Experiment[Any], folder: Path) -> Kept:
    """Opens what was kept of an experiment under `folder`."""
    import torch

    code = experiment.measure if experiment.together is None else experiment.together.measure
    parts = (experiment.name, headwater.__version__, torch.__version__, fingerprint(code))
    return Kept(folder / experiment.name, "\n".join(parts))


def fingerprint(function: Callable[..., Any]) -> str:
    """Hash of a function's source and of all of `headwater.study` that it uses: a caption may change, a number not.

    A function without source (typed into an interpreter) is known by its compiled code.
    """
    found = sorted(set(_sources(function, set())))
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _sources(thing: Any, seen: set[int]) -> Iterator[str]:
    """The sources of a function or class and of what it names, and the values of the constants among that."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield _source(thing)
    if isinstance(thing, ModuleType):
        for value in list(vars(thing).values()):
            if _ours(_home(value)):
                yield from _sources(value, seen)
    for function in _functions(thing):
        for name in _names(function.__code__):
            value = import_module(name) if _ours(name) else function.__globals__.get(name)
            if isinstance(value, str | int | float | tuple | frozenset):
                yield f"{name} = {value!r}"
            elif _ours(_home(value)):
                yield from _sources(value, seen)


def _functions(thing: Any) -> list[FunctionType]:
    members = list(vars(thing).values()) if isinstance(thing, type) else [thing]
    return [inspect.unwrap(each) for each in members if isinstance(each, FunctionType)]


def _home(value: Any) -> str:
    """The module that a function or class, or what a module's name stands for, comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    return value.__module__ or "" if isinstance(value, type | FunctionType) else ""


def _ours(name: str) -> bool:
    return name.startswith(_OURS)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


@cache
def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return repr(thing.__code__.co_code) if isinstance(thing, FunctionType) else repr(thing)
