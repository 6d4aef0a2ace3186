"""Notes where modules are built, while a function that builds them runs.

A finished module does not know the line that built it. Where Headwater itself calls the function that builds the model
(``headwater check``), it looks on. It never does so unasked: importing Headwater patches nothing.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import nn

from headwater.graph.frames import is_librarys, is_users
from headwater.records import SourceLine


@dataclass(frozen=True)
class Built:
    """Where a module was built: the user's own line, and the library's line when a library built it for the user."""

    own: SourceLine | None = None
    inside: SourceLine | None = None


_RECORDED: dict[int, tuple[weakref.ref[nn.Module], Built]] = {}
"""By identity, with weak references: nothing is added to a module, and nothing keeps it alive. A module's own
``__eq__`` and ``__hash__`` are the user's and cannot be relied on."""


@contextmanager
def recording() -> Generator[None]:
    """Notes the line that builds each module made inside; `recorded` gives it back for as long as the module lives."""
    original = nn.Module.__init__

    def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        key = id(self)
        _RECORDED[key] = (weakref.ref(self, lambda _: _RECORDED.pop(key, None)), _built(self, inspect.currentframe()))

    nn.Module.__init__ = init
    try:
        yield
    finally:
        nn.Module.__init__ = original


def recorded(module: nn.Module) -> Built | None:
    """Returns where a module was built; ``None`` when that was not seen (a copy, an unpickled module)."""
    reference, built = _RECORDED.get(id(module), (None, None))
    return built if reference is not None and reference() is module else None


def _built(module: nn.Module, frame: FrameType | None) -> Built:
    inside: SourceLine | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not _initialises(frame, module):
            if is_users(file):
                return Built(SourceLine(file, frame.f_lineno), inside)
            if inside is None and is_librarys(file):
                inside = SourceLine(file, frame.f_lineno)
        frame = frame.f_back
    return Built(None, inside)


def _initialises(frame: FrameType, module: nn.Module) -> bool:
    """Whether the frame is a method of the module itself: its own ``__init__``, or that of a base class."""
    code = frame.f_code
    return code.co_argcount > 0 and frame.f_locals.get(code.co_varnames[0]) is module
