"""One itemised pass of a live training: opened before the forward pass, heard during the user's own backward pass."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from headwater.graph import Guard
from headwater.measure import Passes, Probe, batch_size, tensors
from headwater.measure.trace import parameter_names

PASSES = 8
"""Passes that are judged together; then a new window begins, so that what has healed is seen to."""
TRIES = 4
"""Backward passes of other losses after which a probe that waits for its own gives up."""


class LiveProbe:
    """Follows one step: `open`, then `before_backward` and `after_backward` of each backward pass until it is `heard`.

    Attributes:
        heard: whether a backward pass through the model was measured.
        batch: number of samples in the first forward pass that was seen; 0 when unknown.
        sequences: copies of inputs and targets, where the model is recurrent and both are known.
        behind: identities of the parameters that the loss leads to.
        ran: threads in which the model has run.
        gave_up: whether too many other losses came instead.
    """

    def __init__(self, model: nn.Module, roots: Iterable[nn.Module], passes: Passes, guard: Guard) -> None:
        number = len(passes.steps)
        predict = number in (0, PASSES // 2)
        self._probe = Probe(model, passes, number, last=True, predict=predict, guard=guard)
        self._model = model
        self._roots, self._guard = tuple(roots), guard
        # and what is right inside: a training step may call these by themselves
        self._watched = tuple(module for root in self._roots for module in (root, *root.children()))
        self._handles: list[RemovableHandle] = []
        self._last: list[RemovableHandle] = []
        self._entered: dict[int, list[AbstractContextManager[object]]] = {}
        self._closed = False
        self._outputs: Any = None
        self._inputs: torch.Tensor | None = None
        self._targets: torch.Tensor | None = None
        self._tries = 0
        self._listening: int | None = None  # in which thread
        self.heard = False
        self.batch = 0
        self.sequences: tuple[torch.Tensor, torch.Tensor] | None = None
        self.behind: frozenset[int] = frozenset()
        self.ran: set[int] = set()
        self.gave_up = False

    def open(self) -> None:
        """Begins to watch forward passes."""
        self._probe.open()
        for root in self._roots:
            self._handles.append(root.register_forward_hook(self._guard(self._leave), always_call=True))
        for module in self._watched:
            self._handles.append(module.register_forward_pre_hook(self._guard(self._enter), with_kwargs=True))
            self._last.append(module.register_forward_hook(self._guard(self._unwind), always_call=True))

    def close(self) -> None:
        """Ends everything that is still open."""
        self._outputs, self._inputs, self._targets = None, None, None
        self._listening, self._closed = None, True
        with ExitStack() as stack:  # each of them, whatever the others raise
            stack.callback(self._remove_hooks)
            stack.callback(self._probe.stop)

    def rescale(self, scale: float) -> None:
        """Divides the loss and the gradients that were filed: a gradient scaler had multiplied them."""
        self._probe.rescale(scale)

    def before_backward(self, loss: torch.Tensor, value: torch.Tensor) -> None:
        """Begins to listen, if the loss depends on the model; `value` is what it comes to."""
        if self.heard or self._listening is not None or self._tries >= TRIES:
            return
        if not _leads_to(loss, set(parameter_names(self._model))):
            self._tries += self._probe.called
            if self._tries >= TRIES:
                self.gave_up = True
                self.close()
            return
        self._remove_hooks()
        self._probe.begin(loss, value=float(value))
        self._targets, self.behind = self._probe.targets(), self._probe.behind()
        self._listening = threading.get_ident()

    def after_backward(self, completed: bool) -> None:
        """Files what was heard."""
        if self._listening != threading.get_ident():
            return
        self._listening = None
        if completed:
            self._probe.end(self._outputs, self._compared())
            self.sequences = self._copies() if self._probe.sees_time else None
            self.heard = True
        self.close()

    def _enter(self, root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if captures_graph():
            self.close()
            return
        trains = torch.is_grad_enabled()  # and is no evaluation between two steps
        if trains:
            self.ran.add(threading.get_ident())
            given = [*args, *kwargs.values()]
            self.batch = self.batch or batch_size(given)
            self._inputs = next(iter(tensors(given)), None) if self._inputs is None else self._inputs
        entered = self._entered.setdefault(threading.get_ident(), [])
        watching = self._probe.activations() if trains and not entered else nullcontext()
        watching.__enter__()
        entered.append(watching)

    def _leave(self, root: nn.Module, args: tuple[Any, ...], outputs: Any) -> None:
        if isinstance(outputs, torch.Tensor) and outputs.requires_grad:
            self._outputs = outputs.detach()

    def _compared(self) -> torch.Tensor | None:
        """The targets, where the loss compares them with the outputs number by number.

        A loss that was given other shapes keeps targets that it has laid out anew, and those say nothing.
        """
        shape = getattr(self._outputs, "shape", None)
        return self._targets if self._targets is not None and self._targets.shape == shape else None

    def _unwind(self, *_: Any) -> None:
        """Leaves what `_enter` has entered in this thread; it stays hooked until then."""
        entered = self._entered.get(threading.get_ident(), [])
        if entered:
            entered.pop().__exit__(None, None, None)
        if not entered:
            self._entered.pop(threading.get_ident(), None)
        if self._closed:
            self._remove_hooks()

    def _copies(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Whether the data need a long memory is asked of a few batches, which are copied: the user's are let go."""
        if self._inputs is None or self._targets is None:
            return None
        return self._inputs.detach().cpu().clone(), self._targets.cpu().clone()

    def _remove_hooks(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if threading.get_ident() in self._entered and not _inside(self._watched):
            # an interrupt has ended the forward pass, which calls no hook then
            for watching in reversed(self._entered.pop(threading.get_ident())):
                watching.__exit__(None, None, None)
        if not self._entered:
            for handle in self._last:
                handle.remove()
            self._last = []


def captures_graph() -> bool:
    """Inside the capture of a CUDA graph nothing can be read, and nothing may be added; its replays call no hook."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()


def _inside(modules: Iterable[nn.Module]) -> bool:
    """Whether a forward pass of one of the modules is running in this thread."""
    frame, code = sys._getframe(), cast(Any, nn.Module)._call_impl.__code__  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_code is code and any(frame.f_locals["self"] is module for module in modules):
            return True
        frame = frame.f_back
    return False


def _leads_to(loss: torch.Tensor, known: set[int]) -> bool:
    """Whether a parameter of the model lies behind the loss."""
    seen: set[Any] = set()
    stack: list[Any] = [loss.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) in known:
            return True
        stack += [child for child, _ in node.next_functions]
    return False
