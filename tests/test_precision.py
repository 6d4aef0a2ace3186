"""diagnose on networks in narrow number formats and under optimizers with hooks: it works and leaves nothing behind."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import headwater
from benchmarks.detection.nets_precision import rounding, stored_mlp

DTYPES = [torch.float16, torch.bfloat16]


def _cnn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))


class _Last(nn.Module):
    """A recurrent network that answers from its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(8, 12, batch_first=True), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3))


NETWORKS = {"mlp": (_mlp, (16, 8)), "cnn": (_cnn, (16, 1, 8, 8)), "gru": (_Last, (16, 5, 8))}
OPTIMIZERS: dict[str, Any] = {
    "none": None,
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-2, eps=1e-4),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_half_precision_models_are_diagnosed(dtype: torch.dtype, kind: str, optimizer: str) -> None:
    torch.manual_seed(0)
    make, shape = NETWORKS[kind]
    model = make().to(dtype)
    before = copy.deepcopy(model.state_dict())
    batch = (torch.randn(shape).to(dtype), torch.randint(0, 3, (16,)))
    report = headwater.diagnose(model, batch, F.cross_entropy, optimizer=OPTIMIZERS[optimizer], steps=4)
    assert len(report.layers) > 1 and all(layer.signal for layer in report.layers)
    assert not any(f.severity == "error" for f in report.findings), report.findings
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("dtype", DTYPES)
def test_autocast_within_the_step(dtype: torch.dtype) -> None:
    torch.manual_seed(0)

    def step(model: nn.Module, batch: Any) -> torch.Tensor:
        with torch.autocast("cpu", dtype):
            return F.cross_entropy(model(batch[0]), batch[1])

    report = headwater.diagnose(_mlp(), (torch.randn(16, 8), torch.randint(0, 3, (16,))), step=step)
    assert report.healthy
    assert report.measurement.precision.gradient_dtype == str(dtype).removeprefix("torch.")


def test_weights_stored_in_one_byte() -> None:
    torch.manual_seed(0)
    model = stored_mlp(8, 32, 3, torch.float8_e4m3fn)
    batch = (torch.randn(64, 8), torch.randint(0, 3, (64,)))
    report = headwater.diagnose(model, batch, F.cross_entropy, optimizer=rounding(1e-3))
    assert [f.code for f in report.findings] == ["HW501"]
    assert headwater.diagnose(model, batch, F.cross_entropy, optimizer=rounding(0.05)).healthy


def test_hooks_of_a_given_optimizer_act_on_the_copy_alone() -> None:
    torch.manual_seed(0)
    model = _mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def clip(given: torch.optim.Optimizer, *_: Any) -> None:
        nn.utils.clip_grad_norm_(given.param_groups[0]["params"], 1e-4)

    optimizer.register_step_pre_hook(clip)
    before, functions = copy.deepcopy(model.state_dict()), (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_)
    batch = (torch.randn(16, 8), torch.randint(0, 3, (16,)))
    report = headwater.diagnose(model, batch, F.cross_entropy, optimizer=optimizer)
    assert (report.findings[0].code, report.findings[0].severity) == ("HW505", "warning")
    assert all(finding.under == "HW505" for finding in report.findings[1:])  # a step so short is a small rate too
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert len(optimizer._optimizer_step_pre_hooks) == 1
    assert (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_) == functions


def test_a_report_keeps_what_was_measured() -> None:
    torch.manual_seed(0)
    model = _mlp().bfloat16()
    batch = (torch.randn(16, 8).bfloat16(), torch.randint(0, 3, (16,)))
    report = headwater.diagnose(model, batch, F.cross_entropy, optimizer=lambda p: torch.optim.SGD(p, 1e-3))
    assert [f.code for f in report.findings] == ["HW501"]
    assert '"captured"' in report.to_json()
