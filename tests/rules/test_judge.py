from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from headwater.records import Finding, GainParts, InputRecord, Severity, StepRecord, Where
from headwater.rules import judge
from headwater.rules.judge import EXPLAINS, arrange
from tests.rules.build import (
    NAMES,
    chain,
    head,
    profile,
    units,
    with_layers,
    with_parameters,
    with_spreads,
    with_updates,
)

FALLING = [10.0 ** (i - 11) for i in range(12)]
COLLAPSING = [0.62 * 0.25**i for i in range(12)]


def finding(code: str, severity: Severity = "error") -> Finding:
    return Finding(code, "name", severity, Where(), "", "")


def placed(measurement, *findings: Finding) -> list[tuple[str, str | None]]:
    return [(f.code, f.under) for f in arrange(measurement, list(findings))]


def test_a_healthy_network_has_no_findings():
    assert judge(chain()) == ()


def test_vanishing_leads_and_the_collapse_stands_under_it():
    found = judge(with_spreads(with_updates(chain(gain=0.14), FALLING), COLLAPSING))
    assert [(f.code, f.under) for f in found] == [("HW101", None), ("HW103", "HW101")]


def test_units_that_a_collapse_makes_look_dead_stand_under_vanishing():
    """Where every sample is the same, half of the ReLUs are off on all of them."""
    measurement = with_spreads(with_updates(chain(gain=0.41), FALLING), COLLAPSING)
    collapsed = tuple(units(f"fc{i}", dead=55) for i in range(3, 12))
    found = judge(replace(measurement, units=collapsed))
    assert [(f.code, f.under) for f in found] == [("HW101", None), ("HW103", "HW101"), ("HW301", "HW101")]


def test_dead_units_that_cost_the_chain_its_gradient_lead():
    measurement = with_spreads(with_updates(chain(gain=0.45), FALLING), COLLAPSING)
    dead = tuple(units(f"fc{i}", dead=90) for i in range(1, 12))
    found = judge(replace(measurement, units=dead))
    assert found[0].code == "HW301" and {f.under for f in found[1:]} == {"HW301"}


def test_a_dead_layer_explains_zero_gradients_and_the_constant_output():
    measurement = with_parameters(with_spreads(chain(), [0.6] * 6 + [0.0] * 6), NAMES[:6], gradient="zero")
    measurement = replace(measurement, units=(units("fc6", dead=100),), profile=profile([0.0] * 6 + [1.0] * 6))
    assert [(f.code, f.under) for f in judge(measurement)] == [
        ("HW301", None),
        ("HW103", "HW301"),
        ("HW602", "HW301"),
    ]


@pytest.mark.parametrize(("activation", "leader"), [(0.01, "HW302"), (0.9, "HW101")])
def test_saturation_leads_when_it_costs_most(activation: float, leader: str):
    parts = GainParts(activation, 0.14 / activation, 1.0, 1.0)
    measurement = with_layers(with_updates(chain(gain=0.14), FALLING), gain_parts=parts)
    saturated = tuple(units(f"fc{i}", kind="tanh", saturated=90) for i in range(1, 12))
    assert judge(replace(measurement, units=saturated))[0].code == leader


def test_saturation_everywhere_comes_before_the_explosion():
    measurement = chain(gain=3.0, steps=(StepRecord(0, 2.3), StepRecord(1, 400.0)))
    saturated = replace(measurement, units=tuple(units(f"fc{i}", kind="tanh", saturated=90) for i in range(1, 12)))
    assert [(f.code, f.under) for f in judge(saturated)] == [("HW302", None), ("HW102", "HW302")]


def test_unscaled_inputs_explain_what_they_saturate():
    pixels = InputRecord("fc1", 130.0, 33.0, 0.0, 255.0, normalised=False)
    found = judge(chain(inputs=(pixels,), units=(units("fc1", kind="tanh", saturated=90),)))
    assert [(f.code, f.under) for f in found] == [("HW605", None), ("HW302", "HW605")]


def test_one_unit_softmax_explains_zero_gradients():
    one = head("BinaryCrossEntropy", "Softmax", shape=(32, 1), output_min=1.0, output_max=1.0)
    found = judge(with_parameters(chain(head=one), NAMES, gradient="zero"))
    assert [(f.code, f.under) for f in found] == [("HW603", None), ("HW602", "HW603")]


def test_a_loss_in_one_place_stands_under_the_collapse():
    measurement = replace(chain(), profile=profile([1e-8] * 6 + [1.0] * 6, slope=0.0, gain=1.0))
    found = judge(with_spreads(with_updates(measurement, FALLING), [0.6] * 6 + [1e-7] * 6))
    assert [(f.code, f.under) for f in found] == [("HW103", None), ("HW101", "HW103")]


def test_severity_decides_among_independent_roots():
    assert placed(chain(), finding("HW605", "warning"), finding("HW606"), finding("HW601", "info")) == [
        ("HW606", None),
        ("HW605", None),
        ("HW601", None),
    ]


def test_a_group_counts_as_its_worst_finding():
    """A warning that explains an error leads before an error of lower rank that stands alone."""
    assert placed(chain(), finding("HW606"), finding("HW605", "warning"), finding("HW701"), finding("HW604")) == [
        ("HW606", None),
        ("HW605", None),
        ("HW701", "HW605"),
        ("HW604", None),
    ]


def test_an_info_explains_nothing():
    assert placed(chain(), finding("HW607", "info"), finding("HW101")) == [("HW101", None), ("HW607", None)]


def test_every_pair_of_findings_has_a_root():
    for pair in itertools.combinations(EXPLAINS, 2):
        found = placed(chain(), *map(finding, pair))
        assert found[0][1] is None and {under for _, under in found} <= {None, found[0][0]}


def test_all_findings_at_once_have_a_root():
    found = placed(chain(), *(finding(code) for code in (*EXPLAINS, "HW601", "HW604", "HW701")))
    roots = {code for code, under in found if under is None}
    assert roots and {under for _, under in found if under} <= roots
