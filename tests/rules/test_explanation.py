"""The account of a gradient on measurements built by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from headwater.records import Explanation, GainParts, Layer, Measurement, SourceLine
from headwater.rules import RULES
from headwater.rules.explanation import MOST_LINES, explanation
from tests.rules.build import chain, profile, units, with_layers

PARTS = GainParts(0.25, 0.5, 1.0, 1.0)


def layer(made: Layer, parts: GainParts, predicted: GainParts | None = None) -> Layer:
    gain = parts.activation * parts.weights * parts.normalisation * parts.other
    return replace(made, gain=gain, gain_parts=parts, predicted_parts=predicted, predicted_gain=predicted and 0.1)


def vanishing(predicted: GainParts | None = None, depth: int = 12) -> Measurement:
    measurement = chain(depth=depth, gain=0.125)
    first, *rest = measurement.layers
    return replace(measurement, layers=(first, *(layer(each, PARTS, predicted) for each in rest)))


def explained(measurement: Measurement, only: str | None = None, *, grows: bool = False) -> Explanation:
    found = explanation(measurement, only, grows=grows)
    assert found is not None
    return found


def test_parts_multiply_to_the_gain_and_their_shares_add_up() -> None:
    found = explained(vanishing(GainParts(0.24, 0.5, 1.0, 1.0)))
    assert found.layers == 11
    assert found.measured == pytest.approx(0.125)
    assert found.predicted == pytest.approx(0.12)
    assert [(p.part, p.measured, p.predicted) for p in found.parts] == [
        ("activation", pytest.approx(0.25), pytest.approx(0.24)),
        ("weights", pytest.approx(0.5), pytest.approx(0.5)),
    ]
    assert [p.share for p in found.parts] == pytest.approx([2 / 3, 1 / 3])


def test_depths() -> None:
    found = explained(vanishing())
    assert found.half_depth == pytest.approx(1 / 3)  # an eighth a layer: a half in a third of one
    assert found.measured**found.reach == pytest.approx(math.exp(-3))  # type: ignore[operator]
    assert found.attenuation == pytest.approx(0.125**11)
    assert found.attenuation_at_twice_the_depth == pytest.approx(0.125**22)


def test_a_prediction_of_some_layers_only_is_none() -> None:
    measurement = vanishing(PARTS)
    layers = (*measurement.layers[:5], replace(measurement.layers[5], predicted_parts=None), *measurement.layers[6:])
    found = explained(replace(measurement, layers=layers))
    assert found.predicted is None and {part.predicted for part in found.parts} == {None}


def test_lines_of_one_kind_stand_together_and_the_worst_comes_first() -> None:
    at = SourceLine("net.py", 3)
    measurement = with_layers(vanishing(), built=at)
    acts = tuple(
        units(e.name, "sigmoid", file="net.py", line=9, built=SourceLine("net.py", 4)) for e in measurement.layers
    )
    found = explained(replace(measurement, units=acts))
    first, second = found.lines
    assert (first.what, first.part, first.built, first.line) == ("sigmoid", "activation", SourceLine("net.py", 4), 9)
    assert (second.what, second.part, second.built, len(second.layers)) == ("Linear", "weights", at, 11)
    assert (first.share, second.share) == pytest.approx((2 / 3, 1 / 3))
    assert first.layers[0] == "fc1"  # the activation between fc2 and fc1 is that of fc1


def test_a_single_bad_layer_is_named() -> None:
    measurement = vanishing()
    bad = layer(measurement.layers[6], GainParts(0.25, 1e-6, 1.0, 1.0))
    measurement = replace(measurement, layers=(*measurement.layers[:6], bad, *measurement.layers[7:]))
    found = explained(measurement)
    assert (found.lines[0].layers, found.lines[0].part, found.lines[0].line) == (("fc7",), "weights", 16)
    assert len(found.lines) <= MOST_LINES + len(found.parts)


def test_one_layer_alone() -> None:
    found = explained(vanishing(), "fc5")
    assert (found.layers, found.half_depth, found.attenuation_at_twice_the_depth) == (1, None, None)


def test_growth() -> None:
    found = explained(chain(gain=4.0), grows=True)
    assert found.half_depth == pytest.approx(0.5)  # it doubles twice a layer
    assert found.measured**found.reach == pytest.approx(math.exp(3))  # type: ignore[operator]


@pytest.mark.parametrize(
    "measurement",
    [
        chain(gain=1.0),
        chain(gain=4.0),  # the other way than the fault
        with_layers(chain(gain=0.1), branch=True),
        with_layers(chain(gain=0.1), gain=0.0),
        with_layers(chain(gain=0.1), gain=None, gain_parts=None),
        chain(depth=1),
    ],
)
def test_where_there_is_nothing_to_explain(measurement: Measurement) -> None:
    assert explanation(measurement) is None


def test_where_rounding_swallows_the_gradient_the_gains_speak_for_it() -> None:
    found = explained(replace(vanishing(), profile=profile([0.0, 1e-30, 1.0], underflow_at="fc2")))
    assert found.attenuation == pytest.approx(0.125**11)
    assert found.attenuation_at_twice_the_depth == pytest.approx(0.125**22)
    endless = explained(replace(chain(gain=1e20), profile=profile([math.inf, 1.0, 1.0])), grows=True)
    assert endless.attenuation_at_twice_the_depth == math.inf


def test_findings_carry_it() -> None:
    findings = {f.code: f for rule in RULES if (f := rule.check(vanishing()))}
    assert findings["HW101"].explanation == explained(vanishing())
    grown = {f.code: f for rule in RULES if (f := rule.check(chain(gain=4.0)))}
    assert grown["HW102"].explanation == explained(chain(gain=4.0), grows=True)
