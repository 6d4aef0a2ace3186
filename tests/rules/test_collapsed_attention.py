from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.records import AttentionRecord, HeadRecord, Measurement
from headwater.rules.collapsed_attention import check
from tests.rules.build import chain

SHARP = AttentionRecord("", None, 16, 16, 0.01, 0.004, 0.98, 1.0, 0.9, 1e-3, 1e-3, 1e-2, 1e-2, runners_up=0.002)


def attending(*one_hot: float | None, fit: float | None = 0.97, keys: int = 16) -> Measurement:
    records = [replace(SHARP, name=f"blocks.{i}", one_hot=share, keys=keys) for i, share in enumerate(one_hot)]
    return replace(chain(), attention=tuple(records), head=HeadRecord(fit=fit))


def test_one_hot_rows_where_nothing_was_learnt_are_an_error():
    found = check(attending(0.97, 0.99))
    assert found is not None and found.severity == "error"
    assert found.where.module == "blocks.1" and found.where.names == ("blocks.0", "blocks.1")
    assert "99 % of the rows" in found.message


@pytest.mark.parametrize(("shares", "fit"), [((0.97, 0.1, 0.1), 0.97), ((0.97, 0.99), 0.7), ((0.97, 0.99), None)])
def test_a_part_or_no_certain_effect_is_a_warning(shares: tuple[float, ...], fit: float | None):
    found = check(attending(*shares, fit=fit))
    assert found is not None and found.severity == "warning"


def test_what_has_learnt_to_be_sharp_is_silent():
    assert check(attending(0.97, 0.99, fit=0.1)) is None


def test_half_sharp_rows_are_silent():
    assert check(attending(0.67, 0.68)) is None


@pytest.mark.parametrize("rest", [0.46, 0.9, None])
def test_rows_that_look_at_the_one_key_that_stands_out_are_silent(rest: float | None):
    """A head built or taught to copy: without its winner a row is about even."""
    sharp = attending(0.97, 0.99)
    records = tuple(replace(each, runners_up=rest) for each in sharp.attention)
    assert check(replace(sharp, attention=records)) is None


def test_few_keys_and_rows_without_a_choice_are_silent():
    assert check(attending(0.97, 0.99, keys=2)) is None
    assert check(attending(None, None)) is None


def test_no_attention_is_silent():
    assert check(chain()) is None
