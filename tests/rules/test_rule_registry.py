from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.errors import UnknownCodeError
from headwater.rules import RULES, rule
from headwater.rules.registry import by_code


def test_a_rule_is_found_by_code_and_by_name():
    assert rule("HW101").name == "vanishing-gradient"
    assert rule(" hw101 ") is rule("vanishing-gradient")


def test_unknown_codes_name_the_nearest():
    with pytest.raises(UnknownCodeError, match=r"'HW111'.*HW101 \(vanishing-gradient\)"):
        rule("HW111")
    with pytest.raises(UnknownCodeError, match="HW301"):
        rule("dead-unit")


@pytest.mark.parametrize("field", ["code", "name"])
def test_duplicates_are_rejected(field: str):
    first = RULES[0]
    twin = replace(RULES[1], **{field: getattr(first, field)})
    with pytest.raises(ValueError, match="share"):
        by_code((first, twin))


def test_codes_are_in_order_and_complete():
    codes = [each.code for each in RULES]
    assert codes == sorted(codes)
    assert codes == [
        "HW101",
        "HW102",
        "HW103",
        "HW104",
        "HW201",
        "HW202",
        "HW301",
        "HW302",
        "HW303",
        "HW401",
        "HW402",
        "HW403",
        "HW501",
        "HW502",
        "HW503",
        "HW504",
        "HW505",
        "HW601",
        "HW602",
        "HW603",
        "HW604",
        "HW605",
        "HW606",
        "HW607",
        "HW701",
    ]
