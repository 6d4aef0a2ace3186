"""How far back the gradient reaches through a recurrent layer, as Headwater measures it.

The gain per step is the robust slope of ``ln |d loss/d h_t|`` over the steps, and the memory horizon ``-1 / ln gain``:
over it the norm falls by a factor e. A fused layer hides its states; its call is replayed (`measure.through_time`).
Where the loss reads every step, random unit vectors are sent back from the last state instead of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from headwater.measure.through_time.capture import Captured, capture, prepared
from headwater.measure.through_time.replay import Scan, replay
from headwater.measure.through_time.summary import scan_profile
from headwater.records import TimeProfile

FARTHEST = 1000.0
"""Stands for every memory horizon from there on, and for that of a layer whose gradient does not fall at all."""
_SEQUENCES = 16
"""Sequences that are replayed, as in a diagnosis: their norms differ little."""


@dataclass(frozen=True)
class Memory:
    """What the steps of a recurrent layer let through.

    Attributes:
        gain: factor per step toward the first one; ``None`` where fewer than three steps have a gradient.
        horizon: ``-1 / ln gain`` in steps, at most `FARTHEST`; 0 where there is no gain.
    """

    gain: float | None
    horizon: float


def memory(layer: nn.RNNBase, loss: Callable[[], torch.Tensor]) -> Memory:
    """Measures the memory of a layer in one forward and backward pass; gradients are left in ``.grad``.

    Args:
        layer: of one layer and one direction.
        loss: runs the network that the layer is in, once, and returns the loss.
    """
    found = profile(layer, loss)
    if found.gain is None:
        return Memory(None, 0.0)
    return Memory(found.gain, FARTHEST if found.horizon is None else min(found.horizon, FARTHEST))


def profile(layer: nn.RNNBase, loss: Callable[[], torch.Tensor]) -> TimeProfile:
    """Returns the gradient along the steps; the arguments are those of `memory`."""
    (scan,) = replayed(layer, loss, most=_SEQUENCES)
    return scan_profile(scan, None, name="recurrent", kind=type(layer).__name__)


def replayed(layer: nn.RNNBase, loss: Callable[[], torch.Tensor], *, most: int | None = None) -> tuple[Scan, ...]:
    """Runs one pass and replays the layer's call step by step.

    Args:
        layer: any fused recurrent layer.
        loss: as in `memory`.
        most: number of sequences that are replayed; ``None``: all.
    """
    calls: dict[str, list[Captured]] = {}
    with capture(nn.ModuleDict({"layer": layer}), calls):
        value = loss()
    value.backward()
    return replay(layer, *prepared(calls["layer"][0], most), torch.Generator().manual_seed(0))
