"""Remedies have a page, and all keys differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.errors import InputError
from headwater.records import REMEDIES
from headwater.remedies import answering, remedy
from headwater.remedies.registry import registered

ALL = [each for code in REMEDIES for each in answering(code)]


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.key)
def test_a_remedys_page_says_what_it_does_when_not_how_safe_it_is_and_who_says_so(each) -> None:
    for heading in ("## What it does", "## When not", "## Safety", "## References"):
        assert heading in each.page
    assert each.page.splitlines()[0].endswith(".")
    assert remedy(each.key) is each
    assert each.size in (1, 2, 3, 4)


@pytest.mark.parametrize("code", REMEDIES)
def test_each_code_that_a_finding_may_name_has_a_remedy(code: str) -> None:
    assert answering(code)


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no remedy 'pray'.*match-shapes"):
        remedy("pray")


def test_keys_are_unique_and_codes_known() -> None:
    with pytest.raises(ValueError, match="Two remedies are called match-shapes"):
        registered([remedy("match-shapes"), remedy("match-shapes")])
    with pytest.raises(ValueError, match="pray has a code"):
        registered([replace(remedy("match-shapes"), code="pray")])
