"""How deep inside the steps of an optimizer the program is, and the step of one that has no hooks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

from torch.optim import Optimizer


def _nothing(_optimizer: Any) -> None:
    """Is wrapped below to learn the code of PyTorch's wrapper."""


_WRAPPER = cast(Any, Optimizer.profile_hook_step(_nothing)).__code__


def under_way(optimizer: Any) -> int:
    """Returns how many steps of the optimizer are running in this thread, that of a base class inside its subclass's.

    Counted on the stack, since a step that raises tells no hook of its end.
    """
    count, frame = 0, sys._getframe()  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        count += frame.f_code is _WRAPPER and frame.f_locals["args"][0] is optimizer
        frame = frame.f_back
    return count


def around_step(optimizer: Any, pre: Callable[[], None], post: Callable[[], None]) -> Callable[[], None]:
    """Wraps the step of one object; returns what takes the wrapper off."""
    original = optimizer.step
    own = cast("dict[str, Any]", vars(optimizer)).get("step")

    def step(*args: Any, **kwargs: Any) -> Any:
        pre()
        result = original(*args, **kwargs)
        post()
        return result

    def remove() -> None:
        if vars(optimizer).get("step") is not step:
            return
        if own is None:
            del optimizer.step
        else:
            optimizer.step = own

    optimizer.step = step
    return remove
