"""One itemised pass of a live training: opened before the forward pass, heard during the user's own backward pass."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

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
        self._handles: list[RemovableHandle] = []
        self._calls: list[AbstractContextManager[object]] = []
        self._outputs: Any = None
        self._tries, self._listening = 0, False
        self.heard = False
        self.batch = 0

    def open(self) -> None:
        """Begins to watch forward passes."""
        self._probe.open()
        for root in self._roots:  # and what is right inside: a training step may call these by themselves
            for module in (root, *root.children()):
                self._watch_calls(module, is_root=module is root)

    def close(self) -> None:
        """Ends everything that is still open."""
        self._remove_hooks()
        self._probe.stop()
        self._outputs, self._listening = None, False

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

    def _watch_calls(self, module: nn.Module, *, is_root: bool) -> None:
        """Watches activations during the outermost call, and takes the outputs of the root's."""

        def enter(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            trains = torch.is_grad_enabled()  # and is no evaluation between two steps
            if trains:
                self.batch = self.batch or batch_size([*args, *kwargs.values()])
            outermost = trains and not self._calls
            self._calls.append(self._probe.activations() if outermost else nullcontext())
            self._calls[-1].__enter__()

        def leave(_module: nn.Module, _args: tuple[Any, ...], outputs: Any) -> None:
            if self._calls:
                self._calls.pop().__exit__(None, None, None)
            if is_root and isinstance(outputs, torch.Tensor) and outputs.requires_grad:
                self._outputs = outputs.detach()

        self._handles += [
            module.register_forward_pre_hook(self._guard(enter), with_kwargs=True),
            module.register_forward_hook(self._guard(leave), always_call=True),
        ]

    def _remove_hooks(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []


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
