from __future__ import annotations

import math

import pytest

from headwater.records import StepRecord
from headwater.records.numbers import number
from headwater.rules.common import blows_up, listed, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0031, "0.0031"),
        (3.14e-42, "3.1e-42"),
        (3e-42, "3e-42"),
        (143.0, "140"),
        (4.6e8, "4.6e8"),
        (99999.0, "1e5"),
        (-0.5, "-0.5"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_have_two_digits(value: float, text: str):
    assert number(value) == text


def test_shares_read_as_per_cent_where_that_reads_well():
    assert (percent(0.144), percent(1.5), percent(1.8e-5), percent(12)) == ("14 %", "150 %", "0.0018 %", "12")


def test_long_lists_are_cut():
    assert listed(("a", "b", "c")) == "a, b, c"
    assert listed(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"


def test_a_negative_loss_does_not_blow_up():
    assert blows_up((StepRecord(0, -3.0), StepRecord(1, -2.0))) is None
    assert blows_up((StepRecord(0, 1.0), StepRecord(1, 11.0))) is not None
    assert blows_up(()) is None
