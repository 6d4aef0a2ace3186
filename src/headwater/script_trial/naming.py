"""What a model is called in the functions that are under way when its optimizer is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import FrameType, ModuleType
from typing import Any

from torch import nn

from headwater.graph.frames import is_users
from headwater.monitor.names import unwrapped

_DEEP = 2
"""Attributes behind a name, as in ``agent.actor.net``."""


def names_of(model: nn.Module, frame: FrameType | None) -> dict[str, dict[str, str]]:
    """Returns by which expressions the user's functions reach a model, and how it is written by them.

    By the name of the function (``"<module>"`` outside of all): ``{"net": "net"}`` or, where ``net`` is what
    ``torch.compile`` made of it, ``{"net": "net._orig_mod"}``: what a library wraps around a model has other names for
    its layers. What stands for something else is empty: ``{"self": ""}``.

    Args:
        model: as it is, without wrappers.
        frame: that builds the optimizer; those that called it are looked at, too. Of two functions of one name the
            inner one tells.
    """
    names: dict[str, dict[str, str]] = {}
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            function = frame.f_code.co_name
            names[function] = _in_frame(model, frame) | names.get(function, {})
        frame = frame.f_back
    return names


def _in_frame(model: nn.Module, frame: FrameType) -> dict[str, str]:
    code, found = frame.f_code, dict[str, str]()
    for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars, *code.co_names):
        if name not in frame.f_locals and name not in frame.f_globals:
            continue
        found[name] = ""
        with suppress(Exception):  # a user's object may answer whatever it likes
            for written, each in _reached(name, frame.f_locals.get(name, frame.f_globals.get(name))):
                inner, way = unwrapped(each)
                found[written] = f"{written}{way}" if inner is model else ""
    return found


def _reached(written: str, value: Any, deep: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """A module, or those that something else holds as attributes."""
    if issubclass(type(value), nn.Module):  # some objects answer isinstance by doing things
        yield written, value
    elif deep < _DEEP and not issubclass(type(value), type | ModuleType):
        with suppress(AttributeError):
            for name, each in list(object.__getattribute__(value, "__dict__").items()):
                yield from _reached(f"{written}.{name}", each, deep + 1)
