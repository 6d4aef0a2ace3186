"""Which module and which source line made an operation.

Autograd numbers the nodes of a thread in the order of their creation. The number at entry and at exit of each module's
forward therefore tells which nodes the module made, whatever its outputs look like, in-place operations and
dictionaries included, and without a hook on any tensor.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from headwater.graph.frames import is_door, is_librarys, is_users
from headwater.records import SourceLine

_FRAME = re.compile(r'\s*File "(?P<file>.+)", line (?P<line>\d+)')


Guard = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Wraps each hook before it is registered; a monitor's lets no fault of ours into the user's training."""


def unguarded(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves a hook as it is: a fault is raised where it happens."""
    return hook


class Owners:
    """What was learned while one forward pass ran under `owners`.

    Attributes:
        calls: how often each module ran, by its path.
        classes: class name of each module, by its path.
    """

    def __init__(self, model: nn.Module) -> None:
        self.classes = {name: class_of(module).__name__ for name, module in _modules(model)}
        self.calls: Counter[str] = Counter()
        self._numbers: list[int] = []
        self._current: list[tuple[str, int]] = []

    def module(self, node: Any) -> tuple[str, int]:
        """Returns path and call number (from 0) of the innermost module that made the node; ``("", 0)`` if none."""
        place = bisect.bisect_right(self._numbers, node._sequence_nr()) - 1
        return self._current[place] if place >= 0 else ("", 0)

    def enter(self, owner: tuple[str, int]) -> None:
        """Notes that what is created from now on belongs to `owner`."""
        self._numbers.append(_next_sequence_number())
        self._current.append(owner)


def class_of(module: nn.Module) -> type[nn.Module]:
    """Returns the class that the user gave a module: FSDP2 puts one of its own, such as ``FSDPLinear``, before it."""
    found = type(module)
    return cast("type[nn.Module]", found.__bases__[-1]) if hasattr(found, "_get_fsdp_state") else found


@contextmanager
def owners(model: nn.Module, guard: Guard = unguarded) -> Generator[Owners]:
    """Learns the modules' names while a forward pass of `model` runs inside. The hooks are removed at the end.

    Calls under ``no_grad`` from outside the model make no nodes and do not count (an evaluation between two steps);
    those from inside do: a reentrant checkpoint runs its function so.
    """
    learned = Owners(model)
    handles: list[RemovableHandle] = []
    stack: list[tuple[str, int]] = [("", 0)]
    try:
        for name, module in _modules(model):
            if not isinstance(module, torch.jit.ScriptModule):
                handles += _hook(learned, name, module, stack, guard)
        yield learned
    finally:
        for handle in handles:
            handle.remove()


def _hook(
    learned: Owners, name: str, module: nn.Module, stack: list[tuple[str, int]], guard: Guard
) -> list[RemovableHandle]:
    def enter(_module: nn.Module, _inputs: Any) -> None:
        if _in_backward() or (len(stack) == 1 and not torch.is_grad_enabled()):
            return
        stack.append((name, learned.calls[name]))
        learned.calls[name] += 1
        learned.enter(stack[-1])

    def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        if _in_backward() or len(stack) == 1:
            return
        stack.pop()
        learned.enter(stack[-1])

    return [
        module.register_forward_pre_hook(guard(enter), prepend=True),
        module.register_forward_hook(guard(leave), always_call=True),
    ]


def _modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(cast("Iterator[tuple[str, nn.Module]]", model.named_modules()))


def _next_sequence_number() -> int:
    """Number that autograd will give to the next node of this thread; PyTorch has no public name for it."""
    return cast(Any, torch.autograd)._get_sequence_nr()


def _in_backward() -> bool:
    """Activation checkpointing runs forward again inside backward, and its hooks with it."""
    return cast(Any, torch)._C._current_graph_task_id() != -1


def source_line(node: Any) -> tuple[SourceLine | None, SourceLine | None]:
    """Returns where the node was made, when that ran under `source_lines`: the user's own line, and a library's.

    The user's line is that of the innermost frame of the user's; in a network made of library modules only, it is the
    line that calls it, unless Headwater does. The library's is the innermost one below it, when a library's own code
    runs there.
    """
    library: SourceLine | None = None
    for place in filter(None, map(_frame, reversed(node.metadata.get("traceback_") or []))):
        if is_users(place.file):
            return place, library
        if is_door(place.file):  # outside it stands the call of Headwater, which says nothing of the network
            break
        if library is None and is_librarys(place.file):
            library = place
    return None, library


def _frame(text: str) -> SourceLine | None:
    match = _FRAME.match(text)
    return SourceLine(match["file"], int(match["line"])) if match else None
