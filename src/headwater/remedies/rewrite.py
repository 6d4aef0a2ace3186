"""The one way in which remedies change what a model computes: other modules, or other functions, in place.

The model itself stays the object that a script holds: modules inside it are replaced, and functions that its code calls
are redirected while its forward runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from headwater.errors import RemedyError
from headwater.graph.frames import is_users
from headwater.records import SourceLine

_MODULES = nn.Module.__module__.rpartition(".")[0]
"""Package of PyTorch's modules: what is called below one of their frames, the module calls and not the user's line."""

Replacement = Callable[[str, nn.Module], "nn.Module | None"]


def is_inside(name: str, path: str) -> bool:
    """Whether a module or a layer is the one at a path, or in it; the path of the model, in which all are, is empty."""
    return not path or f"{name}.".startswith(f"{path}.")


def replace_modules(model: nn.Module, replacement: Replacement) -> tuple[str, ...]:
    """Puts other modules in the place of those for which `replacement` returns one.

    A module that is held in several places is asked for once, by its first path, and replaced by one module in all of
    them: what was shared stays shared. What is inside a new module is not asked for.

    Args:
        model: is changed in place.
        replacement: from a path and the module there to the module that takes its place, or ``None``. The new one may
            hold the old one.

    Returns:
        The paths of the modules that were replaced, each once.

    Raises:
        RemedyError: none was, or the model itself would have to be.
    """
    found = {id(module): (path, replacement(path, module)) for path, module in named(model)}
    new = {key: (path, module) for key, (path, module) in found.items() if module is not None}
    if id(model) in new:
        raise RemedyError(f"The model itself is the {type(model).__name__} to be replaced, and a script holds it.")
    if not new:
        raise RemedyError(f"None of the {len(found)} modules of the {type(model).__name__} is one to be replaced.")
    for parent in list(model.modules()):
        for name, child in list(children(parent).items()):
            if id(child) in new:
                setattr(parent, name, new[id(child)][1])
    return tuple(path for path, _ in new.values())


def named(model: nn.Module, *, every: bool = False) -> Iterable[tuple[str, nn.Module]]:
    """Returns paths and modules, the model's own path empty; `every`: shared ones under each of their paths."""
    return cast("Iterable[tuple[str, nn.Module]]", model.named_modules(remove_duplicate=not every))


def children(module: nn.Module) -> dict[str, nn.Module | None]:
    """Returns all that a module holds: `named_children` leaves out the second name of a shared one."""
    return cast(Any, module)._modules


@dataclass(frozen=True)
class Calls:
    """Calls of a function of PyTorch's from some lines of the user's.

    Attributes:
        lines: files and lines; of a longer statement the line that Python names.
        names: of the function, in all its spellings: ``torch.relu``, ``F.relu`` and ``x.relu_()`` are two.
        to: takes the same tensor in its place.
        by_modules: whether those are meant, too, that one of PyTorch's modules makes when such a line calls it.
    """

    lines: frozenset[SourceLine]
    names: frozenset[str]
    to: Callable[[torch.Tensor], torch.Tensor]
    by_modules: bool = False

    def meant(self, name: str) -> bool:
        """Whether a call of this function, from where the stack stands now, is one of them."""
        return name in self.names and _line(self.by_modules) in self.lines


def redirect(module: nn.Module, calls: Calls) -> None:
    """Calls other functions from some lines, while a module runs. Its forward is wrapped; copies keep that."""
    cast(Any, module).forward = _Redirected(module.forward, calls)


class _Redirected:
    """A forward that runs under a mode; an object and no closure, so that copies of the model hold copies of it."""

    def __init__(self, forward: Callable[..., Any], calls: Calls) -> None:
        self.forward, self.calls = forward, calls

    @torch.compiler.disable  # a compiled function has no lines
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _Redirection(self.calls):
            return self.forward(*args, **kwargs)


class _Redirection(TorchFunctionMode):
    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.calls = calls

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        options: dict[str, Any] = kwargs or {}
        name: str = getattr(func, "__name__", "")
        if not self.calls.meant(name):
            return func(*args, **options)
        x = cast(torch.Tensor, args[0] if args else options["input"])
        if name.endswith("_") or any(option is True for option in (*args[1:], options.get("inplace"))):
            return x.copy_(self.calls.to(x.clone()))  # in place: the result may not be looked at
        return self.calls.to(x)


def _line(by_modules: bool) -> SourceLine | None:
    """The innermost line of the user's; none where a module of PyTorch's that does not count stands in between."""
    frame = inspect.currentframe()
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return SourceLine(frame.f_code.co_filename, frame.f_lineno)
        if not by_modules and frame.f_globals.get("__name__", "").startswith(_MODULES):
            return None
        frame = frame.f_back
    return None


def join(optimizer: torch.optim.Optimizer, new: Iterable[nn.Parameter], neighbours: Collection[nn.Parameter]) -> None:
    """Adds parameters to the group of the optimizer that holds their neighbours, so that they learn as these do.

    Raises:
        RemedyError: no group holds any of the neighbours.
    """
    beside = {id(parameter) for parameter in neighbours}
    for group in optimizer.param_groups:
        if any(id(parameter) in beside for parameter in group["params"]):
            added = list(new)
            group["params"].extend(added)
            if isinstance(optimizer, torch.optim.Adagrad):  # the only one that makes its state when it is built
                start = group["initial_accumulator_value"]
                optimizer.state.update(
                    (p, {"step": torch.tensor(0.0), "sum": torch.full_like(p, start)}) for p in added
                )
            return
    raise RemedyError("The optimizer holds none of the parameters beside which new ones would stand.")
