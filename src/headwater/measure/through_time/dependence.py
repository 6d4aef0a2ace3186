"""Do the targets depend on steps that the gradient does not reach?

A short memory is a fault only where the data ask for a longer one. Under a loss on the last step this can be asked of
the data alone: how well do the steps within reach predict the target, and how much better do those beyond it?
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from headwater.records import Dependence

MOST_SAMPLES = 512
LEAST_SAMPLES = 64
_FEATURES = 12
"""Features a step; of more, random projections."""
_VOCABULARY = 32
"""Tokens that are told apart exactly; of more, random vectors."""
_OUTPUTS = 100
_RIDGE = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties, as shares of the mean eigenvalue of the kernel."""


@dataclass(frozen=True)
class Sequences:
    """Inputs (N, T, features), targets (N, outputs), float64."""

    x: torch.Tensor
    y: torch.Tensor


def sequences(batches: Iterable[Any], length: int) -> Sequences | None:
    """Reads inputs of `length` steps, and one target for each sequence, from batches of ``(inputs, targets)``."""
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    amount = 0
    for batch in batches:
        pair = _pair(batch, length)
        if pair is None or (found and (pair[0].shape[1:] != found[0][0].shape[1:])):
            return None
        found.append(pair)
        amount += len(pair[0])
        if amount >= MOST_SAMPLES:
            break
    if amount < LEAST_SAMPLES:
        return None
    x, y = (torch.cat(each) for each in zip(*found, strict=True))
    first = _first_copies(x.flatten(1))  # a batch that comes twice would be predicted by its own copy
    x, y = x[first][:MOST_SAMPLES], y[first][:MOST_SAMPLES]
    outputs = _columns(y)
    if len(x) < LEAST_SAMPLES or outputs is None:
        return None
    return Sequences(_features(x), outputs)


def dependence(data: Sequences, reach: int) -> Dependence | None:
    """Compares ridge regressions on the last `reach` steps and on all, by their errors on samples left out.

    The steps are seen as they are, and as means over the near or far part of all features and of their products: for
    what can stand anywhere. Leave-one-out errors are exact: ``e_i = (y - H y)_i / (1 - H_ii)`` (Allen 1974, PRESS).
    Linear predictors can miss what a network would find, but what they find is there.
    """
    y = data.y - data.y.mean(0)
    total = y.square().sum(1)
    if not 0 < reach < data.x.shape[1] or float(total.sum()) == 0.0:
        return None
    far, near = data.x[:, :-reach], data.x[:, -reach:]
    n = len(y)
    mean_only = total * (n / (n - 1)) ** 2
    near_error = _best([_blocks(near)], y, mean_only)
    both_error = _best([_blocks(near), _blocks(far)], y, near_error)
    return Dependence(
        near=1.0 - float(near_error.sum() / mean_only.sum()),
        far=float((near_error - both_error).sum() / mean_only.sum()),
        certainty=_standard_errors(near_error - both_error),
        alone=_standard_errors(mean_only - near_error),
        reach=reach,
        samples=n,
    )


def _pair(batch: Any, length: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    if not isinstance(batch, Sequence) or len(cast("Sequence[Any]", batch)) != 2:
        return None
    x, y = cast("Sequence[Any]", batch)
    if isinstance(x, tuple | list) and x:
        x = cast("Sequence[Any]", x)[0]
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor) or x.dim() < 2 or x.is_complex():
        return None
    if x.shape[1] != length or (x.shape[0] == length and y.shape[:1] != x.shape[:1]):
        x = x.transpose(0, 1)
    if x.shape[1] != length or y.dim() not in (1, 2) or len(y) != len(x):
        return None
    return x.detach().cpu(), y.detach().cpu()


def _first_copies(rows: torch.Tensor) -> torch.Tensor:
    """Indices of the rows that do not repeat an earlier one."""
    values, inverse = _distinct(rows, dim=0)
    first = torch.full((len(values),), len(rows), dtype=torch.long)
    return first.scatter_reduce(0, inverse, torch.arange(len(rows)), "amin").sort().values


def _distinct(tensor: torch.Tensor, dim: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct values, and for each element the index of its value."""
    return cast(Any, torch).unique(tensor, return_inverse=True, dim=dim)


def _columns(y: torch.Tensor) -> torch.Tensor | None:
    """Classes as indicators, numbers as they are."""
    if y.dim() == 2 and y.shape[1] > _OUTPUTS:
        return None
    if y.is_floating_point():
        return y.reshape(len(y), -1).double()
    if y.dim() == 2 and y.shape[1] > 1:
        return None
    classes, index = _distinct(y.flatten())
    return torch.nn.functional.one_hot(index).double() if len(classes) <= _OUTPUTS else None


def _features(x: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if not x.is_floating_point() and x.dim() == 2:
        tokens, index = _distinct(x)
        size = len(tokens)
        table = torch.eye(size) if size <= _VOCABULARY else torch.randn(size, _FEATURES, generator=generator)
        return table.double()[index]
    flat = x.reshape(*x.shape[:2], -1).double()
    if flat.shape[2] <= _FEATURES:
        return flat
    return flat @ torch.randn(flat.shape[2], _FEATURES, generator=generator, dtype=torch.float64)


def _blocks(part: torch.Tensor) -> list[torch.Tensor]:
    """The kernels of one part: of its steps as they are, and of means of features and of their products."""
    width = part.shape[2]
    pooled = part.mean(1)
    if width <= _FEATURES:
        pooled = torch.cat([pooled, torch.einsum("nti,ntj->nij", part, part).flatten(1) / part.shape[1]], 1)
    return [_kernel(part.flatten(1)), _kernel(pooled)]


def _kernel(features: torch.Tensor) -> torch.Tensor:
    """Inner products of standardised features, scaled to a mean diagonal of one."""
    centred = features - features.mean(0)
    spread = centred.std(0)
    centred = torch.where(spread > 1e-9 * spread.max(), centred / spread, torch.zeros_like(centred))
    kernel = centred @ centred.t()
    trace = float(kernel.diagonal().mean())
    return kernel / trace if trace > 0 else kernel


def _best(parts: Sequence[Sequence[torch.Tensor]], y: torch.Tensor, otherwise: torch.Tensor) -> torch.Tensor:
    """Squared leave-one-out error of each sample with the kernel and penalty that make the sum smallest."""
    best = otherwise
    raw, pooled = (sum(kernels[1:], kernels[0]) for kernels in zip(*parts, strict=True))
    for kernel in (raw, pooled, raw + pooled):
        values, vectors = cast("tuple[torch.Tensor, torch.Tensor]", torch.linalg.eigh(kernel))
        projected = vectors.t() @ y
        for share in _RIDGE:
            shrink = values.clamp_min(0) / (values.clamp_min(0) + share * float(values.mean()) + 1e-12)
            leverage = (vectors.square() * shrink).sum(1) + 1.0 / len(y)
            residual = (y - vectors @ (shrink[:, None] * projected)) / (1 - leverage)[:, None].clamp_min(1e-6)
            error = residual.square().sum(1)
            best = error if float(error.sum()) < float(best.sum()) else best
    return best


def _standard_errors(gains: torch.Tensor) -> float:
    """The mean over its standard error."""
    deviation = float(gains.std())
    return float(gains.mean()) * math.sqrt(len(gains)) / deviation if deviation > 0 else 0.0
