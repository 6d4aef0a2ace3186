"""Notes where modules and optimizers are built, while a function that builds them runs.

A finished module does not know the line that built it. Where Headwater itself calls the function that builds the model
(``headwater check``), it looks on. It never does so unasked: importing Headwater patches nothing.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import nn
from torch.optim import Optimizer

from headwater.graph.frames import is_headwaters, is_librarys, is_users
from headwater.records import SourceLine


@dataclass(frozen=True)
class Built:
    """Where a module was built: the user's own line, and the library's line when a library built it for the user."""

    own: SourceLine | None = None
    inside: SourceLine | None = None


Made = nn.Module | Optimizer
_RECORDED: dict[int, tuple[weakref.ref[Made], Built]] = {}
"""By identity, with weak references: nothing is added to a module, and nothing keeps it alive. A module's own
``__eq__`` and ``__hash__`` are the user's and cannot be relied on."""


@contextmanager
def recording() -> Generator[None]:
    """Notes the line that builds each of them made inside; `recorded` gives it back for as long as it lives."""
    classes: tuple[Any, ...] = (nn.Module, Optimizer)
    originals = [each.__init__ for each in classes]
    for each, original in zip(classes, originals, strict=True):
        each.__init__ = _noting(original)
    try:
        yield
    finally:
        for each, original in zip(classes, originals, strict=True):
            each.__init__ = original


def recorded(made: Made) -> Built | None:
    """Returns where it was built; ``None`` when that was not seen (a copy, an unpickled module)."""
    reference, built = _RECORDED.get(id(made), (None, None))
    return built if reference is not None and reference() is made else None


def _noting(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(self: Made, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        key = id(self)
        _RECORDED[key] = (weakref.ref(self, lambda _: _RECORDED.pop(key, None)), _built(self, inspect.currentframe()))

    return init


def _built(made: Made, frame: FrameType | None) -> Built:
    inside: SourceLine | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if is_headwaters(file) and file != __file__:  # which called the user's function: beyond it nothing is built
            break
        if file != __file__ and not _initialises(frame, made):
            if is_users(file):
                return Built(SourceLine(file, frame.f_lineno), inside)
            if inside is None and is_librarys(file):
                inside = SourceLine(file, frame.f_lineno)
        frame = frame.f_back
    return Built(None, inside)


def _initialises(frame: FrameType, made: Made) -> bool:
    """Whether the frame is a method of the object itself: its own ``__init__``, or that of a base class."""
    code = frame.f_code
    return code.co_argcount > 0 and frame.f_locals.get(code.co_varnames[0]) is made
