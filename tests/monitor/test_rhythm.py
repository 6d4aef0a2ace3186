"""Which steps are kept."""

from __future__ import annotations

import pytest

from headwater.monitor.rhythm import EACH, OPENING, SEVERAL, Rhythm, spaced


@pytest.mark.parametrize("rhythm", [Rhythm(), Rhythm(7), Rhythm(7, 3), Rhythm(3, 7), Rhythm(1000, 50), Rhythm(4, 1)])
def test_what_rests_ends_before_the_next_step_that_is_kept(rhythm: Rhythm) -> None:
    kept = [step for step in range(3000) if step % rhythm.stride == 0 or (rhythm.beat and step % rhythm.beat == 0)]
    assert [step for step in range(3000) if rhythm.keeps(step)] == kept
    for step in range(1, 1500):
        coming = next(each for each in kept if each >= step)
        assert rhythm.rests(step) == coming - step - 1


@pytest.mark.parametrize("strides", [(1, 1), (3, 4), (2, 3), (1, 1000), (1000, 1000)])
def test_at_the_beginning_something_is_kept_of_each_step_and_ranks_meet(strides: tuple[int, int]) -> None:
    """Two ranks whose accounts allow different strides, each a little more or less with time."""
    taken = [
        [step for step in range(OPENING) if spaced(step, strides[(rank + step) % 2], beat=0).measures(step)]
        for rank in (0, 1)
    ]
    least = [*range(EACH), *range(EACH, OPENING, SEVERAL)]
    for rank in (0, 1):
        assert set(least) <= set(taken[rank]) and all(spaced(step, strides[rank], 0).keeps(step) for step in range(32))
    assert spaced(OPENING, strides[0], 5) == Rhythm(strides[0], 5)
