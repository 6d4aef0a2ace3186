"""The probe of a compiled model: its pass is run once more, as plain Python, beside the training.

A compiled function is one opaque node, and hooks on modules inside are ignored or change what is compiled. So the real
pass runs as it is compiled; noted are what the model was called with and the gradient that reached its outputs. From
these the same pass is repeated with random numbers, buffers and gradients put back afterwards. What lies between the
outputs and the loss is not seen, and where compiled code draws random numbers of its own, dropout's masks are others.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import nn

from headwater.graph import Guard
from headwater.measure import Passes, Probe, RandomState, batch_size, tensors
from headwater.monitor.names import module_of
from headwater.monitor.probing import PASSES, captures_graph

log = logging.getLogger("headwater")

_TOLD: weakref.WeakSet[nn.Module] = weakref.WeakSet()


def is_compiled(root: nn.Module) -> bool:
    """Whether the module, or one inside, is run by ``torch.compile``."""
    return any(
        hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        for module in root.modules()
    )


class ReplayedProbe:
    """Follows one step of a model with one root, as `LiveProbe` does."""

    def __init__(self, root: nn.Module, passes: Passes, guard: Guard) -> None:
        number = len(passes.steps)
        self._root, self._inside = root, module_of(root)
        self._probe = Probe(self._inside, passes, number, last=True, predict=number in (0, PASSES // 2), guard=guard)
        self._guard = guard
        self._removers: list[Callable[[], None]] = []
        self._call: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._state: tuple[RandomState, dict[str, tuple[bool, torch.dtype]]] | None = None
        self._gradients: dict[int, torch.Tensor] = {}
        self._loss: torch.Tensor | None = None
        self.heard = False
        self.batch = 0
        self.sequences: tuple[torch.Tensor, torch.Tensor] | None = None
        self.behind: frozenset[int] = frozenset()
        self.ran: set[int] = set()
        self.gave_up = False
        self._listening: int | None = None

    def open(self) -> None:
        """Begins to note what the model is called with, and says once for each model what is not seen."""
        if self._root not in _TOLD:
            _TOLD.add(self._root)
            log.warning(
                "%s is compiled, and a compiled function cannot be itemised: at probes its pass runs once more, as "
                "plain Python, beside the training. Not seen are what lies between its outputs and the loss, and the "
                "masks of dropout that compiled code draws.",
                type(self._inside).__name__,
            )
        if getattr(self._root, "_compiled_call_impl", None) is not None:
            self._removers = [_around_call(self._root, self._guard(self._enter), self._guard(self._leave))]
        else:
            self._removers = [
                self._root.register_forward_pre_hook(self._guard(self._enter), with_kwargs=True).remove,
                self._root.register_forward_hook(self._guard(self._leave)).remove,
            ]

    def close(self) -> None:
        """Lets go of everything."""
        self._call, self._state, self._gradients, self._loss = None, None, {}, None
        with ExitStack() as stack:  # each of them, whatever the others raise
            stack.callback(self._probe.stop)
            while self._removers:
                stack.callback(self._removers.pop())

    def rescale(self, scale: float) -> None:
        """Divides the loss and the gradients that were filed: a gradient scaler had multiplied them."""
        self._probe.rescale(scale)

    def before_backward(self, loss: torch.Tensor, value: torch.Tensor) -> None:
        """Notes the loss; the gradient at the outputs arrives during the backward pass."""
        if not self.heard and self._call is not None:
            self._loss, self._listening = value, threading.get_ident()

    def after_backward(self, completed: bool) -> None:
        """Repeats the pass, if a gradient reached the outputs."""
        if self._listening != threading.get_ident() or self.heard or not completed or not self._gradients:
            return
        call, state, gradients = self._call, self._state, self._gradients
        assert self._loss is not None
        loss = float(self._loss)
        assert call is not None and state is not None
        with _aside(self._inside, *state):
            with self._probe.forward():
                outputs = _differentiable(self._inside(*call[0], **call[1]))
            reached = [(outputs[i], gradient) for i, gradient in gradients.items() if i < len(outputs)]
            total = sum(((out * gradient).sum() for out, gradient in reached), start=torch.zeros(()))
            self._probe.begin(total, value=loss)
            trained = [p for p in self._inside.parameters() if p.requires_grad]
            torch.autograd.grad(total, trained, allow_unused=True)
            self._probe.end(reached[0][0].detach() if len(outputs) == 1 else None)
        self.heard = True
        self.close()

    def _enter(self, _root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._call is None and torch.is_grad_enabled() and not captures_graph():
            self._call = (args, kwargs)
            self.ran.add(threading.get_ident())
            self._state = RandomState.now(self._inside), _autocasting()
            self.batch = batch_size([*args, *kwargs.values()])

    def _leave(self, _root: nn.Module, _args: tuple[Any, ...], outputs: Any) -> None:
        if self._call is None or self._gradients:
            return
        for i, output in enumerate(_differentiable(outputs)):
            output.register_hook(self._guard(self._keep(i)))

    def _keep(self, i: int) -> Callable[[torch.Tensor], None]:
        def keep(gradient: torch.Tensor | None) -> None:
            if gradient is not None:  # of an output that the loss does not use
                self._gradients[i] = gradient.detach()

        return keep


def _differentiable(outputs: Any) -> list[torch.Tensor]:
    return [each for each in tensors(outputs) if each.requires_grad]


def _around_call(root: nn.Module, enter: Callable[..., Any], leave: Callable[..., Any]) -> Callable[[], None]:
    """Wraps the call of a module that was compiled in place, where hooks would be compiled too."""
    holder = cast(Any, root)
    original = holder._compiled_call_impl

    def call(*args: Any, **kwargs: Any) -> Any:
        enter(root, args, kwargs)
        outputs = original(*args, **kwargs)
        leave(root, args, outputs)
        return outputs

    holder._compiled_call_impl = call

    def remove() -> None:
        if holder._compiled_call_impl is call:
            holder._compiled_call_impl = original

    return remove


def _autocasting() -> dict[str, tuple[bool, torch.dtype]]:
    kinds = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    return {kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds}


@contextmanager
def _aside(model: nn.Module, random: RandomState, autocast: dict[str, tuple[bool, torch.dtype]]) -> Generator[None]:
    """Runs what is inside as the forward pass ran, eagerly, and puts random numbers and buffers back."""
    here = RandomState.now(model)
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        with torch.compiler.set_stance("force_eager"), torch.enable_grad(), ExitStack() as casts:
            for kind, (enabled, dtype) in autocast.items():
                casts.enter_context(torch.autocast(kind, dtype=dtype, enabled=enabled))
            random.again()
            yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        here.again()
