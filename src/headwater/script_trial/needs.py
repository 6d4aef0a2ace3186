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
        found: list[str] = []
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            spec = getattr(module, "__spec__", None)
            if isinstance(file, str) and not file.startswith(self._folders) and getattr(spec, "name", None) == name:
                found.append(name)
        return tuple(found)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "os.putenv":
            return
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame.f_back is not None and frame.f_code.co_filename in _SETTERS:
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(self._folders):
            name, value = map(os.fsdecode, args)
            self.environment[name] = value
