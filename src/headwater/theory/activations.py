"""From what the user calls an activation (a name, a module, a function of torch) to a function and its derivative."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from headwater.errors import InputError
from headwater.theory.named import ALIASES, NAMED, Elementwise


@dataclass(frozen=True)
class Activation:
    """An elementwise function and its derivative, both from an array of float64 to another.

    Attributes:
        name: what to call it.
        function: phi.
        derivative: phi'.
    """

    name: str
    function: Elementwise
    derivative: Elementwise


def activation(what: str | Activation | Callable[..., Any]) -> Activation:
    """Returns the activation that is meant.

    Args:
        what: a name (``"gelu"``; case, dashes and underscores do not matter, so that ``"LeakyReLU"`` is one too), an
            ``nn.Module`` (``nn.LeakyReLU(0.2)``), a function from tensor to tensor (``torch.tanh``, a lambda), or an
            `Activation`, which comes back as it is. The derivative of modules and functions is found by autograd.

    Raises:
        InputError: no activation has this name (the message names the nearest), or the function cannot be
            differentiated, or it is not elementwise.
    """
    if isinstance(what, Activation):
        return what
    if isinstance(what, str):
        return _named(what)
    if isinstance(what, type):
        raise InputError(f"Expected an activation, got the class {what.__name__}. Make one of it: {what.__name__}().")
    if not callable(what):
        raise InputError(
            f"Expected an activation as a name, an nn.Module or a function of tensors, got {type(what).__name__}."
        )
    from headwater.theory.differentiated import differentiated  # here and not above: it imports torch

    return differentiated(what)


@cache
def _named(name: str) -> Activation:
    known = {_key(each): each for each in NAMED} | {_key(alias): each for alias, each in ALIASES.items()}
    found = known.get(_key(name))
    if found is None:
        near = list(dict.fromkeys(known[key] for key in difflib.get_close_matches(_key(name), known, n=3, cutoff=0.5)))
        nearest = f" Nearest: {', '.join(near)}." if near else ""
        raise InputError(
            f"There is no activation called {name!r}.{nearest} Known: {', '.join(NAMED)}. "
            "From Python any nn.Module or function of tensors will do."
        )
    return Activation(found, *NAMED[found])


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
