"""Histograms of magnitudes against numpy's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import headwater
from headwater.measure import magnitudes
from headwater.measure.magnitudes import Magnitudes
from headwater.records import MagnitudesRecord


def oracle(tensor: Tensor) -> tuple[int, tuple[int, ...]]:
    """Lowest power of two, and how many numbers lie in each bin from there on."""
    powers = np.floor(np.log2(np.abs(tensor.detach().double().numpy().ravel()))).astype(int)
    low = int(powers.min())
    return low, tuple(np.bincount(powers - low).tolist())


def told(tensor: Tensor, layer: str = "a") -> MagnitudesRecord:
    """The histogram of a tensor, by way of a filed pass."""
    seen = Magnitudes()
    seen._samples = [(0, "gradient", magnitudes._sample(tensor))]
    seen.attribute({0: layer}, finite=True)
    ((_, counts),) = seen._counts.items()
    return magnitudes._record(layer, "gradient", counts)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_bins_are_powers_of_two(scale: float) -> None:
    numbers = scale * torch.randn(1000, generator=torch.Generator().manual_seed(0))
    found = told(numbers)
    assert (found.lowest, found.counts) == oracle(numbers)


def test_edges_zeros_and_what_is_not_finite() -> None:
    numbers = torch.tensor([1.0, 2.0, -3.999, 0.0, -0.0, math.inf, -math.inf, math.nan, 2.0**-149, 2.0**-126])
    found = told(numbers)
    assert found.lowest == -149 and found.counts[0] == 1 and found.counts[-126 + 149] == 1
    assert found.counts[149:] == (1, 2) and sum(found.counts) == 5
    assert (found.zeros, found.non_finite) == (2, 3)
    assert told(torch.zeros(4)).counts == ()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_all_formats_are_counted(dtype: torch.dtype) -> None:
    numbers = torch.tensor([0.5, 1.0, 1.5, 4.0]).to(dtype)
    assert (told(numbers).lowest, told(numbers).counts) == (-1, (1, 2, 0, 1))


def test_a_large_tensor_is_sampled_evenly() -> None:
    """Every column of a matrix whose width divides what is left out."""
    columns = 2.0 ** torch.arange(16).repeat(64)
    found = told(columns.repeat(1024, 1))
    assert magnitudes.SAMPLE <= sum(found.counts) <= 2 * magnitudes.SAMPLE
    assert len(found.counts) == 16 and min(found.counts) == pytest.approx(max(found.counts), rel=0.1)


@pytest.mark.parametrize("size", [1, 1023, 1025, 2047, 2048, 6000, 100_001])
def test_a_sample_is_large_enough(size: int) -> None:
    assert min(size, magnitudes.SAMPLE) <= sum(told(torch.ones(size)).counts) <= 2 * magnitudes.SAMPLE


@pytest.mark.parametrize("change", [lambda x: x.T, lambda x: x.expand(3, 64, 48), lambda x: x[:, ::3]])
def test_what_is_not_contiguous_is_read_in_place(change: Callable[[Tensor], Tensor]) -> None:
    numbers = change(torch.randn(64, 48, generator=torch.Generator().manual_seed(0)))
    sample = magnitudes._sample(numbers)
    stride = max(1, (numbers.numel() // magnitudes.SAMPLE - 1) | 1)
    assert torch.equal(sample, numbers.flatten()[::stride])


def test_numbers_beyond_float32_are_in_the_last_bins() -> None:
    found = told(torch.tensor([1e-60, 1e-50, 1e300, 1.0], dtype=torch.float64))
    assert (found.zeros, found.non_finite) == (0, 0)
    assert found.lowest == -149 and found.counts[0] == 2 and found.counts[-1] == 1


def test_a_pass_that_showed_nothing_is_not_rescaled() -> None:
    seen = Magnitudes()
    seen._samples = [(0, "gradient", torch.tensor([1.0]))]
    seen.attribute({0: "a"}, finite=True)
    seen.attribute({0: "a"}, finite=False)
    seen.rescale(1024.0)
    assert magnitudes._record("a", "gradient", seen._counts["a", "gradient"]).lowest == 0


def test_a_gradient_that_was_scaled_is_told_as_it_is() -> None:
    seen = Magnitudes()
    seen._samples = [(0, "gradient", torch.tensor([1024.0, 2048.0])), (0, "weight", torch.tensor([1024.0]))]
    seen.attribute({0: "a"}, finite=True)
    seen.rescale(1024.0)
    found = {kind: magnitudes._record(name, kind, counts) for (name, kind), counts in seen._counts.items()}
    assert (found["gradient"].lowest, found["gradient"].counts) == (0, (1, 1))
    assert found["weight"].lowest == 10


def test_a_diagnosis_tells_gradient_weight_and_activation_of_each_layer() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    batches = [(torch.randn(10, 8), torch.randint(3, (10,))) for _ in range(9)]
    report = headwater.diagnose(model, batches, nn.CrossEntropyLoss())
    found = {(each.layer, each.quantity): each for each in report.measurement.magnitudes}
    assert list(found) == [(name, kind) for name in ("0", "2") for kind in ("gradient", "weight", "activation")]
    assert sum(found["0", "weight"].counts) == 128 and sum(found["2", "activation"].counts) == 160
    assert sum(found["2", "gradient"].counts) == 30
    # at a rate this small the weights hardly move: those of the copy lie in the same bins as the user's
    low, counts = oracle(model[0].weight)
    assert found["0", "weight"].lowest == pytest.approx(low, abs=1)
    assert max(found["0", "weight"].counts) == pytest.approx(max(counts), abs=6)


def test_of_a_weight_that_is_applied_several_times_each_use_is_counted_and_the_weight_once() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step, self.answer = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = torch.tanh(self.step(x))
            return self.answer(x)

    batches = [(torch.randn(5, 4), torch.randint(2, (5,))) for _ in range(9)]
    report = headwater.diagnose(Loop(), batches, nn.CrossEntropyLoss())
    found = {(each.layer, each.quantity): sum(each.counts) for each in report.measurement.magnitudes}
    assert found["step", "gradient"] == 3 * 20 and found["answer", "gradient"] == 10
    assert found["step", "weight"] == 16
