"""Inside the capture of a CUDA graph nothing may be read or added: what is captured is what runs ever after.

No GPU is needed: PyTorch is made to say that it captures, and every operation of the step is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.monitor.training import Listed, batch, begin

Step = Callable[[], None]


@contextmanager
def capturing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch says that a graph is captured."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_initialized", lambda: True)
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        yield


def a_training() -> tuple[nn.Module, torch.optim.Optimizer, Step]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    inputs, targets = batch()

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return model, optimizer, step


@pytest.mark.parametrize("warm", [1, 3, 9])
def test_a_captured_step_is_the_same_with_and_without(warm: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[str]] = []
    for watched in (False, True):
        model, optimizer, step = a_training()
        seen = begin(model, optimizer) if watched else None
        for _ in range(warm):
            step()
        with capturing(monkeypatch), Listed() as listed:
            step()
        found.append(listed.names)
        if seen is not None:
            assert seen.monitor.fault is None
            before = len(seen.probed)
            for _ in range(4):
                step()
            assert before > 0 and len(seen.probed) > before  # and outside of it all goes on
            seen.watch.close()
    assert found[0] == found[1]
