"""What the optimizer really did: how far each parameter moved, and how much of the loss that took away."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from headwater.measure.norms import any_nonzero, dense, frobenius
from headwater.measure.optimizers import rate_of

SAME = 1e-6
"""Units are identical when they differ by less than this share of the largest weight: a few roundings of float32."""

_GATES = (3, 4)
"""Blocks of rows in the weights of a GRU and of an LSTM."""


@dataclass
class _History:
    """One parameter over the probation."""

    ratios: list[float] = field(default_factory=list[float])
    decreases: list[float] = field(default_factory=list[float])
    gradient: str = "none"


class Updates:
    """Follows parameters over optimizer steps: `before_step`, ``optimizer.step()``, `after_step`, step after step."""

    def __init__(self, parameters: dict[str, nn.Parameter], optimizer: Optimizer, *, most: int | None = None) -> None:
        """Follows `parameters` under `optimizer`; of all their elements together `most` are kept, evenly spaced."""
        self._parameters = {name: p for name, p in parameters.items() if p.requires_grad}
        self._groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        self._kind = type(optimizer)
        self._state: Mapping[Any, Any] = getattr(optimizer, "state", {})  # a class of the user's own may have none
        sizes = {name: dense(p).numel() for name, p in self._parameters.items()}
        self._strides = dict.fromkeys(sizes, 1) if most is None else strides(sizes, most)
        self._before: dict[str, torch.Tensor] = {}
        self._change: dict[str, torch.Tensor] = {}
        self._history = {name: _History() for name in parameters}

    def before_step(self) -> None:
        """Reads the gradients that the optimizer is about to consume, and keeps the weights."""
        self.credit()
        self.keep()

    def credit(self, scale: float = 1.0) -> None:
        """Reads the gradients, still multiplied by `scale`, and what the previous change did to the loss behind them.

        The gradients belong to a batch that the previous change has not seen, which makes them the measure of that
        change: first-order decrease of the loss ``-<g', dw>`` (Lan, Liu, Zhou, Yosinski 2019, "LCA").
        """
        for name, parameter in self._parameters.items():
            history = self._history[name]
            if parameter.grad is None:
                continue
            gradient = dense(parameter.grad)
            if history.gradient != "nonzero":
                # where it is sharded a rank may hold no element, and then has seen no zero
                history.gradient = "nonzero" if any_nonzero(gradient) or not gradient.numel() else "zero"
            if name in self._change:
                change, some = self._change[name], self._some(name, parameter.grad)
                history.decreases.append(-float(torch.dot(some.to(change.dtype), change)) * self._strides[name] / scale)

    def keep(self) -> None:
        """Keeps the weights, or some elements of each."""
        for name, parameter in self._parameters.items():
            weight = self._some(name, parameter)
            self._before.setdefault(name, torch.empty_like(weight)).copy_(weight)

    def after_step(self) -> None:
        """Measures ``|dw - weight decay| / max(|w|, |w| of PyTorch's default initialisation)``."""
        for name, parameter in self._parameters.items():
            group = self._groups.get(id(parameter))
            if group is None or rate_of(group) == 0 or not self._before[name].numel():
                continue
            before, kept = self._before[name], 1.0 - decay(self._kind, group)
            # at least float32: in half precision the difference itself would be rounded
            wide = torch.promote_types(before.dtype, torch.float32)
            change = self._change.setdefault(name, torch.empty_like(before, dtype=wide))
            change.copy_(self._some(name, parameter)).sub_(before.to(wide), alpha=kept)
            scale = max(frobenius(before), default_norm(parameter) / math.sqrt(self._strides[name]))
            self._history[name].ratios.append(frobenius(change) / scale if scale > 0 else 0.0)

    def forget(self) -> None:
        """Lets go of the weights and of the change; what was measured stays."""
        self._before, self._change = {}, {}

    def retire(self) -> None:
        """Lets go of the parameters and of the optimizer's state as well, for good."""
        self.forget()
        self._parameters, self._groups, self._state = {}, {}, {}

    def _some(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """The elements that are followed, in a row; of a sparse gradient with the zeros that it leaves out."""
        stride = self._strides[name]
        return _each(tensor, stride) if tensor.layout is torch.sparse_coo else dense(tensor).flatten()[::stride]

    def descent(self) -> tuple[float, float]:
        """Returns ``-<g, dw>`` of the step just taken, decay included, and the cosine between ``-g`` and ``dw``."""
        inner, gradients, changes = 0.0, 0.0, 0.0
        for name, parameter in self._parameters.items():
            if parameter.grad is None:
                continue
            gradient = self._some(name, parameter.grad).float()
            change = self._some(name, parameter).float() - self._before[name].float()
            inner -= float((gradient * change).sum(dtype=torch.float64))
            gradients, changes = math.hypot(gradients, frobenius(gradient)), math.hypot(changes, frobenius(change))
        length = gradients * changes
        return inner, inner / length if length > 0 else 0.0

    def gradient(self, name: str) -> str:
        """Returns ``"none"``, ``"zero"`` or ``"nonzero"``: the most that ever reached the parameter."""
        return self._history[name].gradient

    def ratio(self, name: str, last: int) -> float | None:
        """Returns the median relative update over the last steps; ``None`` when the parameter was never updated."""
        ratios = self._history[name].ratios[-last:]
        return statistics.median(ratios) if ratios else None

    def barely_moved(self, below: float) -> frozenset[str]:
        """Returns the names of those with a gradient whose last relative update was smaller than `below`."""
        return frozenset(
            name
            for name, history in self._history.items()
            if history.gradient == "nonzero" and history.ratios and history.ratios[-1] < below
        )

    def decrease(self, name: str, last: int) -> float | None:
        """Returns the median first-order decrease of the loss by this parameter over the last steps."""
        decreases = self._history[name].decreases[-last:]
        return statistics.median(decreases) if decreases else None

    def epsilon_share(self, name: str) -> float | None:
        """Returns the share of elements whose step Adam's epsilon rules: ``sqrt(v_hat) < 10 eps``."""
        parameter = self._parameters.get(name)
        group = self._groups.get(id(parameter))
        if parameter is None or group is None or parameter not in self._state:
            return None
        state: dict[str, Any] = self._state[parameter]
        if "exp_avg_sq" not in state or "eps" not in group or "betas" not in group or parameter.is_complex():
            return None
        correction = 1.0 - float(group["betas"][1]) ** float(state["step"])
        squares: torch.Tensor = state["exp_avg_sq"]  # compared as squares, in at least float32: no root of all of them
        limit = correction * (10.0 * float(group["eps"])) ** 2
        wide = squares if squares.dtype in (torch.float32, torch.float64) else squares.float()
        return int((wide < limit).sum()) / max(1, wide.numel())


def _each(sparse: torch.Tensor, stride: int) -> torch.Tensor:
    """Every `stride`-th element of a sparse tensor; none of its full size is made, as a table can be huge."""
    outer, values = sparse.shape[: sparse.sparse_dim()], dense(sparse)
    inner = values.shape[1:].numel()
    indices = sparse.detach().coalesce().indices()
    rows = torch.zeros_like(indices[0])
    for size, index in zip(outer, indices, strict=True):
        rows = rows * size + index
    places = (inner * rows.unsqueeze(1) + torch.arange(inner, device=values.device)).flatten()
    followed = places % stride == 0
    each = values.new_zeros(-(-outer.numel() * inner // stride))
    each[places[followed] // stride] = values.flatten()[followed]
    return each


def strides(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """Returns every how many elements of each tensor one is followed, so that all together are about `most`.

    Each tensor gets the same share; small ones are followed whole. A stride has no factor 2, 3 or 5, so that it does
    not run along one column of a matrix of a usual width.
    """
    share = most // max(1, len(sizes))
    return {name: _odd(-(-size // max(1, share))) for name, size in sizes.items()}


def _odd(stride: int) -> int:
    """The next larger number that 2, 3 and 5 do not divide; 1 stays."""
    return next(n for n in range(stride, stride + 7) if n == 1 or math.gcd(n, 30) == 1)


def decay(kind: type, group: dict[str, Any]) -> float:
    """Returns the share of the weight that decay takes in one step of an optimizer of that class.

    It is known where decay is a plain multiple of the weight.

    So it is for decoupled decay (Loshchilov and Hutter 2019, AdamW) and for gradient descent without momentum;
    elsewhere the decay passes through the optimizer's state and cannot be told apart: 0.
    """
    decoupled = bool(group.get("decoupled_weight_decay", kind.__name__ in ("AdamW", "SGDW", "Lion")))
    plain = kind is torch.optim.SGD and not group.get("momentum")
    return (rate_of(group) or 0.0) * float(group.get("weight_decay") or 0.0) if decoupled or plain else 0.0


def default_norm(parameter: torch.Tensor) -> float:
    """Norm of a matrix at PyTorch's default initialisation, of variance ``1 / (3 fan_in)``; 0 for vectors.

    Of a sharded one that of the part here. Its rows are not indexed: that would gather them from all ranks.
    """
    if parameter.dim() < 2:
        return 0.0
    fan_in = parameter.shape[1:].numel()
    return math.sqrt(dense(parameter).numel() / (3.0 * fan_in)) if fan_in else 0.0


def identical_units(parameter: nn.Parameter) -> bool:
    """Whether all rows of a matrix are equal in weight and in gradient, so that no step can ever tell them apart."""
    gradient = parameter.grad
    if not _is_matrix(parameter) or gradient is None or gradient.is_sparse:
        return False
    return _same_rows(dense(parameter)) and _same_rows(dense(gradient))


def unlike_units(parameter: nn.Parameter) -> bool:
    """Whether there are no rows, or some that differ in their weights."""
    matrix = dense(parameter)
    return not _is_matrix(matrix) or not _same_rows(matrix)


def equal_units(parameter: nn.Parameter) -> bool:
    """Whether all rows of a matrix have the same weights, other than zero (a branch or a head that starts at zero)."""
    matrix = dense(parameter)
    return _is_matrix(matrix) and _same_rows(matrix) and any_nonzero(matrix)


def _is_matrix(tensor: torch.Tensor) -> bool:
    """Whether there are several units with several weights each; a gain of shape (units, 1, 1, 1) is a vector."""
    return tensor.dim() > 1 and tensor.shape[0] > 1 and tensor.shape[1:].numel() > 1


def _same_rows(matrix: torch.Tensor) -> bool:
    """Whether all rows are equal, or all rows of each gate where a recurrent layer stacks three or four of them."""
    counts = [n for n in (1, *_GATES) if matrix.shape[0] % n == 0 and matrix.shape[0] > n]
    return any(all(map(_all_equal, matrix.chunk(n))) for n in counts)


def _all_equal(rows: torch.Tensor) -> bool:
    return all(float((some - some[:1]).abs().max()) <= SAME * float(some.abs().max()) for some in (rows[:2], rows))


def zero_names(parameters: Iterable[tuple[str, nn.Parameter]]) -> frozenset[str]:
    """Returns the names of the weights whose elements are all zero; a bias of zeros stops no gradient."""
    factors = ((name, dense(p)) for name, p in parameters if not name.rpartition(".")[2].startswith("bias"))
    return frozenset(name for name, factor in factors if factor.numel() and not any_nonzero(factor))
