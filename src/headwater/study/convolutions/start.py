"""The gradient of a network before training, as Headwater measures it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from headwater.measure import trace
from headwater.measure.layers import uses
from headwater.measure.profile import profile
from headwater.measure.structure import structure
from headwater.records import Profile
from headwater.study.data import Dataset

_BATCH = 64


def start(network: nn.Module, data: Dataset, *, seed: int) -> Profile:
    """Returns the gradient along the trunk of a network, of the loss of one batch, in float64."""
    rows = torch.randint(len(data.inputs), (_BATCH,), generator=torch.Generator().manual_seed(seed))
    network = network.double()
    loss = F.cross_entropy(network(data.inputs[rows].double()), data.labels[rows])
    found = trace(loss, model=network)
    shape = structure(found)
    return profile(found, shape, uses(found, shape))
