from dataclasses import asdict

from headwater.study.experiment import Table
from headwater.study.experiments.published import EXPERIMENT, VERDICTS, Measured
from headwater.study.literature import CLAIMS


def table(*points):
    rows = tuple({**asdict(point), **row} for point in points for row in EXPERIMENT.measure(point))
    return Table((*rows, *EXPERIMENT.derive(Table(rows))))


def known(found):
    """The one statement on what was measured."""
    (said,) = [each for each in EXPERIMENT.says(found) if each.verdict != "cannot be said"]
    return said


def test_the_quick_version_leaves_claims_out_and_the_full_one_none():
    quick, full = EXPERIMENT.points(True, 1), EXPERIMENT.points(False, 3)
    assert {point.claim for point in quick} < {point.claim for point in full} == {claim.key for claim in CLAIMS}
    once = [claim.key for claim in CLAIMS if claim.seeds == 1]
    assert once and all(sum(point.claim == key for point in full) == 1 for key in once)
    assert len(full) == 3 * len(CLAIMS) - 2 * len(once)


def test_a_claim_becomes_a_line_with_its_verdict():
    found = table(*(Measured("Xavier under ReLU", True, seed) for seed in (3, 4)))
    (line,) = found.where(part="claim")
    assert line["verdict"] == "reproduced"
    assert line["seeds"] == 2
    assert line["printed"] == "Xavier 0.7071; He 1"
    said = known(found)
    assert said.verdict == "holds"
    assert said.source == line["source"]
    assert "2 seeds" in said.found


def test_a_number_that_does_not_come_out_is_said_so():
    rows = [dict(row) for row in table(Measured("Xavier under ReLU", True, 3)).where(part="quantity")]
    for row in rows:
        row["measured"] = 0.5
    changed = Table(tuple(rows))
    (line,) = EXPERIMENT.derive(changed)
    assert line["verdict"] == VERDICTS[-1]
    said = known(Table((*changed, line)))
    assert said.verdict == "does not hold"
    assert "He is 0.5" in said.found
