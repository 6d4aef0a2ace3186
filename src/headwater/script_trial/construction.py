"""Tells of each optimizer as soon as it is built, before the script gets hold of it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any
from weakref import WeakSet

from torch.optim import Optimizer

from headwater.graph.frames import is_users
from headwater.records import SourceLine

Built = Callable[[Optimizer, SourceLine | None, FrameType], None]


def on_built(call: Built) -> Callable[[], None]:
    """Calls `call` when the outermost ``__init__`` of an optimizer has returned; returns what ends that.

    Every class has its own ``__init__`` wrapped, those that are defined later too: only there it is known that a
    subclass's is through. `call` gets the optimizer, the line that builds it where that is the user's own, and the
    frame. Each optimizer is told once: a remedy may run ``__init__`` on it again.
    """
    undo = ExitStack()
    door = _Door(call)
    for kind in _with_subclasses(Optimizer):
        door.wrap(kind, undo)
    before = Optimizer.__init_subclass__

    def init_subclass(cls: type[Optimizer], **options: Any) -> None:
        before(**options)
        door.wrap(cls, undo)

    Optimizer.__init_subclass__ = classmethod(init_subclass)  # pyright: ignore[reportAttributeAccessIssue]
    undo.callback(lambda: delattr(Optimizer, "__init_subclass__"))
    return undo.close


class _Door:
    """What stands around every ``__init__``."""

    def __init__(self, call: Built) -> None:
        self._call = call
        self._under_way: set[int] = set()
        self._real: set[int] = set()
        self._told: WeakSet[Optimizer] = WeakSet()

    def wrap(self, kind: type[Optimizer], undo: ExitStack) -> None:
        """Wraps the ``__init__`` that a class defines itself, if it does."""
        if "__init__" not in vars(kind):
            return
        holder: Any = kind
        original = holder.__init__

        @functools.wraps(original)
        def init(this: Optimizer, *args: Any, **kwargs: Any) -> None:
            if kind is Optimizer:
                self._real.add(id(this))
            if id(this) in self._under_way:
                original(this, *args, **kwargs)
                return
            self._under_way.add(id(this))
            try:
                original(this, *args, **kwargs)
                real = id(this) in self._real
            finally:
                self._under_way.discard(id(this))
                self._real.discard(id(this))
            if real and this not in self._told:  # else it wraps another optimizer and is none itself
                self._told.add(this)
                frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
                self._call(this, _line(frame), frame)

        holder.__init__ = init
        undo.callback(setattr, kind, "__init__", original)


def _line(frame: FrameType) -> SourceLine | None:
    """The line that builds it; ``None`` where a library builds it for the user."""
    file = frame.f_code.co_filename
    return SourceLine(file, frame.f_lineno) if is_users(file) else None


def _with_subclasses(kind: type[Optimizer]) -> list[type[Optimizer]]:
    return list(dict.fromkeys([kind, *(each for below in kind.__subclasses__() for each in _with_subclasses(below))]))
