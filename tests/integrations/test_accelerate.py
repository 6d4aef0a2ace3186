from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from tests.integrations.problem import batches, network

accelerate = pytest.importorskip("accelerate")


def test_prepared_objects_are_taken_out_of_their_wrappers() -> None:
    from headwater.integrations.accelerate import watch

    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = network()
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with watch(accelerator, model, optimizer, budget=math.inf) as seen:
        for x, y in batches():
            with accelerator.accumulate(model):
                accelerator.backward(F.cross_entropy(model(x), y))
                optimizer.step()
                optimizer.zero_grad()
    assert seen.monitor.fault is None
    assert seen.monitor.tracks[0].steps == 10
    assert seen.report().leading is not None and seen.report().leading.code == "HW101"
