"""Results are found again for the same data only, whatever a batch is made of."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from headwater.trials import identity
from headwater.trials.identity import alike
from tests.trials.small import workload


@pytest.mark.parametrize(
    "batch",
    [
        lambda value: torch.full((4,), value),
        lambda value: torch.full((), value, dtype=torch.bfloat16),
        lambda value: np.full(4, value),
        lambda value: UserDict(x=[value, "a"]),
        lambda value: {"x": torch.full((4,), value) > 0},
    ],
)
def test_other_data_are_another_training(batch: Callable[[float], Any]) -> None:
    one, same, other = (identity(workload(batches=[batch(value)])) for value in (0.0, 0.0, 1.0))
    assert one == same != other


def test_losses_that_kernels_do_not_repeat_are_the_same_training() -> None:
    one, again, other = [2.3026, 1.0e-3], [2.3026 * (1 + 1e-6), 1.0e-3], [2.5, 1.0e-3]
    assert alike(one, "cuda:0") == alike(again, "cuda:0") != alike(other, "cuda:0")
    assert alike(one, "cpu") != alike(again, "cpu")  # where they are repeated, the least difference is one of the data


def test_a_first_loss_tells_data_apart_where_all_begin_alike() -> None:
    """Ten classes: ln 10 and a little; what follows differs by less than two digits, or by what kernels make of it."""
    one, again, other = [2.3051, 2.2801], [2.3051 * (1 - 1e-6), 2.2903], [2.3127, 2.2801]
    assert alike(one, "cuda:0") == alike(again, "cuda:0") != alike(other, "cuda:0")
