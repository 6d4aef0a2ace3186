from __future__ import annotations

import math

from headwater.records import StepRecord
from headwater.rules.non_finite import check
from tests.rules.build import chain


def test_the_first_place_is_named_with_its_line():
    steps = (
        StepRecord(0, 2.3),
        StepRecord(1, math.nan, "Sqrt in net.norm", "net.py", 7),
        StepRecord(2, math.nan, "the loss"),
    )
    found = check(chain(steps=steps))
    assert found is not None and found.severity == "error"
    assert (found.where.module, found.where.file, found.where.line) == ("net.norm", "net.py", 7)
    assert "after 1 step," in found.message and "Sqrt in net.norm" in found.message


def test_finite_steps_are_silent():
    assert check(chain()) is None
