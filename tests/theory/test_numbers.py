"""The numbers of the literature, as `python -m benchmarks.theory --formulas` shows them."""

from __future__ import annotations

import math

import pytest

from benchmarks.theory.check import Check
from benchmarks.theory.formulas import checks


def test_every_number_that_needs_no_network():
    found = checks()
    assert len(found) > 200
    assert [check.row() for check in found if not check.passed] == []


@pytest.mark.parametrize("wrong", [1.02, 0.98, math.nan, math.inf])
def test_a_number_that_is_off_is_a_miss(wrong):
    assert not Check("", "", 1.0, wrong, 0.01).passed
    assert "MISS" in " ".join(Check("", "", 1.0, wrong, 0.01).row())


def test_infinity_is_met_by_infinity_only():
    assert Check("", "", math.inf, math.inf, 0.0).passed
    assert not Check("", "", math.inf, 1e9, 0.5).passed
