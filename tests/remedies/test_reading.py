"""A loss on outputs that it does not expect, beside the same loss on what they stand for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater import diagnose
from headwater.remedies import Training, remedy
from headwater.remedies.reading import as_meant

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
CLASSES = X[:, :3].argmax(1)


def network(end: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), end)


@pytest.mark.parametrize("end", [nn.Identity(), nn.Softmax(1), nn.Sigmoid()])
def test_what_is_read_is_what_the_mended_network_puts_out(end: nn.Module):
    report = diagnose(network(end), [(X, CLASSES)], F.nll_loss)
    reading = as_meant(report.measurement, report.findings)
    assert reading is not None
    mended = network(end)
    its = torch.optim.SGD(mended.parameters(), 0.1)
    remedy("match-loss:log-softmax").apply(Training(mended, its, report.measurement, report.findings, 1))
    torch.testing.assert_close(reading.read(network(end)(X)), mended(X))


@pytest.mark.parametrize(
    ("end", "loss"),
    [(nn.LogSoftmax(1), F.nll_loss), (nn.Identity(), F.cross_entropy), (nn.Softmax(1), F.cross_entropy)],
)
def test_other_losses_are_read_as_they_are(end: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]):
    report = diagnose(network(end), [(X, CLASSES)], loss)
    assert as_meant(report.measurement, report.findings) is None
