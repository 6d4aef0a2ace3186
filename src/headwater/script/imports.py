"""Calls a function right after a module was imported, whenever that is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@contextmanager
def after_import(name: str, call: Callable[[], None]) -> Generator[None]:
    """Calls `call` once when the module is there: now, or when something inside imports it.

    A script may have to set environment variables before it imports torch; so we must not import it first.
    """
    if name in sys.modules:
        call()
        yield
        return
    finder = _Finder(name, call)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds one module as everybody else would, and wraps its loader."""

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        self._name, self._call = name, call

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the module's own specification, once."""
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            _call_after(spec.loader, self._call)
        return spec


def _call_after(loader: Loader, call: Callable[[], None]) -> None:
    holder: Any = loader
    original = holder.exec_module

    def exec_module(module: ModuleType) -> None:
        del holder.exec_module
        original(module)
        call()

    holder.exec_module = exec_module
