"""What an entry of the zoo is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

SIZE = 4
"""Samples in a batch."""


@dataclass(frozen=True)
class Problem:
    """A model with batches; without a loss function its output carries the loss."""

    model: nn.Module
    batches: list[Any]
    loss_fn: Callable[[Any, Any], torch.Tensor] | None = None


@dataclass(frozen=True)
class Entry:
    """A named problem, built on demand."""

    name: str
    family: str
    build: Callable[[], Problem]


def images(*shape: int, classes: int = 10, batches: int = 2) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of standard normal images with random labels."""
    return [(torch.randn(SIZE, *shape), torch.randint(0, classes, (SIZE,))) for _ in range(batches)]


def tokens(vocabulary: int, length: int = 16) -> torch.Tensor:
    """Random token indices that avoid the special ones at the start of the vocabulary."""
    return torch.randint(5, vocabulary, (SIZE, length))


def register_missing_operators() -> None:
    """Declares the two operators that torchvision's Python files name at import, where its binary cannot be loaded.

    On a machine without CUDA its binary, which wants CUDA's libraries, fails to load; timm and transformers need only
    Python parts. Both import torchvision, so each builder calls this: no entry may depend on another run before it.
    """
    for name in ("nms", "qnms"):
        try:
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")
        except RuntimeError:  # it is there already
            return
