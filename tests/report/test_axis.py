from __future__ import annotations

import itertools
import math

import pytest

from headwater.report.axis import linear_axis_over, position, ticks


def test_a_linear_axis_holds_all_values_in_even_steps() -> None:
    axis = linear_axis_over([-1.0, 0.0, 3.0])
    places = [position(axis, value) for value in (-1.0, 0.0, 1.0, 2.0, 3.0)]
    assert all(0 < place < 1 for place in places)
    assert [b - a for a, b in itertools.pairwise(places)] == pytest.approx([places[1] - places[0]] * 4)


def test_what_lies_beyond_a_linear_axis_stands_at_its_end() -> None:
    axis = linear_axis_over([0.0, 1.0, math.inf])
    assert position(axis, -5.0) == 0.0
    assert position(axis, 7.0) == position(axis, math.inf) == position(axis, math.nan) == 1.0


@pytest.mark.parametrize(
    ("values", "said"),
    [([0.0, 1.0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]), ([-40.0, 60.0], ["-40", "-20", "0", "20", "40", "60"])],
)
def test_ticks_of_a_linear_axis_are_round(values: list[float], said: list[str]) -> None:
    assert [written for _, written in ticks(linear_axis_over(values), 6)] == said


def test_a_linear_axis_over_one_value_or_none_still_has_a_length() -> None:
    assert position(linear_axis_over([2.0]), 2.0) == pytest.approx(0.5)
    assert ticks(linear_axis_over([]))
