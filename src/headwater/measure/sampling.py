"""A few numbers of a tensor, read where they lie."""

from __future__ import annotations

import torch

from headwater.measure.norms import dense


def evenly(tensor: torch.Tensor, numbers: int) -> torch.Tensor:
    """Returns evenly spaced numbers of a tensor of any layout, at least so many where it has them; perhaps a view.

    Their distance is odd: the sizes of networks are mostly even, and one column alone would tell little. What is not
    contiguous is read in place: a whole copy would be had at the peak of the backward pass.
    """
    values = dense(tensor)
    stride = max(1, (values.numel() // numbers - 1) | 1)
    if values.is_contiguous():
        return values.view(-1)[::stride]
    at = torch.arange(0, values.numel(), stride, device=values.device)
    return values[torch.unravel_index(at, values.shape)]
