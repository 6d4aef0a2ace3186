"""What theory expects each operation to do to the norm of a gradient that knows nothing of it.

A gradient of independent elements with one variance leaves a linear map A, as the mean of ``|A^T g|^2 / |g|^2``, with
the factor ``|A|_F / sqrt(rows of A)``. Each formula here is that one, for the map in question.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from headwater.graph import GraphOp
from headwater.graph.kinds import ISOMETRIES
from headwater.measure.norms import frobenius
from headwater.measure.saved import saved
from headwater.theory import Activation

_COPIED = frozenset("Add Sub Rsub Neg Select Slice Split SplitWithSizes Unbind ToCopy MaxPool2DWithIndices".split())
"""Each element of the gradient is handed on once as it is: to the operands of a sum, to the place of a maximum."""


def factor(op: GraphOp, below: GraphOp) -> float | None:
    """Returns the expected factor of an operation toward `below`; ``None`` where there is no formula for it.

    Activations are not among them: their factor depends on what enters them (`activation`).
    """
    if op.kind in ISOMETRIES:
        return 1.0
    if op.kind in _COPIED:
        return 1.0 if op.kind not in ("Add", "Sub", "Rsub") or op.numel == below.numel else None  # else broadcast
    formula = _FORMULAS.get(op.kind)
    return formula(op, below) if formula else None


def activation(op: GraphOp) -> str | Activation | None:
    """Returns the activation that an operation applies, as `headwater.theory` knows it."""
    made = _ACTIVATIONS.get(op.kind)
    return made(op.node) if made else None


def _matrix(name: str) -> Callable[[GraphOp, GraphOp], float | None]:
    """``|W|_F / sqrt(units)`` of the weight as it was applied, whatever it was computed from."""

    def found(op: GraphOp, _below: GraphOp) -> float | None:
        weight = saved(op, name)
        return None if weight is None or weight.dim() != 2 else frobenius(weight) / math.sqrt(op.shape[-1])

    return found


def _convolution(op: GraphOp, _below: GraphOp) -> float | None:
    """``|W|_F / sqrt(channels)``, where each tap of the kernel counts as often as it lies inside the image."""
    weight, x = saved(op, "weight"), saved(op, "input")
    if weight is None or x is None or op.node._saved_transposed:
        return None
    squares = weight.float().square().sum(dim=(0, 1))
    for i, taps in enumerate(squares.shape):
        inside = _inside(taps, x.shape[2 + i], op.shape[2 + i], *(int(s[i]) for s in _geometry(op.node)))
        squares = squares * inside.to(squares).reshape([-1 if j == i else 1 for j in range(squares.dim())])
    return math.sqrt(float(squares.sum()) / op.shape[1])


def _geometry(node: Any) -> tuple[Any, Any, Any]:
    return node._saved_stride, node._saved_padding, node._saved_dilation


def _inside(taps: int, size: int, places: int, stride: int, padding: int, dilation: int) -> torch.Tensor:
    """Share of the output's places at which each tap of the kernel reads the image and not its padding."""
    reads = torch.arange(places)[:, None] * stride - padding + torch.arange(taps)[None, :] * dilation
    return ((reads >= 0) & (reads < size)).double().mean(dim=0)


def _batch_norm(op: GraphOp, _below: GraphOp) -> float | None:
    """``rms(gamma / sigma)``; the statistics of the batch take two directions of its N per channel away."""
    training, channels = bool(op.node._saved_training), op.shape[1]
    scale = saved(op, "result2" if training else "running_var")
    if scale is None or scale.numel() != channels:
        return None
    inverse = scale.double() if training else (scale.double() + float(op.node._saved_eps)).rsqrt()
    return _normalised(op, inverse, op.numel // channels if training else None)


def _layer_norm(op: GraphOp, _below: GraphOp) -> float | None:
    scale, features = saved(op, "result2"), math.prod(op.node._saved_normalized_shape)
    return None if scale is None else _normalised(op, scale.double().square().mean().sqrt(), features)


def _group_norm(op: GraphOp, _below: GraphOp) -> float | None:
    scale = saved(op, "result2")
    return None if scale is None else _normalised(op, scale.double().square().mean().sqrt(), op.numel // scale.numel())


def _normalised(op: GraphOp, inverse: torch.Tensor, directions: int | None) -> float:
    gamma = saved(op, "weight")
    scale = inverse if gamma is None else inverse * gamma.double().flatten()
    kept = 1.0 if directions is None else max(0.0, 1.0 - 2.0 / directions)
    return math.sqrt(float(scale.square().mean()) * kept)


def _product(op: GraphOp, _below: GraphOp) -> float | None:
    """Root mean square of the other operand, where the signal does not flow through it: a mask, a scale."""
    if len(op.edges) != 1:
        return None
    other = saved(op, "other") if hasattr(op.node, "_raw_saved_other") else getattr(op.node, "_saved_other", None)
    if isinstance(other, torch.Tensor):
        return math.sqrt(float(other.double().square().mean()))
    return abs(float(other)) if isinstance(other, int | float) else None


def _dropout(op: GraphOp, _below: GraphOp) -> float | None:
    return 1.0 / math.sqrt(1.0 - float(op.node._saved_p)) if op.node._saved_train and op.node._saved_p < 1 else None


def _mean(op: GraphOp, below: GraphOp) -> float | None:
    """A mean over n elements hands each a share of 1/n: ``sqrt(n) / n``."""
    return math.sqrt(op.numel / below.numel) if below.numel else None


def _average_pool(op: GraphOp, _below: GraphOp) -> float | None:
    return 1.0 / math.sqrt(math.prod(op.node._saved_kernel_size))


_FORMULAS: dict[str, Callable[[GraphOp, GraphOp], float | None]] = {
    "Addmm": _matrix("mat2"),
    "Mm": _matrix("mat2"),
    "Linear": _matrix("weight"),
    "Convolution": _convolution,
    "NativeBatchNorm": _batch_norm,
    "NativeLayerNorm": _layer_norm,
    "NativeGroupNorm": _group_norm,
    "Mul": _product,
    "NativeDropout": _dropout,
    "Mean": _mean,
    "AdaptiveAvgPool2D": _mean,
    "AvgPool2D": _average_pool,
}


def _leaky(node: Any) -> Activation:
    steepness = float(node._saved_negative_slope)
    return _piecewise("leaky_relu", lambda z: np.where(z > 0, 1.0, steepness))


def _elu(node: Any) -> Activation:
    """SELU and CELU are ELUs with scales of their own."""
    alpha, scale = float(node._saved_alpha), float(getattr(node, "_saved_scale", 1.0))
    inner = float(getattr(node, "_saved_input_scale", 1.0))
    return _piecewise("elu", lambda z: scale * np.where(z > 0, 1.0, alpha * inner * np.exp(np.minimum(z, 0.0) * inner)))


def _celu(node: Any) -> Activation:
    alpha = float(node._saved_alpha)
    return _piecewise("celu", lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0.0) / alpha)))


def _hardtanh(node: Any) -> Activation:
    low, high = float(node._saved_min_val), float(node._saved_max_val)
    return _piecewise("hardtanh", lambda z: ((z > low) & (z < high)).astype(np.float64))


def _softplus(node: Any) -> Activation:
    beta = float(node._saved_beta)
    return _piecewise("softplus", lambda z: 0.5 * (1.0 + np.tanh(0.5 * beta * z)))


def _piecewise(name: str, derivative: Callable[[Any], Any]) -> Activation:
    """An activation with parameters of its own; only its derivative is asked for."""
    return Activation(name, derivative, derivative)


_ACTIVATIONS: dict[str, Callable[[Any], str | Activation]] = {
    "Relu": lambda _: "relu",
    "Sigmoid": lambda _: "sigmoid",
    "Tanh": lambda _: "tanh",
    "Gelu": lambda node: "gelu_tanh" if node._saved_approximate == "tanh" else "gelu",
    "Silu": lambda _: "silu",
    "Mish": lambda _: "mish",
    "Hardswish": lambda _: "hardswish",
    "Hardsigmoid": lambda _: "hardsigmoid",
    "LogSigmoid": lambda _: "logsigmoid",
    "LeakyRelu": _leaky,
    "Elu": _elu,
    "Celu": _celu,
    "Hardtanh": _hardtanh,
    "Softplus": _softplus,
}
