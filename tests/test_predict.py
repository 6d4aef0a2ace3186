from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import headwater
from headwater.errors import InputError


def test_gelu_under_xavier():
    p = headwater.predict("gelu", init="xavier", depth=50)
    assert p.gain == pytest.approx(0.5076, abs=5e-5)
    assert p.attenuation == pytest.approx(p.gain**49, rel=1e-9)
    assert p.q == 0.0
    assert p.depth_scale == pytest.approx(1 / math.log(4))
    assert p.trainable_depth == pytest.approx(6 * p.depth_scale)
    assert "the gradient vanishes" in p.verdict
    assert repr(p) == f"<Prediction: {p.verdict}>"
    assert p._repr_html_() == f"<pre>{p}</pre>"


def test_at_the_edge_of_chaos_depth_has_no_limit():
    p = headwater.predict("relu", init="he", depth=1000)
    assert p.gain == pytest.approx(1.0, abs=1e-12)
    assert p.depth_scale == p.trainable_depth == math.inf
    assert p.record.phase == "critical"
    assert p.verdict == (
        "relu, he initialisation, 1000 layers: the gradient survives. Each layer hands it on at full strength. "
        "Edge of chaos: depth by itself costs no gradient."
    )


def test_a_pair_of_deviations():
    p = headwater.predict("tanh", (math.sqrt(4.0), math.sqrt(0.05)), depth=30)
    assert p.record.phase == "chaotic"
    assert p.trainable_depth == pytest.approx(42, rel=0.01)
    assert p.q == pytest.approx(2.1955, abs=1e-4)
    assert p.record.critical is not None
    assert p.record.critical.weight_variance == pytest.approx(1.761, abs=1e-3)


def test_modules_and_functions_are_predicted_as_their_names_are():
    by_name = headwater.predict("gelu", "he")
    for what in (nn.GELU(), nn.functional.gelu, lambda z: z * 0.5 * (1 + (z / math.sqrt(2)).erf())):
        assert headwater.predict(what, "he").gain == pytest.approx(by_name.gain, rel=1e-9)


@pytest.mark.parametrize(
    ("activation", "init", "said"),
    [
        ("sigmoid", "default", "vanishes"),
        ("linear", "he", "explodes"),
        ("softplus", "he", "weakens"),
        ("elu", "he", "survives"),
        ("tanh", "xavier", "survives"),
        ("tanh", (3.0, 0.0), "explodes"),
        (lambda z: z.clamp(min=0) * 0, "he", "vanishes"),
    ],
)
def test_verdicts(activation, init, said):
    assert f"the gradient {said}" in headwater.predict(activation, init).verdict


def test_what_lies_within_chance_is_not_called_a_loss():
    wide, narrow = (headwater.predict("tanh", (1.17, 0.2236), 50, width=n) for n in (10_000, 30))
    assert wide.attenuation == narrow.attenuation < 0.06
    assert narrow.record.noise > wide.record.noise
    assert "weakens" not in narrow.verdict
    assert "weakens" in headwater.predict("tanh", (1.15, 0.2236), 50, width=10_000).verdict


def test_pytorchs_default_bias_depends_on_the_width():
    assert headwater.predict("relu", width=100).q == pytest.approx((1 / 300) / (1 - 1 / 6))
    assert headwater.predict("relu", width=1000).q == pytest.approx((1 / 3000) / (1 - 1 / 6))


def test_very_deep_networks_neither_overflow_nor_divide_by_zero():
    assert headwater.predict("linear", "he", 5000).attenuation == math.inf
    assert headwater.predict("sigmoid", "default", 5000).attenuation == 0.0
    assert headwater.predict("linear", (0.0, 0.0), 5).attenuation == 0.0


def test_errors_say_what_was_expected():
    with pytest.raises(InputError, match="at least 2 layers, got 1"):
        headwater.predict("relu", depth=1)
    for depth in ("a", 2.5, math.nan, None):
        with pytest.raises(InputError, match=f"at least 2 layers, got {depth!r}"):
            headwater.predict("relu", depth=depth)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="width as a whole number of units, got 'a'"):
        headwater.predict("relu", width="a")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="with exp the signal explodes: its variance in layer"):
        headwater.predict(torch.exp)
    with pytest.raises(InputError, match="Nearest: tanh"):
        headwater.predict("tahn")
    with pytest.raises(InputError, match="Nearest: orthogonal"):
        headwater.predict("tanh", "orthogonall")


def test_the_trainable_depth_is_written_in_one_way():
    shown = str(headwater.predict("tanh", (1.5, 0.0)))
    assert "trainable to about 102 layers" in shown and "trainable depth      102 layers" in shown


def test_where_no_gradient_passes_no_depth_is_called_trainable():
    shown = str(headwater.predict("tanh", (0.0, 0.0)))
    assert "No gradient reaches the first layer" in shown
    assert "trainable to" not in shown and "trainable depth      none" in shown
