"""Functions that are applied live and written into the user's file, from one source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def source(*definitions: Callable[..., Any]) -> str:
    """Returns the source of functions and classes that need nothing but PyTorch, to stand in a `Code`.

    What is written is then what was tried. They hold no braces, which a `Code` keeps for its placeholders, and their
    names are spelt out in its imports.
    """
    return "\n\n".join(inspect.getsource(each).rstrip() for each in definitions) + "\n"
