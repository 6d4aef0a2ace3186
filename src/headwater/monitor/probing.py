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
from headwater.measure import Passes, Probe, batch_size
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
        self._entered: list[AbstractContextManager[object]] = []
        self._thread = 0
        self._closed = False
        self._outputs: Any = None
        self._tries, self._listening = 0, False
        self.heard = False
        self.batch = 0

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
        self._outputs, self._listening, self._closed = None, False, True
        with ExitStack() as stack:  # each of them, whatever the others raise
            stack.callback(self._remove_hooks)
            stack.callback(self._probe.stop)

    def rescale(self, scale: float) -> None:
        """Divides the loss that was filed: a gradient scaler had multiplied it."""
        self._probe.rescale(scale)

    def before_backward(self, loss: torch.Tensor) -> None:
        """Begins to listen, if the loss depends on the model."""
        if self.heard or self._listening or self._tries >= TRIES:
            return
        if not _leads_to(loss, set(parameter_names(self._model))):
            self._tries += self._probe.called
            if self._tries >= TRIES:
                self.close()
            return
        self._remove_hooks()
        self._probe.begin(loss)
        self._listening = True

    def after_backward(self, completed: bool) -> None:
        """Files what was heard."""
        if not self._listening:
            return
        self._listening = False
        if completed:
            self._probe.end(self._outputs)
            self.heard = True
        self.close()

    def _enter(self, root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        trains = torch.is_grad_enabled()  # and is no evaluation between two steps
        if trains:
            self.batch = self.batch or batch_size([*args, *kwargs.values()])
        watching = self._probe.activations() if trains and not self._entered else nullcontext()
        watching.__enter__()
        self._entered.append(watching)
        self._thread = threading.get_ident()

    def _leave(self, root: nn.Module, args: tuple[Any, ...], outputs: Any) -> None:
        if isinstance(outputs, torch.Tensor) and outputs.requires_grad:
            self._outputs = outputs.detach()

    def _unwind(self, *_: Any) -> None:
        """Leaves what `_enter` has entered; it stays hooked until then."""
        if self._entered:
            self._entered.pop().__exit__(None, None, None)
        if self._closed:
            self._remove_hooks()

    def _remove_hooks(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self._entered and self._thread == threading.get_ident() and not _inside(self._watched):
            while self._entered:  # an interrupt has ended the forward pass, which calls no hook then
                self._entered.pop().__exit__(None, None, None)
        if not self._entered:
            for handle in self._last:
                handle.remove()
            self._last = []


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
