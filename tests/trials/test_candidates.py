from __future__ import annotations

from headwater.records import REMEDIES, Finding, Where
from headwater.remedies import answering, remedy
from headwater.trials.candidates import COMPANIONS, ORDER, Proposal, combinations, in_order, singles


def finding(code: str, severity: str, *remedies: str, under: str | None = None) -> Finding:
    return Finding(code, code, severity, Where(), "", "", remedies=remedies, under=under)  # type: ignore[arg-type]


def test_every_remedy_has_its_place_in_the_order():
    assert sorted(ORDER) == sorted(REMEDIES)
    codes = {code for sets in COMPANIONS.values() for codes in sets for code in codes} | set(COMPANIONS)
    assert codes <= set(REMEDIES)


def test_the_remedies_of_the_root_cause_come_first_and_what_often_helps_last():
    found = singles([finding("HW604", "error", "match-shapes"), finding("HW402", "warning", "lower-rate", under="x")])
    codes = list(dict.fromkeys(each.parts[0].code for each in found))
    assert codes[:2] == ["match-shapes", "lower-rate"]
    assert "adaptive-optimizer" in codes
    assert len(found) == len(set(found))


def test_a_warning_alone_asks_for_what_it_names_and_no_more():
    codes = {each.parts[0].code for each in singles([finding("HW402", "warning", "lower-rate")])}
    assert codes == {"lower-rate"}


def test_a_note_asks_for_nothing():
    assert singles([finding("HW402", "info", "lower-rate")]) == ()


def test_independent_faults_are_mended_together():
    faults = [finding("HW604", "error", "match-shapes"), finding("HW605", "error", "standardise-inputs")]
    alone = singles(faults)
    together = combinations(faults, alone)
    assert together[0].remedies == ("match-shapes", "standardise-inputs")
    assert all(len(each.remedies) > 1 for each in together)
    assert len(together) == len(set(together))


def test_what_cannot_be_applied_is_not_combined():
    faults = [finding("HW604", "error", "match-shapes"), finding("HW605", "error", "standardise-inputs")]
    alone = [each for each in singles(faults) if each.remedies != ("standardise-inputs",)]
    together = combinations(faults, alone)
    assert all(each.remedies[0] == "match-shapes" for each in together)


def test_the_network_is_changed_before_its_optimizer():
    adam = answering("adaptive-optimizer")[0].key
    assert in_order([adam, "match-shapes", adam]) == ("match-shapes", adam)


def test_a_proposal_adds_up():
    adam = answering("adaptive-optimizer")[0]
    proposal = Proposal(("match-shapes", adam.key))
    assert proposal.size == remedy("match-shapes").size + adam.size
    assert proposal.safety == "safe"
    assert REMEDIES["match-shapes"] in proposal.says and adam.variant in proposal.says
