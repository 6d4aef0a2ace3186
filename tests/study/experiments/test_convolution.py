from dataclasses import asdict

import pytest

from headwater.study.convolutions import VARIANTS
from headwater.study.experiment import Table
from headwater.study.experiments import convolution
from headwater.study.experiments.convolution import EXPERIMENT, Start, Training


def test_every_variant_is_trained_at_both_rates_and_looked_at():
    points = EXPERIMENT.points(True, 1)
    assert len(points) == len(set(points)) == 4 * 3 * 3
    assert set(convolution.VARIANTS) == set(VARIANTS)
    assert sum(map(EXPERIMENT.cost, points)) < sum(map(EXPERIMENT.cost, EXPERIMENT.points(False, 1)))


def test_trainings_and_starts_become_one_row_a_network():
    points = [Training("residual", 5, rate, 2, 0) for rate in (0.1, 0.01)] + [Start("residual", 5, 0)]
    table = Table(tuple({**asdict(point), **row} for point in points for row in EXPERIMENT.measure(point)))
    (best,) = EXPERIMENT.derive(table)
    assert best["loss"] == min(table.where(part="training").numbers("loss"))
    assert best["attenuation"] == table.where(part="start").median("attenuation") > 0
    assert len(table.where(part="place")) >= 3


def run(variant, depth, *, accuracy=0.8, loss=0.5, attenuation=1.0):
    return {
        "part": "best", "variant": variant, "depth": depth, "accuracy": accuracy, "loss": loss,
        "attenuation": attenuation,
    }  # fmt: skip


GOOD = (
    run("plain", 5),
    run("plain", 33, accuracy=0.1, loss=2.3, attenuation=1e-12),
    run("plain-he", 5),
    run("plain-he", 33),
    run("normalised", 33, loss=0.7),
    run("residual", 5),
    run("residual", 33),
)


def verdicts(*rows):
    return [statement.verdict for statement in EXPERIMENT.says(Table(rows))]


def test_all_claims_can_hold():
    assert verdicts(*GOOD) == ["holds"] * 4


@pytest.mark.parametrize(
    ("place", "change", "broken"),
    [(1, {"accuracy": 0.9}, 0), (3, {"accuracy": 0.2}, 1), (6, {"accuracy": 0.2}, 2), (4, {"loss": 0.3}, 3)],
)
def test_each_claim_can_fail(place, change, broken):
    rows = [dict(row) for row in GOOD]
    rows[place].update(change)
    assert verdicts(*rows)[broken] == "does not hold"


def test_what_is_missing_cannot_be_said():
    assert set(verdicts()) == {"cannot be said"}
