"""What a script needs before it can run: the packages that it imports, and the environment that it sets for them."""

from __future__ import annotations

import _collections_abc
import os
import sys
from collections.abc import Iterable
from typing import Any

_SETTERS = (type(os.environ).__setitem__.__code__.co_filename, "<frozen _collections_abc>", _collections_abc.__file__)
"""What an assignment to ``os.environ`` runs through, and its ``update`` and ``setdefault`` besides."""


class Needs:
    """Notes what a script needs while it runs; from `begin` to the end of this process.

    Args:
        folders: in which the script and what belongs to it lies.

    Attributes:
        environment: variables that the script itself sets. A package may read them when it is imported.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = tuple(f"{folder}{os.sep}" for folder in folders)
        self.environment: dict[str, str] = {}

    def begin(self) -> None:
        """Listens from now on."""
        sys.addaudithook(self._hear)

    def imports(self) -> tuple[str, ...]:
        """Names of the installed modules that were imported, in that order."""
        return tuple(name for name, file in self._modules() if not file.startswith(self._folders))

    def sources(self) -> tuple[str, ...]:
        """The files of the other ones, and of the script itself."""
        files = [sys.modules["__main__"].__dict__.get("__file__"), *(file for _, file in self._modules())]
        return tuple(dict.fromkeys(file for file in files if isinstance(file, str) and file.startswith(self._folders)))

    def _modules(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for name, module in list(sys.modules.items()):
            file, spec = getattr(module, "__file__", None), getattr(module, "__spec__", None)
            if isinstance(file, str) and getattr(spec, "name", None) == name:
                found.append((name, file))
        return found

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "os.putenv":
            return
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame.f_back is not None and frame.f_code.co_filename in _SETTERS:
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(self._folders):
            name, value = map(os.fsdecode, args)
            self.environment[name] = value
