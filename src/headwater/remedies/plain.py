"""Functions that are applied live and written into the user's file, from one source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

MODE_IMPORTS = (
    "from collections.abc import Callable",
    "from typing import Any",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor, nn",
    "from torch.overrides import TorchFunctionMode",
)
"""What modes below `Rerouted` are written with."""


class Rerouted(TorchFunctionMode):
    """Runs a module's forward, or a function, with some calls of PyTorch's functions changed."""

    def __init__(self, module: nn.Module | Callable[..., Any]) -> None:
        super().__init__()
        self.module: Any = module
        self.forward: Callable[..., Any] = getattr(module, "forward", module)

    @torch.compiler.disable
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs it."""
        with self:
            return self.forward(*args, **kwargs)


def reroute(module: nn.Module, mode: type[Rerouted]) -> None:
    """Runs a module under a mode from now on; a copy of the module runs under a copy of it."""
    cast(Any, module).forward = mode(module)


def shaped_as_saved(
    module: nn.Module, state: dict[str, Any], prefix: str, *_: Any, names: tuple[str, ...] = ()
) -> None:
    """Gives buffers whose shape the first batch decides the shape of those that are about to be loaded."""
    for name in names:
        if f"{prefix}{name}" in state:
            module.get_buffer(name).resize_as_(state[f"{prefix}{name}"])


def source(*definitions: Callable[..., Any]) -> str:
    """Returns the source of functions and classes that need nothing but PyTorch, to stand in a `Code`.

    What is written is then what was tried.
    """
    return "\n\n".join(inspect.getsource(each).rstrip() for each in definitions) + "\n"
