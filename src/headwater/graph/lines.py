"""Makes autograd remember source lines, beside whatever the user does with anomaly mode meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import CodeType

import torch
from torch.fx import traceback as fx_traceback

_OURS = (True, False)
"""Anomaly mode without its check for NaN, which nobody else asks for."""
_lock = threading.Lock()
_users: int = 0
_before: tuple[bool, bool] | None = None
"""The mode to go back to, while it is ours."""
_pytorchs = fx_traceback.format_stack
"""What anomaly mode calls at each operation."""
_texts: dict[tuple[CodeType, int], str] = {}


@contextmanager
def source_lines() -> Generator[None]:
    """Makes autograd remember the Python lines of the operations created inside (anomaly metadata, no NaN check).

    Several may overlap in any order. Where the user has switched anomaly mode on it stays as it is; where that happens
    inside, it stays so afterwards, and `settle` puts the mode back once it is ours again.
    """
    global _users, _before
    with _lock:
        _users += 1
        if not torch.is_anomaly_enabled():
            _before = (False, torch.is_anomaly_check_nan_enabled())
            torch.autograd.set_detect_anomaly(*_OURS)
            fx_traceback.format_stack = _stack
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                fx_traceback.format_stack = _pytorchs
                _texts.clear()  # what it holds of code would outlive the code
        settle()


def settle() -> None:
    """Switches off what `source_lines` has left on, because a block of the user's hid it at the end."""
    if _before is not None:  # else, as in almost every step of a training under watch, no lock is worth its time
        _go_back()


def _go_back() -> None:
    global _before
    with _lock:
        if _before is None or _users or _mode() != _OURS:
            return
        torch.autograd.set_detect_anomaly(*_before)
        _before = None


def _mode() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _stack() -> list[str]:
    """Stands in for PyTorch's own, which at each operation anew looks up the text of each line.

    That would take most of the time of a traced step of a small network.
    """
    try:
        return _pytorchs() if fx_traceback.has_preserved_node_meta() else _places()
    except Exception:  # this runs inside the user's operations
        return _pytorchs()


def _places() -> list[str]:
    """The stack as PyTorch formats it, without the text of the lines."""
    found: list[str] = []
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        place = frame.f_code, frame.f_lineno
        if (text := _texts.get(place)) is None:
            code, line = place
            text = _texts[place] = f'  File "{code.co_filename}", line {line}, in {code.co_name}\n'
        found.append(text)
        frame = frame.f_back
    found.reverse()
    return found
