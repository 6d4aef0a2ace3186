"""Seeds: the same draws as after `torch.manual_seed`, on whatever there is."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from headwater.measure import seed_all


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 1])
def test_seeds_are_torchs_own(seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        expected = torch.rand(3)
        seed_all(seed)
        assert torch.equal(torch.rand(3), expected)
        numbers = (random.random(), float(np.random.rand()))
        seed_all(seed)
        assert (random.random(), float(np.random.rand())) == numbers


def test_where_there_is_a_device_torch_seeds_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    seed_all(5)
    assert seeds == [5]


def test_where_there_is_none_no_stack_trace_is_kept_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: None)
    monkeypatch.setattr(torch, "manual_seed", lambda _: pytest.fail("it keeps one"))
    with torch.random.fork_rng():
        seed_all(5)
        assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(5)))
