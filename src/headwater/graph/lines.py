"""Makes autograd remember source lines, beside whatever the user does with anomaly mode meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import torch

_OURS = (True, False)
"""Anomaly mode without its check for NaN, which nobody else asks for."""
_lock = threading.Lock()
_users: int = 0
_before: tuple[bool, bool] | None = None
"""The mode to go back to, while it is ours."""


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
    try:
        yield
    finally:
        with _lock:
            _users -= 1
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
