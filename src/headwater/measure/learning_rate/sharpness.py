"""The largest eigenvalue of the loss's Hessian, as the optimizer feels it, against what the optimizer can bear.

With the rate of each group, ``D = diag(rate / (bearable P))`` (see `headwater.measure.stability`), the iteration is
unstable along some direction when

    place = lambda_max(D^1/2 H D^1/2) > 1

and ``sharpness = place * threshold`` with the threshold at the largest rate: the largest eigenvalue of ``P^-1 H``, or
of ``H`` for plain gradient descent and momentum (Cohen et al. 2021, "Gradient descent on neural networks typically
occurs at the edge of stability"; Cohen et al. 2022, "Adaptive gradient methods at the edge of stability").

The eigenvalue is found by the Lanczos iteration on Hessian-vector products (Pearlmutter 1994, "Fast exact
multiplication by the Hessian"). Only its last two vectors are kept: eigenvalues found twice, the price of not
orthogonalising, do not move the largest.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Optimizer

from headwater.measure.learning_rate.stability import bearable, preconditioner

log = logging.getLogger("headwater")

MOST_PRODUCTS = 10
"""Ten products take 20 to 25 times the arithmetic of a forward and backward pass; most networks need eight."""
LEAST_PRODUCTS = 8
"""Before that a start with little of the sharpest direction can settle on the second one."""
ENOUGH = 0.02
"""Residual of the Ritz pair over its value at which to stop: so near an eigenvalue lies at least (Parlett 1998, "The
symmetric eigenvalue problem", theorem 4.5.1), and with a gap nearer by far (0.04 % and less was measured)."""
DRAWN = 0.2
"""Part of the start that is random, beside the gradient: with none the sharpest direction can be missed (5 % low)."""

_SEED = 0
_UNSUPPORTED = ("derivative for", "double backward", "incompatible with .grad()")
"""What torch says where an operation (cuDNN's recurrent layers, compiled code, a re-entrant checkpoint) has no second
derivative: it has no exception of its own for that."""

_ONLY_ONCE = ("::Error", "::DelayedError", "::NotImplemented", "CompiledFunctionBackwardBackward")
"""Nodes that stand for such an operation in the graph of the gradient. Of compiled code that graph is not whole."""


class _NoSecondDerivativeError(Exception):
    """An operation of the model can be differentiated only once."""


@dataclass(frozen=True)
class Sharpness:
    """The sharpness that an optimizer feels.

    Attributes:
        value: largest eigenvalue of the (preconditioned) Hessian on one batch.
        threshold: what the optimizer can bear at its rate.
        place: ``value / threshold``.
        products: Hessian-vector products that it took.
    """

    value: float
    threshold: float
    place: float
    products: int


def sharpness(loss: Callable[[], torch.Tensor], optimizer: Optimizer) -> Sharpness | None:
    """Measures the sharpness of `loss` in the parameters that `optimizer` moves.

    Leaves parameters, gradients and random number generators alone; the forward pass may update buffers.

    Returns:
        ``None`` when it cannot be known: the optimizer is not one whose threshold is known, or has not taken a step
        yet, some operation of the model has no second derivative, or the device has no memory for one (which is
        logged).

    Raises:
        Exception: what `loss` raises, and what torch raises for any other reason.
    """
    scales = _scales(optimizer)
    if scales is None:
        return None
    found = None
    with torch.random.fork_rng(devices=_devices(scales.parameters)), torch.enable_grad():
        for without_cudnn in (False, True):  # fused recurrent layers have no second derivative
            try:
                with _differentiable_twice(without_cudnn):
                    found = _largest(_Operator(loss, scales))
                break
            except _NoSecondDerivativeError:
                if not torch.cuda.is_available():
                    break
            except torch.OutOfMemoryError:  # it takes more than a training step; all else that was measured stands
                log.warning("The sharpness of the loss is left out: a second derivative does not fit into the memory.")
                break
    if found is None or not math.isfinite(found[0]):
        return None
    place, products = found
    return Sharpness(place * scales.threshold, scales.threshold, place, products)


@dataclass(frozen=True)
class _Scales:
    """``D^1/2`` for each parameter, as a tensor or as one number."""

    parameters: list[nn.Parameter]
    roots: list[torch.Tensor | float]
    threshold: float


def _scales(optimizer: Optimizer) -> _Scales | None:
    parameters: list[nn.Parameter] = []
    roots: list[torch.Tensor | float] = []
    threshold = math.inf
    for group in optimizer.param_groups:
        rate, bears = float(group.get("lr") or 0.0), bearable(group, type(optimizer))
        if bears is None:
            return None
        moved = [p for p in group["params"] if p.requires_grad and not p.is_complex()]
        if rate <= 0 or not moved:
            continue
        threshold = min(threshold, bears / rate)
        for parameter in moved:
            try:
                divided_by = preconditioner(optimizer, parameter, group)
            except LookupError:  # no gradient reached it, or no step was taken
                continue
            share = rate / bears
            parameters.append(parameter)
            roots.append(math.sqrt(share) if divided_by is None else (share / divided_by).sqrt())
    return _Scales(parameters, roots, threshold) if parameters else None


class _Operator:
    """``v -> D^1/2 H D^1/2 v``: one forward pass and one differentiable backward pass serve all products."""

    def __init__(self, loss: Callable[[], torch.Tensor], scales: _Scales) -> None:
        value = loss()
        with _only_once_named():
            gradients: Any = torch.autograd.grad(value, scales.parameters, create_graph=True, allow_unused=True)
        used = [(p, r, g) for p, r, g in zip(scales.parameters, scales.roots, gradients, strict=True) if g is not None]
        self._parameters = [p for p, _, _ in used]
        self._roots = [root for _, root, _ in used]
        self._gradients = [_whole(gradient) for _, _, gradient in used]
        _check_second_derivative(self._gradients)

    def start(self) -> list[torch.Tensor]:
        """The gradient, which leans toward the sharp directions, with a random vector in case it misses one."""
        generator = torch.Generator().manual_seed(_SEED)
        drawn = [torch.randn(p.shape, generator=generator).to(p.device, p.dtype) for p in self._parameters]
        slope = _scaled([g.detach() * r for g, r in zip(self._gradients, self._roots, strict=True)])
        return [a + DRAWN * b for a, b in zip(slope, _scaled(drawn), strict=True)]

    def __call__(self, vector: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        directions = [v * root for v, root in zip(vector, self._roots, strict=True)]
        live = [(g, d) for g, d in zip(self._gradients, directions, strict=True) if g.requires_grad]
        if not live:  # the loss is linear in every parameter
            return [torch.zeros_like(v) for v in vector]
        with _only_once_named():
            products: Any = torch.autograd.grad(
                [g for g, _ in live], self._parameters, [d for _, d in live], retain_graph=True, allow_unused=True
            )
        return [
            torch.zeros_like(v) if product is None else _whole(product) * root
            for product, v, root in zip(products, vector, self._roots, strict=True)
        ]


def _whole(gradient: torch.Tensor) -> torch.Tensor:
    """The gradient as a strided tensor of the parameter's shape: an embedding's can be sparse."""
    return gradient.to_dense() if gradient.is_sparse else gradient


@contextmanager
def _only_once_named() -> Generator[None]:
    """Names the one cause for which there is no sharpness to know; every other error passes as it is."""
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error).lower() for words in _UNSUPPORTED):
            raise _NoSecondDerivativeError(str(error)) from error
        raise


def _check_second_derivative(gradients: Sequence[torch.Tensor]) -> None:
    """Raises where an operation has none: autograd puts an error there, and leaves it out where no path goes on."""
    waiting: list[Any] = [gradient.grad_fn for gradient in gradients if gradient.grad_fn is not None]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name().endswith(_ONLY_ONCE):
            raise _NoSecondDerivativeError(node.name())
        waiting += [following for following, _ in node.next_functions if following is not None]


def _largest(operator: _Operator) -> tuple[float, int]:
    """Largest eigenvalue by the Lanczos iteration, and the number of products that it took."""
    vector = _scaled(operator.start())
    before: list[torch.Tensor] | None = None
    diagonal: list[float] = []
    beside: list[float] = []
    value = 0.0
    for count in range(1, MOST_PRODUCTS + 1):
        product = operator(vector)
        diagonal.append(_dot(product, vector))
        for i, part in enumerate(product):
            part.sub_(vector[i], alpha=diagonal[-1])
            if before is not None:
                part.sub_(before[i], alpha=beside[-1])
        left = math.sqrt(max(0.0, _dot(product, product)))
        value, residual = _ritz(diagonal, beside, left)
        if left == 0.0 or not math.isfinite(value) or (count >= LEAST_PRODUCTS and residual <= ENOUGH * abs(value)):
            return value, count
        beside.append(left)
        before, vector = vector, [part / left for part in product]
    return value, MOST_PRODUCTS


def _ritz(diagonal: list[float], beside: list[float], left: float) -> tuple[float, float]:
    """Largest Ritz value of the tridiagonal matrix and the norm of its residual."""
    matrix: Any = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    if not np.isfinite(matrix).all():
        return math.nan, math.inf
    values, vectors = np.linalg.eigh(matrix)
    return float(values[-1]), abs(left * float(vectors[-1, -1]))


def _dot(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> float:
    return sum(float((x * y).sum(dtype=torch.float64)) for x, y in zip(a, b, strict=True))


def _scaled(vector: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The same at length 1; zeros stay zeros."""
    length = math.sqrt(_dot(vector, vector))
    return [part / length for part in vector] if length > 0 and math.isfinite(length) else list(vector)


@contextmanager
def _differentiable_twice(without_cudnn: bool) -> Generator[None]:
    """Chooses the one attention kernel that has a second derivative, and recurrent layers without cuDNN."""
    cudnn: Any = torch.backends.cudnn
    with sdpa_kernel(SDPBackend.MATH), cudnn.flags(enabled=cudnn.enabled and not without_cudnn):
        yield


def _devices(parameters: Sequence[nn.Parameter]) -> list[int]:
    return sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
