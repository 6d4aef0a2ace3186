"""What a number format keeps of a small step: gradient descent on a parabola, with weights of two bytes."""

from __future__ import annotations

from typing import Literal

import torch

Rounding = Literal["float32", "nearest", "stochastic", "kahan"]
"""``"float32"``: the weights are kept in four bytes; the others keep them in bfloat16, and round the new weight to the
nearest number, up or down at random so that it is right on average (Gupta, Agrawal, Gopalakrishnan and Narayanan 2015,
"Deep learning with limited numerical precision"), or to the nearest with the rest carried over to the next step (Kahan
1965; Zamirai, Zhang, Aberger and De Sa 2020, "Revisiting bfloat16 training")."""

_WEIGHTS = 4096
"""Copies of the weight: stochastic rounding is right on average only."""


def parabola(how: Rounding, *, steps: int, rate: float, seed: int = 0) -> float:
    """Returns where gradient descent on ``w^2 / 2`` leaves w, which starts at 1; the mean of many copies.

    Exactly it would be ``(1 - rate)^steps``.
    """
    generator = torch.Generator().manual_seed(seed)
    w = torch.ones(_WEIGHTS, dtype=torch.float32 if how == "float32" else torch.bfloat16)
    rest = torch.zeros_like(w)
    for _ in range(steps):
        w, rest = _step(w, rest, how, rate, generator)
    return float(w.double().mean())


def moves(dtype: torch.dtype, ratio: float, weights: torch.Tensor) -> torch.Tensor:
    """Returns which weights change when each is to shrink by `ratio` of itself."""
    kept = weights.to(dtype)
    return (kept.double() * (1 - ratio)).to(dtype).double() != kept.double()


def _step(
    w: torch.Tensor, rest: torch.Tensor, how: Rounding, rate: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    wanted = w.float() - rate * w.float()
    if how == "kahan":
        change = wanted - w.float() + rest.float()
        new = (w.float() + change).bfloat16()
        return new, (change - (new.float() - w.float())).bfloat16()
    if how == "stochastic":
        spacing = torch.finfo(torch.bfloat16).eps * 2 ** torch.floor(torch.log2(wanted))
        wanted = wanted + (torch.rand(wanted.shape, generator=generator) - 0.5) * spacing
    return wanted.to(w.dtype), rest
