"""Listens at the doors of PyTorch that every training goes through and that have no hooks of their own.

``torch.autograd.backward`` (which ``loss.backward()`` calls) shows the loss before its graph is used up; the clipping
functions show what clipping does; ``GradScaler.step`` shows the scale. Each is replaced while somebody listens, and put
back when nobody does.

What comes through none of these doors is not itemised, only the optimizer's steps are seen: gradients that are computed
by ``torch.autograd.grad`` and assigned, and a backward pass from several tensors at once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad


class Listener(Protocol):
    """What a monitor wants to know. None of its methods raises.

    Attributes:
        resting: whether it has no use for the coming backward pass and its clipping.
    """

    resting: bool

    def before_backward(self, tensors: Any, gradients: Any) -> None:
        """A backward pass from `tensors` is about to run, and begins with `gradients` there."""

    def after_backward(self, completed: bool) -> None:
        """It has run, or has raised."""

    def clipped(self, parameters: Any, norm: Any, limit: float | None) -> None:
        """Gradients of norm `norm` were shortened to `limit`; both ``None`` where each element was clipped."""

    def before_scaled_step(self, optimizer: Any, scaler: Any) -> None:
        """A gradient scaler is about to call the optimizer, unless it finds an infinity."""

    def after_scaled_step(self, optimizer: Any) -> None:
        """It has called it, or not."""


_lock = threading.RLock()
_listeners: list[Listener] = []
_undo: list[Callable[[], None]] = []


def listen(listener: Listener) -> None:
    """Tells the listener from now on."""
    with _lock:
        if not _listeners:
            _install()
        _listeners.append(listener)


def leave(listener: Listener) -> None:
    """Tells the listener no more; the last one to leave puts everything back."""
    with _lock:
        if listener in _listeners:
            _listeners.remove(listener)
        if not _listeners:
            _uninstall()


def _install() -> None:
    _replace(torch.autograd, "backward", _backward)
    _replace(clip_grad, "_clip_grads_with_norm_", _clip_by_norm)
    _replace(torch.nn.utils, "clip_grads_with_norm_", _clip_by_norm)
    _replace_inside(clip_grad.clip_grad_value_, _clip_by_value)
    _replace(GradScaler, "step", _scaled_step, always=True)


def _replace(holder: Any, name: str, around: Callable[..., Any], *, always: bool = False) -> None:
    """Puts our function in the place of PyTorch's; `always`: also while all listeners rest."""
    original = getattr(holder, name, None)
    if original is None:  # not in this version of PyTorch
        return
    replaced = _wrapped(original, around, always=always)
    setattr(holder, name, replaced)
    _undo.append(lambda: setattr(holder, name, original) if getattr(holder, name) is replaced else None)


def _replace_inside(function: Any, around: Callable[..., Any]) -> None:
    """Replaces what a decorated function calls, so that those who have imported it by name are heard too."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cell = cells["func"]
    original = cell.cell_contents
    cell.cell_contents = replaced = _wrapped(original, around)

    def undo() -> None:
        if cell.cell_contents is replaced:
            cell.cell_contents = original

    _undo.append(undo)


def _wrapped(original: Callable[..., Any], around: Callable[..., Any], *, always: bool = False) -> Callable[..., Any]:
    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        for listener in _listeners:
            if always or not listener.resting:
                return around(original, *args, **kwargs)
        return original(*args, **kwargs)

    return replaced


def _uninstall() -> None:
    """Puts back what nobody else has replaced meanwhile; elsewhere our wrapper stays and passes everything on."""
    while _undo:
        _undo.pop()()


def _backward(original: Callable[..., Any], tensors: Any, *args: Any, **kwargs: Any) -> Any:
    listeners = [each for each in _listeners if not each.resting]
    if cast(Any, torch)._C._current_graph_task_id() != -1:  # a checkpoint's, inside of another pass
        return original(tensors, *args, **kwargs)
    gradients = args[0] if args else kwargs.get("grad_tensors")
    for listener in listeners:
        listener.before_backward(tensors, gradients)
    completed = False
    try:
        result = original(tensors, *args, **kwargs)
        completed = True
        return result
    finally:
        for listener in listeners:
            listener.after_backward(completed)


def _clip_by_norm(
    original: Callable[..., Any], parameters: Any, max_norm: float, total_norm: Any, *args: Any, **kwargs: Any
) -> Any:
    parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
    for listener in [each for each in _listeners if not each.resting]:
        listener.clipped(parameters, total_norm, float(max_norm))
    return original(parameters, max_norm, total_norm, *args, **kwargs)


def _clip_by_value(original: Callable[..., Any], parameters: Any, *args: Any, **kwargs: Any) -> Any:
    parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
    for listener in [each for each in _listeners if not each.resting]:
        listener.clipped(parameters, None, None)
    return original(parameters, *args, **kwargs)


def _scaled_step(original: Callable[..., Any], scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
    listeners = list(_listeners) if scaler.is_enabled() else []
    for listener in listeners:
        listener.before_scaled_step(optimizer, scaler)
    result = original(scaler, optimizer, *args, **kwargs)
    for listener in listeners:
        listener.after_scaled_step(optimizer)
    return result
