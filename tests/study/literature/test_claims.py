import pytest

from headwater.study.literature import CLAIMS, judged
from headwater.study.literature.claim import Bounds, Near, Order
from headwater.study.literature.trainable import depth_scale, depths

HELD_OUT = 17
"""A seed that was never looked at while tolerances were chosen."""
CHEAP = 1.5
"""Seconds."""


def test_each_claim_has_its_key_and_its_source_with_a_year():
    assert len({claim.key for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert any(str(year) in claim.source for year in range(1990, 2027)), claim.key
        assert '"' in claim.source, claim.key


@pytest.mark.parametrize("claim", [each for each in CLAIMS if each.cost[1] <= CHEAP], ids=lambda claim: claim.key)
def test_what_is_cheap_comes_out_with_a_held_out_seed(claim):
    measured = claim.measure(HELD_OUT, True)
    assert judged(claim, [measured]).verdict != "not reproduced", measured
    match claim.judge:
        case Near():
            assert claim.numbers.keys() <= measured.keys()
        case Bounds(_, least, most):
            assert least.keys() | most.keys() <= measured.keys()
        case Order(rising):
            assert set(rising) <= measured.keys()


def test_the_depth_scales_are_those_of_the_theory():
    assert depth_scale(1.0) == pytest.approx(3.6, abs=0.05)  # -1 / ln 0.759
    assert depth_scale(4.0) == pytest.approx(7.0, abs=0.05)
    assert depths(1.0) == {"half": 11, "twice": 44}
