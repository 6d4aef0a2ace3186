import pytest
import torch

from headwater.study.literature.rounding import moves, parabola


@pytest.mark.parametrize("how", ["float32", "stochastic", "kahan"])
def test_what_is_rounded_well_ends_where_exact_steps_end(how):
    assert parabola(how, steps=500, rate=2e-3) == pytest.approx(0.998**500, rel=0.01)


def test_rounded_to_the_nearest_nothing_moves():
    assert parabola("nearest", steps=500, rate=1e-3) == 1.0
    assert parabola("nearest", steps=500, rate=1e-2) < 0.5  # a larger step moves it


def test_a_weight_moves_from_half_the_distance_to_its_neighbour_on():
    weights = torch.tensor([1.0, 1.5, 1.9921875], dtype=torch.float64)
    below = torch.tensor([2.0**-8, 2.0**-7, 2.0**-7], dtype=torch.float64)  # distance to the next number down
    for share, expected in ((0.49, False), (0.51, True)):
        for weight, distance in zip(weights, below, strict=True):
            moved = moves(torch.bfloat16, float(share * distance / weight), weight[None])
            assert bool(moved) is expected
