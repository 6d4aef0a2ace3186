"""How deep inside the steps of an optimizer the program is, and the step of one that has no hooks."""

from __future__ import annotations

import copy
import functools
import operator
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch.optim import Optimizer


def _nothing(_optimizer: Any) -> None:
    """Is wrapped below to learn the code of PyTorch's wrapper."""


_WRAPPER = cast(Any, Optimizer.profile_hook_step(_nothing)).__code__


def under_way(optimizer: Any = None) -> int:
    """Returns how many steps of the optimizer are running in this thread, that of a base class inside its subclass's.

    Without one: how many of any optimizer, such as one that a wrapper drives.

    Counted on the stack, since a step that raises tells no hook of its end.
    """
    count, frame = 0, sys._getframe()  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        count += frame.f_code is _WRAPPER and (optimizer is None or frame.f_locals["args"][0] is optimizer)
        frame = frame.f_back
    return count


def around_step(optimizer: Any, pre: Callable[[], None], post: Callable[[], None]) -> Callable[[], None]:
    """Wraps the step of one object; returns what takes the wrapper off.

    An attribute of the object would go into its copies, which would then step the original, and into what is saved. So
    the wrapper stands in the class, for this object alone; unless the object has a step of its own.
    """
    listener = _Listener(pre, post)
    if "step" in getattr(optimizer, "__dict__", {}):
        return _on_object(optimizer, listener)
    return _on_class(optimizer, listener)


@dataclass(eq=False)
class _Listener:
    """What is called around a step, while `on`."""

    pre: Callable[[], None]
    post: Callable[[], None]
    on: bool = True


class _Around:
    """A step with a listener. A copy of it, and what is saved of it, is the step alone."""

    def __init__(self, original: Callable[..., Any], listener: _Listener) -> None:
        self._original, self._listener = original, listener
        functools.update_wrapper(self, original, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._listener.on:
            return self._original(*args, **kwargs)
        self._listener.pre()
        result = self._original(*args, **kwargs)
        self._listener.post()
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._original, memo)

    def __reduce__(self) -> tuple[Any, ...]:
        return _only(self._original)


class _Door:
    """Stands in a class for its step, and lets through all but the objects that are listened to.

    Attributes:
        own: the step that the class itself defines; ``None``: it has that of a base, or of ``__getattr__``.
        listeners: beside a reference to the object, which is not kept alive.
    """

    def __init__(self, kind: Any) -> None:
        self._kind: Any = kind
        self.own: Any = vars(kind).get("step")
        self.listeners: list[tuple[Callable[[], Any], _Listener]] = []

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        step = self._original(instance, owner)
        if instance is not None:
            for which, listener in self.listeners:
                step = _Around(step, listener) if which() is instance else step
        return step

    def __reduce__(self) -> tuple[Any, ...]:
        return _only(self.own if self.own is not None else self._original(None, self._kind))

    def _original(self, instance: Any, owner: Any) -> Any:
        if self.own is not None:
            return self.own.__get__(instance, owner) if hasattr(self.own, "__get__") else self.own
        above = cast(Any, super(self._kind, owner if instance is None else instance))
        if instance is None or hasattr(above, "step"):
            return above.step
        return self._kind.__getattr__(instance, "step")


_doors: dict[Any, _Door] = {}
"""By the class in which it stands, while anybody listens to an object of it."""


def _on_class(optimizer: Any, listener: _Listener) -> Callable[[], None]:
    kind = cast(Any, type(optimizer))
    if kind not in _doors:
        kind.step = _doors[kind] = _Door(kind)
    door = _doors[kind]
    entry = _reference(optimizer), listener
    door.listeners.append(entry)

    def remove() -> None:
        listener.on = False
        if entry in door.listeners:
            door.listeners.remove(entry)
        if door.listeners or _doors.get(kind) is not door:
            return
        del _doors[kind]
        if vars(kind).get("step") is not door:  # somebody else put his own there, which may call ours
            return
        if door.own is None:
            del kind.step
        else:
            kind.step = door.own

    return remove


def _on_object(optimizer: Any, listener: _Listener) -> Callable[[], None]:
    own = optimizer.step
    optimizer.step = around = _Around(own, listener)

    def remove() -> None:
        listener.on = False
        if vars(optimizer).get("step") is around:
            optimizer.step = own

    return remove


def _reference(instance: Any) -> Callable[[], Any]:
    """A weak one, where its class has room for it."""
    try:
        return weakref.ref(instance)
    except TypeError:
        return lambda: instance


def _only(step: Any) -> tuple[Any, ...]:
    """How to pickle a step, so that the file asks for nothing of Headwater's."""
    return operator.itemgetter(0), ((step,),)
