"""Images for convolutional networks, small enough for minutes on a CPU."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from headwater.errors import InputError
from headwater.study.data import Dataset, load_dataset

_LARGE = 10
"""Images with more pixels a side are halved."""


def images() -> Dataset:
    """Returns Fashion-MNIST where it is installed, 14 x 14 pixels that are means of four; else the digits, 8 x 8.

    Inputs have the shape ``(n, 1, height, width)``.
    """
    try:
        data = load_dataset("fashion-mnist")
    except InputError:
        data = load_dataset("digits")
    return replace(data, inputs=laid_out(data.inputs), test_inputs=laid_out(data.test_inputs))


def laid_out(rows: torch.Tensor) -> torch.Tensor:
    """Lays rows of pixels ``(n, side * side)`` out as square images of one channel, and halves large ones."""
    side = round(rows.shape[1] ** 0.5)
    maps = rows.view(len(rows), 1, side, side)
    return F.avg_pool2d(maps, 2) if side > _LARGE else maps
