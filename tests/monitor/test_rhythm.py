"""Which steps are kept."""

from __future__ import annotations

import pytest

from headwater.monitor.rhythm import Rhythm


@pytest.mark.parametrize("rhythm", [Rhythm(), Rhythm(7), Rhythm(7, 3), Rhythm(3, 7), Rhythm(1000, 50), Rhythm(4, 1)])
def test_what_rests_ends_before_the_next_step_that_is_kept(rhythm: Rhythm) -> None:
    kept = [step for step in range(3000) if step % rhythm.stride == 0 or (rhythm.beat and step % rhythm.beat == 0)]
    assert [step for step in range(3000) if rhythm.keeps(step)] == kept
    for step in range(1, 1500):
        coming = next(each for each in kept if each >= step)
        assert rhythm.rests(step) == coming - step - 1
