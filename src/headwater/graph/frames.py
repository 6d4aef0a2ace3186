"""Whose code a frame of the stack is: the user's, a library's, or nobody's that a reader wants named.

Notebooks and consoles give their input names such as ``<ipython-input-3-1f2e>`` or ``<stdin>``; other names in angle
brackets belong to generated code and to the interpreter.
"""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path

import torch

_PACKAGE = f"{Path(__file__).parents[1]}/"
_DOOR = f"{_PACKAGE}diagnose.py"
_TORCH = f"{Path(torch.__file__).parent}/"
_STANDARD = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "scripts"))
_INSTALLED = tuple({f"{sysconfig.get_path(name)}/" for name in ("purelib", "platlib")})
_TYPED = ("<ipython-input-", "<stdin>", "<python-input-", "<doctest ")
_COMPOSED = f"{_TORCH}nn/modules/transformer.py"
"""The only modules of PyTorch that put other ones together; the rest wraps one operation: its line tells nothing."""


@cache
def is_users(file: str) -> bool:
    """Whether a file is the user's: neither PyTorch's, nor installed, nor Headwater's, nor generated."""
    if file.startswith("<"):
        return file.startswith(_TYPED)
    return not file.startswith((*_STANDARD, *_INSTALLED, _PACKAGE, _TORCH))


def is_headwaters(file: str) -> bool:
    """Whether a file is Headwater's own."""
    return file.startswith(_PACKAGE)


def is_door(file: str) -> bool:
    """Whether a file is the one through which a user hands a model to Headwater: outside it no network runs."""
    return file == _DOOR


@cache
def is_librarys(file: str) -> bool:
    """Whether a file is a library's that builds networks of its own, so that its line says something."""
    if file.startswith(_TORCH):
        return file == _COMPOSED
    return file.startswith(_INSTALLED) and not file.startswith(_PACKAGE)
