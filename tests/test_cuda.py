"""On a GPU: the same numbers, the fused kernels, mixed precision, and no synchronisation inside the backward pass."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import headwater
from headwater.graph import walk
from headwater.measure.trace import backward
from tests.measure.networks import FAMILIES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_are_those_of_the_cpu(family: str) -> None:
    torch.manual_seed(0)
    model = FAMILIES[family]().double()
    x = torch.randn(*model.inputs, dtype=torch.float64)
    here = {
        op.parameters: op.norm_in for op in headwater.trace(model(x).square().mean(), model=model).ops if op.parameters
    }
    model.zero_grad()
    model.cuda()
    there = headwater.trace(model(x.cuda()).square().mean(), model=model)
    compared = [op for op in there.ops if op.parameters in here and "first" in op.parameters[0]]
    assert compared
    for op in compared:
        assert op.norm_in == pytest.approx(here[op.parameters], rel=1e-9)


def test_the_hooked_backward_pass_never_waits_for_the_gpu() -> None:
    model, x = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)).cuda(), torch.randn(8, 64, device="cuda")
    loss = model(x).mean()
    graph = walk(loss)
    torch.cuda.set_sync_debug_mode("error")
    try:
        backward(loss, graph)
    except RuntimeError as error:  # only the one transfer at the end may synchronise
        assert "NormBook" in _frames(error) or "read" in _frames(error)
    else:
        pytest.fail("reading the norms at the end must synchronise once")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert model[0].weight.grad is not None


def _frames(error: BaseException) -> str:
    names: list[str] = []
    step = error.__traceback__
    while step is not None:
        names.append(step.tb_frame.f_code.co_name)
        step = step.tb_next
    return " ".join(names)


def test_fused_recurrent_kernels_and_gpu_random_state() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.drop, self.out = nn.LSTM(8, 16, 2, batch_first=True), nn.Dropout(0.5), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.drop(self.lstm(x)[0][:, -1]))

    model = Tagger().cuda()
    before = torch.cuda.get_rng_state()
    report = headwater.diagnose(model, (torch.randn(16, 12, 8), torch.randint(0, 3, (16,))), F.cross_entropy)
    assert torch.equal(before, torch.cuda.get_rng_state())
    assert [layer.kind for layer in report.layers] == ["LSTM", "Linear"]
    assert report.layers[-1].gain


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)).cuda()

    def step(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        with torch.autocast("cuda", dtype):
            return F.cross_entropy(network(batch[0].cuda()), batch[1].cuda())

    report = headwater.diagnose(model, (torch.randn(32, 16), torch.randint(0, 4, (32,))), step=step)
    assert [layer.name for layer in report.layers] == ["0", "2", "4"]
    assert all(layer.signal for layer in report.layers)
