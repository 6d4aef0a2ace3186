"""The step that an optimizer meant to take: the same step in a wider dtype, and how much of it the weights took on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.measure.norms import dense, frobenius
from headwater.measure.optimizers import copied

KEPT = 0.5
"""Share of the remainder, by norm, up to which a buffer of the optimizer may miss it and still be its keeper."""


class Intended:
    """One step of an optimizer, as it is and as it was meant. Make it just before the step; read it just after.

    The wide step is taken by a copy of the optimizer, with the same state and the same gradients in float32 (float64
    for what is float32), so that whatever the optimizer does is done. A step that cannot be taken so is not judged.
    """

    def __init__(self, optimizer: Optimizer, watched: Iterable[torch.Tensor]) -> None:
        self._optimizer = optimizer
        self._watched = [p for p in watched if p.grad is not None]
        self._before = {id(p): dense(p).clone() for p in self._watched}
        self._buffers = {id(p): _buffers(optimizer, p, self._before[id(p)].shape) for p in self._watched}
        self._meant = self._wide_step() if self._watched else {}

    def captured(self, parameter: torch.Tensor) -> tuple[float, float, float] | None:
        """Returns ``<applied, intended>``, ``|intended|^2`` and ``|weight|``, after the step; ``None`` if not known.

        ``kappa``, the first over the second, is 1 when rounding takes nothing. It is also 1 when the optimizer itself
        remembers what rounding took (master weights; Kahan summation as in Zamirai et al. 2020, "Revisiting BFloat16
        training"): then it is made up for later.
        """
        intended = self._meant.get(id(parameter))
        if intended is None:
            return None
        before, after = self._before[id(parameter)], dense(parameter)
        applied = after.to(intended.dtype) - before.to(intended.dtype)
        size = frobenius(intended) ** 2
        along = float(torch.dot(applied.flatten(), intended.flatten()))
        if along < KEPT * size and self._remembers(parameter, intended - applied):
            along = size
        return along, size, frobenius(before)

    def _wide_step(self) -> dict[int, torch.Tensor]:
        watched = {id(p) for p in self._watched}
        twins: dict[int, Any] = {}
        for p in (p for group in self._optimizer.param_groups for p in group["params"]):
            twins[id(p)] = _twin(p, wider(p.dtype) if id(p) in watched else p.dtype)
        devices = sorted({p.device.index or 0 for p in self._watched if p.device.type == "cuda"})
        try:
            optimizer = copied(self._optimizer, twins, hooks=False)
            _widen_state(optimizer)
            with torch.random.fork_rng(devices=devices):
                cast(Any, optimizer).step()
        except (RuntimeError, TypeError, ValueError, AssertionError, NotImplementedError):
            return {}  # the user's own optimizer may know its own dtypes only; its real step is not in question
        return {key: twins[key].detach() - start.to(twins[key].dtype) for key, start in self._before.items()}

    def _remembers(self, parameter: torch.Tensor, remainder: torch.Tensor) -> bool:
        """Whether a buffer of the optimizer holds the remainder, its negative, or the weight with the remainder."""
        allowed = KEPT * frobenius(remainder)
        weight = dense(parameter).to(remainder.dtype)
        old = self._buffers[id(parameter)]
        for name, now in _buffers(self._optimizer, parameter, remainder.shape).items():
            held = now.to(remainder.dtype)
            grown = held - old[name].to(remainder.dtype) if name in old else held
            if any(frobenius(c - remainder) <= allowed for c in (held, -held, grown, -grown, held - weight)):
                return True
        return False


def wider(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which a step is meant: two roundings finer at least."""
    return torch.float64 if torch.finfo(dtype).bits >= 32 else torch.float32


def _twin(parameter: torch.Tensor, dtype: torch.dtype) -> nn.Parameter:
    twin = nn.Parameter(parameter.detach().to(dtype, copy=True), requires_grad=parameter.requires_grad)
    if parameter.grad is not None:
        twin.grad = parameter.grad.detach().to(dtype, copy=True)
    return twin


def _widen_state(optimizer: Optimizer) -> None:
    """Casts the state of each parameter to the parameter's dtype where that is wider."""
    for parameter, state in cast("dict[torch.Tensor, dict[str, Any]]", optimizer.state).items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() > 0:
                state[name] = value.to(torch.promote_types(value.dtype, parameter.dtype))


def _buffers(optimizer: Optimizer, parameter: torch.Tensor, shape: torch.Size) -> dict[str, torch.Tensor]:
    """Tensors of the parameter's shape that the optimizer keeps: in its state, or in lists and dicts of its own."""
    found: dict[str, Any] = dict(cast("Mapping[str, Any]", optimizer.state.get(parameter, {})))
    for name, held in vars(optimizer).items():
        if name not in ("state", "param_groups", "defaults") and isinstance(held, list | dict):
            kept = cast("dict[Any, Any]", held).items() if isinstance(held, dict) else enumerate(cast(Any, held))
            found |= {f"{name}.{key}": value for key, value in kept}
    return {
        name: value.detach().clone()
        for name, value in found.items()
        if isinstance(value, torch.Tensor) and value.shape == shape and value.is_floating_point()
    }
