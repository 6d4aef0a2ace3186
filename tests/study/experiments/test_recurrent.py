from dataclasses import asdict

import pytest

from headwater.records import HORIZONS
from headwater.study.experiment import Table
from headwater.study.experiments import recurrent
from headwater.study.experiments.recurrent import EXPERIMENT, Training
from headwater.study.sequences import KINDS, SOLVED


def test_every_network_is_trained_on_both_tasks():
    points = EXPERIMENT.points(True, 2)
    assert len(points) == len(set(points)) == 2 * 7 * 2
    assert {point.kind for point in points} == set(KINDS) == set(recurrent.KINDS)
    assert recurrent.SOLVED == SOLVED
    assert sum(map(EXPERIMENT.cost, points)) < sum(map(EXPERIMENT.cost, EXPERIMENT.points(False, 2)))


def test_a_point_is_looked_at_along_its_training():
    points = [Training("adding", 6, "gru", rate, 24, 0) for rate in (0.01, 1e-6)]
    rows = [{**asdict(point), **row} for point in points for row in EXPERIMENT.measure(point)]
    good = rows[:13]
    assert [row["step"] for row in good] == list(range(0, 25, 2))
    derived = Table(tuple(EXPERIMENT.derive(Table(tuple(rows)))))
    (training,) = derived.where(part="training")
    assert training["rate"] == 0.01  # that of the smaller error
    assert training["horizon_start"] == good[0]["horizon"]
    assert training["horizon_end"] == good[-1]["horizon"]
    assert training["error"] == good[-1]["error"]
    assert derived.where(part="best look").column("error") == [row["error"] for row in good]


def run(kind, *, start=2.0, end=20.0, error=0.05, task="adding", lag=50):
    return {
        "part": "training", "task": task, "title": task, "kind": kind, "network": kind, "seed": 0, "longest_lag": lag,
        "horizon_start": start, "horizon_end": end, "error": error, "solved": error < SOLVED,
    }  # fmt: skip


GOOD = (
    run("rnn", start=1.7, end=1.5, error=0.9),
    run("lstm", start=2.2, end=9.0, error=0.08),
    run("gru", start=2.1, end=9.0, error=0.02),
    run("lstm-forget-bias", start=6.0, error=0.09),
    run("lstm-chrono", start=60.0, error=0.01),
)


def verdicts(*rows):
    return [statement.verdict for statement in EXPERIMENT.says(Table(rows))]


def test_all_claims_can_hold():
    assert verdicts(*GOOD) == ["holds"] * 5


@pytest.mark.parametrize(
    ("place", "change", "broken"),
    [
        (1, {"horizon_start": 4.5}, 0),
        (3, {"horizon_start": 80.0}, 1),
        (2, {"horizon_end": 50 / HORIZONS - 0.1}, 2),
        (0, {"solved": True}, 3),
        (4, {"error": 0.085}, 4),
    ],
)
def test_each_claim_can_fail(place, change, broken):
    rows = [dict(row) for row in GOOD]
    rows[place].update(change)
    assert verdicts(*rows)[broken] == "does not hold"


def test_what_is_missing_cannot_be_said():
    assert set(verdicts()) == {"cannot be said"}
