from __future__ import annotations

import re
from pathlib import Path

import pytest

from headwater import rules
from headwater.records import REMEDIES, Finding, Where
from headwater.remedies import answering, remedy
from headwater.trials.candidates import (
    COMPANIONS,
    GENERAL,
    ORDER,
    Proposal,
    combinations,
    in_order,
    likeliest_first,
    others,
    singles,
    told,
)


def finding(code: str, severity: str, *remedies: str, under: str | None = None) -> Finding:
    return Finding(code, code, severity, Where(), "", "", remedies=remedies, under=under)  # type: ignore[arg-type]


def test_every_remedy_has_its_place_in_the_order():
    assert sorted(ORDER) == sorted(REMEDIES)
    codes = {code for sets in COMPANIONS.values() for codes in sets for code in codes} | set(COMPANIONS)
    assert codes <= set(REMEDIES)


def test_the_remedies_of_the_root_cause_come_first_and_what_often_helps_last():
    faults = [finding("HW604", "error", "match-shapes"), finding("HW402", "warning", "lower-rate", under="HW604")]
    assert singles(faults) == (Proposal(("match-shapes",)),)
    more = others(faults)
    assert [ways[0].parts[0].code for ways in more] == [
        "lower-rate",
        *(code for code in GENERAL if code != "lower-rate" and answering(code)),
    ]
    assert more[0] == tuple(Proposal((each.key,)) for each in answering("lower-rate"))


def test_every_way_of_what_a_root_cause_names_is_tried():
    found = singles([finding("HW402", "error", "lower-rate")])
    assert [each.parts[0] for each in found] == list(answering("lower-rate"))


def test_a_warning_alone_asks_for_what_it_names_and_no_more():
    warning = [finding("HW402", "warning", "lower-rate")]
    assert {each.parts[0].code for each in singles(warning)} == {"lower-rate"} and others(warning) == ()


def test_a_note_asks_for_nothing():
    note = [finding("HW402", "info", "lower-rate")]
    assert singles(note) == () and others(note) == ()


def test_independent_faults_are_mended_together():
    faults = [finding("HW604", "error", "match-shapes"), finding("HW605", "error", "standardise-inputs")]
    alone = singles(faults)
    together = combinations(faults, alone, alone)
    assert together[0].remedies == ("match-shapes", "standardise-inputs")
    assert all(len(each.remedies) > 1 for each in together)
    assert len(together) == len(set(together))


def test_what_cannot_be_applied_is_not_combined():
    faults = [finding("HW604", "error", "match-shapes"), finding("HW605", "error", "standardise-inputs")]
    alone = singles(faults)
    together = combinations(faults, alone, [each for each in alone if each.remedies != ("standardise-inputs",)])
    assert together and all("standardise-inputs" not in each.remedies for each in together)


def test_what_only_another_remedy_makes_possible_is_combined_with_it():
    """Biases of gates are nobody's remedy for a layer without gates, until it has them."""
    faults = [finding("HW201", "error", "gated-recurrence")]
    alone = singles(faults)
    together = combinations(faults, alone, alone)
    assert ("gated-recurrence:gru", "chrono-init") in [each.remedies for each in together]
    refused = [*alone, Proposal(("chrono-init",))]
    assert combinations(faults, refused, alone) == together


def test_a_small_field_has_some_of_each_kind():
    faults = [finding("HW402", "error", "lower-rate", "clip-gradient")]
    named = [
        Proposal((key,)) for key in ("lower-rate:tenth", "lower-rate:third", "clip-gradient", "clip-gradient:median")
    ]
    more = [Proposal(("adaptive-optimizer:adam",)), Proposal(("momentum",))]
    both = [Proposal(("lower-rate:tenth", "clip-gradient"))]
    tenth, third, clip, median = named
    assert likeliest_first(faults, [*named, *more], both) == (tenth, *both, clip, more[0], third, median, more[1])


def test_the_network_is_changed_before_its_optimizer():
    adam = answering("adaptive-optimizer")[0].key
    assert in_order([adam, "match-shapes", adam]) == ("match-shapes", adam)


def test_a_proposal_adds_up():
    adam = answering("adaptive-optimizer")[0]
    proposal = Proposal(("match-shapes", adam.key))
    assert proposal.size == remedy("match-shapes").size + adam.size
    assert proposal.safety == "safe"
    assert REMEDIES["match-shapes"] in proposal.says and adam.variant in proposal.says


def test_what_is_slower_and_what_is_calmer():
    tested, between = Proposal(("raise-rate:range-test",)), Proposal(("raise-rate:between",))
    assert between.is_slower_than(tested) and not tested.is_slower_than(between)
    assert between.is_slower_than(Proposal(("raise-rate:range-test", "decaying-rate:cosine")))
    assert not between.is_slower_than(Proposal(("adaptive-optimizer:adam",)))
    swap, tenth = Proposal(("activation-swap:relu",)), "lower-rate:tenth"
    assert Proposal((*swap.remedies, tenth)).calms(swap)
    assert not Proposal((*swap.remedies, "raise-rate:between")).calms(swap)


def named_by_rules() -> list[str]:
    """Codes of remedies that stand as words in the code of a rule."""
    files = Path(rules.__file__).parent.glob("*.py")
    words = {word for file in files for word in re.findall(r'"([a-z0-9-]+)"', file.read_text(encoding="utf-8"))}
    return sorted(words & set(REMEDIES))


def test_a_search_can_come_to_every_way_of_every_remedy():
    reached: set[str] = set()
    for code in named_by_rules():
        faults = [finding("HW101", "error", code)]
        alone = [*singles(faults), *(way for ways in others(faults) for way in ways)]
        for each in (*alone, *told(faults), *combinations(faults, alone, alone)):
            reached |= set(each.remedies)
    assert reached == {each.key for code in REMEDIES for each in answering(code)}


def test_where_the_rate_is_too_small_both_kinds_of_momentum_are_looked_at():
    found = others([finding("HW401", "warning", "raise-rate")])
    assert list(found) == [(Proposal((each.key,)),) for each in answering("momentum")]


@pytest.mark.parametrize(("remedies", "calmer"), [
    (("activation-swap:selu",), ("activation-swap:selu", "lower-rate:third")),
    (("lower-rate:third", "clip-gradient"), ("lower-rate:tenth", "clip-gradient")),
    (("lower-rate:hundredth",), None),
    (("lower-rate:range-test",), None),
    (("residual:zero", "raise-rate:tenfold"), None),
])  # fmt: skip
def test_the_same_at_a_lower_rate(remedies: tuple[str, ...], calmer: tuple[str, ...] | None):
    assert Proposal(remedies).calmer() == (None if calmer is None else Proposal(calmer))
