from __future__ import annotations

from dataclasses import replace

from headwater.records import AttentionRecord, HeadRecord, Measurement
from headwater.rules.rank_collapse import chains, check
from tests.rules.build import chain

EVEN = AttentionRecord("", None, 16, 16, 2.6, 0.95, 0.0, 0.0, 0.9, 1e-3, 1e-3, 1e-2, 1e-2, normalised_stream=False)


def attending(
    *spreads: float | None, fit: float | None = 0.97, name: str = "blocks.{}.mix", **last: float
) -> Measurement:
    records = [replace(EVEN, name=name.format(i), token_spread=spread) for i, spread in enumerate(spreads)]
    records[-1] = replace(records[-1], **last)
    return replace(chain(), attention=tuple(records), head=HeadRecord(fit=fit))


STARVED = {"query_gradient": 1e-8, "key_gradient": 1e-9}


def test_equal_positions_and_starved_queries_are_an_error():
    found = check(attending(0.9, 0.3, 0.02, 1e-3, 1e-5, **STARVED))
    assert found is not None and found.severity == "error"
    assert found.where.module == "blocks.2.mix"
    assert "1e-5 is left at the last of 5 attentions" in found.message


def test_without_the_effect_it_is_a_warning():
    found = check(attending(0.9, 0.3, 0.02, 1e-3, 1e-5))
    assert found is not None and found.severity == "warning"
    found = check(attending(0.9, 0.3, 0.02, 1e-3, 1e-5, fit=None, **STARVED))
    assert found is not None and found.severity == "warning"


def test_what_has_learnt_to_summarise_is_silent():
    assert check(attending(0.9, 0.3, 0.02, 1e-3, 1e-5, fit=0.2, **STARVED)) is None


def test_twenty_pre_norm_layers_are_silent():
    assert check(attending(0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.12)) is None


def test_equal_queries_that_come_to_differ_are_silent():
    """DETR: the decoder starts from zeros, and differs after the first look at the image."""
    assert check(attending(0.0, 0.9, 0.6, 0.4)) is None


def test_a_spread_that_comes_back_is_silent():
    assert check(attending(0.9, 1e-4, 0.5, 0.4)) is None


def test_data_without_differences_are_silent():
    assert check(attending(1e-7, 1e-7, 1e-8, 1e-8)) is None


def test_single_keys_and_short_chains_are_silent():
    assert check(attending(0.9, None, None, None)) is None
    assert check(attending(0.9, 1e-5)) is None


def test_encoder_and_decoder_are_judged_each_for_itself():
    encoder = attending(0.9, 0.1, 1e-4, 1e-6, name="encoder.{}.mix", **STARVED)
    decoder = attending(0.9, 0.8, 0.7, name="decoder.{}.mix")
    both = replace(encoder, attention=(*encoder.attention, *decoder.attention))
    assert [len(each) for each in chains(both.attention)] == [4, 3]
    found = check(both)
    assert found is not None and found.where.module == "encoder.2.mix"


def test_post_norm_is_named_and_answered():
    found = check(attending(0.9, 0.3, 1e-3, 1e-5, normalised_stream=True, **STARVED))
    assert found is not None and "post-norm" in found.cause and found.remedies[0] == "pre-norm"
