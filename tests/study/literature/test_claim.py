import math

import pytest

from headwater.study.literature.claim import Bounds, Claim, Near, Order, in_words, judged, spread, tolerance


def claim(judge, **fields):
    return Claim("key", "source", "says", "setting", lambda seed, quick: {}, judge, **fields)


NEAR = claim(Near(0.1, "noise"), numbers={"gain": 2.0})


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([2.0], "reproduced"), ([2.3, 1.9], "reproduced"), ([2.3], "not reproduced"), ([math.nan], "not reproduced")],
)
def test_the_mean_must_be_near_the_number(values, verdict):
    assert judged(NEAR, [{"gain": value} for value in values]).verdict == verdict


def test_a_number_that_is_missed_is_named_with_the_reason_that_is_known():
    said = judged(claim(Near(0.1, "noise"), numbers={"gain": 2.0}, misses="It is small."), [{"gain": 3.0}])
    assert said.why == "gain is 3, +50 % from 2. It is small."


def test_every_seed_must_keep_its_bounds():
    bounded = claim(Bounds("so", {"right": 0.8}, {"wrong": 0.2}))
    good, bad = {"right": 0.9, "wrong": 0.1}, {"right": 0.7, "wrong": 0.1}
    assert judged(bounded, [good, good]).verdict == "reproduced"
    assert judged(bounded, [good, bad]).why == "right is 0.9, 0.7, not at least 0.8."
    assert judged(bounded, [{"right": math.nan, "wrong": 0.1}]).verdict == "not reproduced"
    assert judged(bounded, [{"right": 0.9, "wrong": math.inf}]).verdict == "not reproduced"


def test_an_order_must_hold_with_every_seed_by_its_factor():
    rising = claim(Order(("a", "b", "c"), 2.0, "so"), only="Smaller networks.")
    assert judged(rising, [{"a": 1, "b": 2, "c": 8}]) == judged(rising, [{"a": 1, "b": 3, "c": 6}])
    assert judged(rising, [{"a": 1, "b": 2, "c": 8}]).verdict == "order only"
    assert judged(rising, [{"a": 1, "b": 2, "c": 8}]).why == "Smaller networks."
    assert judged(rising, [{"a": 1, "b": 2, "c": 8}, {"a": 1, "b": 1.9, "c": 8}]).verdict == "not reproduced"


def test_what_must_hold_is_said_with_its_reason():
    assert tolerance(Near(0.02, "noise")) == "within 2 %: noise"
    assert tolerance(Bounds("so", {"a": 0.85}, {"b": 0.5})) == "with every seed a at least 0.85, b at most 0.5: so"
    assert tolerance(Order(("a", "b"), 2.0, "so")) == "with every seed a < b, each by a factor of 2: so"


def test_seeds_are_written_as_a_mean_and_a_range():
    assert spread([1.0, 2.0]) == "1.5 (1 to 2)"
    assert spread([1.0]) == spread([1.0, 1.0 + 1e-9]) == "1"
    assert in_words([{"a": 1.0, "b": 0.5}, {"a": 3.0, "b": 0.5}]) == "a 2 (1 to 3); b 0.5"
