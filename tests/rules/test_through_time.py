from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import Dependence, Measurement, StepRecord, TimeProfile
from headwater.rules import exploding_through_time, vanishing_gradient, vanishing_through_time
from headwater.rules.judge import judge
from tests.rules.build import chain, profile, with_updates

FAR = Dependence(near=0.01, far=0.8, certainty=20.0, alone=0.3, reach=17, samples=450)


def through_time(gain: float = 0.54, length: int = 100, **changes: object) -> TimeProfile:
    """A layer that multiplies the gradient by `gain` at every step back."""
    made = TimeProfile(
        name="rnn",
        kind="RNN",
        direction="forward",
        length=length,
        steps=tuple(range(length)),
        log_gradient=tuple((length - 1 - t) * math.log(gain) for t in range(length)),
        gain=gain,
        horizon=-1 / math.log(gain) if gain < 1 else None,
        probe="loss",
        needed=length - 1,
        file="train.py",
        line=7,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def measured(*profiles: TimeProfile, **changes: object) -> Measurement:
    return replace(chain(), through_time=profiles, **changes)  # type: ignore[arg-type]


def test_a_lag_that_the_data_need_and_the_gradient_does_not_reach_is_an_error():
    found = vanishing_through_time.check(measured(through_time(dependence=FAR)))
    assert found is not None and found.severity == "error"
    assert (found.where.module, found.where.file, found.where.line) == ("rnn", "train.py", 7)
    assert found.message == (
        "rnn keeps 54 % of the gradient a step back in time: over the 99 steps that the loss spans, 3.2e-27 is left."
    )
    assert "99 % lies further back than 17 steps" in found.cause
    assert found.remedies[0] == "gated-recurrence"


def test_gates_are_opened_where_there_are_gates():
    found = vanishing_through_time.check(measured(through_time(0.63, kind="LSTM", gated=True, dependence=FAR)))
    assert found is not None and found.severity == "error"
    assert found.remedies == ("chrono-init", "forget-bias")


@pytest.mark.parametrize(("kind", "severity"), [("RNN", None), ("GRU", None), ("LSTM", "error")])
def test_an_lstm_loses_what_lies_ten_horizons_back(kind: str, severity: str | None):
    """At 0.63 a step the horizon is 2.2 steps: 26 are 12 of them."""
    found = vanishing_through_time.check(measured(through_time(0.63, length=27, kind=kind, dependence=FAR)))
    assert (found.severity if found else None) == severity


def test_of_several_layers_the_one_with_the_longest_reach_is_named():
    """The LSTM's horizon is longer, and its reach shorter."""
    lstm, rnn = through_time(0.65, kind="LSTM", gated=True, dependence=FAR), through_time(0.59, dependence=FAR)
    lstm = replace(lstm, name="lstm")
    assert lstm.horizon > rnn.horizon and lstm.reach < rnn.reach  # type: ignore[operator]
    found = vanishing_through_time.check(measured(lstm, rnn))
    assert found is not None and found.where.module == "rnn" and found.evidence["reach"] == rnn.reach


@pytest.mark.parametrize(
    ("near", "gated", "severity"),
    [(0.01, False, "error"), (0.2, False, "warning"), (0.7, False, "info"), (0.2, True, "info"), (0.01, True, "error")],
)
def test_short_lags_that_teach_soften_the_verdict(near: float, gated: bool, severity: str):
    found = vanishing_through_time.check(measured(through_time(gated=gated, dependence=replace(FAR, near=near))))
    assert found is not None and found.severity == severity


def test_without_targets_to_ask_a_short_memory_is_information():
    found = vanishing_through_time.check(measured(through_time()))
    assert found is not None and found.severity == "info"


@pytest.mark.parametrize(
    "quiet",
    [
        through_time(dependence=replace(FAR, certainty=2.0)),  # the data do not ask for it
        through_time(dependence=replace(FAR, far=0.02)),
        through_time(length=20),  # within reach
        through_time(0.96, dependence=FAR),
        through_time(needed=None, probe="jacobian"),  # the loss reads every step
        through_time(direction="reverse", dependence=FAR),
        through_time(1.01, dependence=FAR),
    ],
)
def test_silent_where_nothing_is_out_of_reach(quiet: TimeProfile):
    assert vanishing_through_time.check(measured(quiet)) is None


def test_one_layer_with_a_long_memory_is_enough():
    layers = (through_time(dependence=FAR), through_time(0.99, layer=1, dependence=FAR))
    assert vanishing_through_time.check(measured(*layers)) is None
    assert vanishing_through_time.check(measured()) is None


def test_growth_is_a_warning_and_with_an_effect_an_error():
    growing = measured(through_time(1.2, 60))
    found = exploding_through_time.check(growing)
    assert found is not None and found.severity == "warning"
    assert found.remedies[0] == "clip-gradient"
    assert found.message == "In rnn the gradient grows by 1.2 a step back in time: over 60 steps by 47000."
    blown = replace(growing, steps=(StepRecord(0, 2.0), StepRecord(1, 40.0)))
    found = exploding_through_time.check(blown)
    assert found is not None and found.severity == "error" and found.evidence["loss at a step"] == 40.0
    found = exploding_through_time.check(with_updates(growing, [3.0] * 12))
    assert found is not None and found.severity == "error"


@pytest.mark.parametrize(
    "quiet",
    [
        through_time(1.016, 100),  # an LSTM with its forget gates wide open
        through_time(1.2, 20),
        through_time(0.6),
        replace(through_time(0.6), gain=1.3),  # a slope that the ends do not bear out
        replace(through_time(1.2), gain=None),
    ],
)
def test_silent_on_little_growth(quiet: TimeProfile):
    assert exploding_through_time.check(measured(quiet)) is None


def test_what_a_loop_loses_is_not_reported_as_depth():
    signals = [1e-30, *[1e-30] * 10, 1.0]
    lost = with_updates(chain(profile=profile(signals)), [1e-9] * 4 + [1e-3] * 8)
    points = lost.profile.points
    in_loop = replace(lost, profile=replace(lost.profile, points=(*points[:-1], replace(points[-1], name="rnn@60"))))
    assert vanishing_gradient.check(in_loop) is not None
    in_loop = replace(in_loop, through_time=(through_time(dependence=FAR),))
    assert vanishing_gradient.check(in_loop) is None
    assert [each.code for each in judge(in_loop)] == ["HW201"]


def test_a_deep_network_before_a_loop_is_still_judged():
    deep = with_updates(chain(gain=0.3), [1e-9] * 4 + [1e-3] * 8)
    found = vanishing_gradient.check(replace(deep, through_time=(through_time(0.63, 30),)))
    assert found is not None and found.severity == "error"
