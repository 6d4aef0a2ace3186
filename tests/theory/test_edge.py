from __future__ import annotations

import pytest

from headwater.theory import Initialisation, edge_of_chaos, edge_point, fixed_point, gain


@pytest.mark.parametrize(
    ("activation", "bias_variance", "weight_variance", "q"),
    [
        ("tanh", 0.01, 1.4242, 0.273),
        ("tanh", 0.05, 1.7610, 0.570),
        ("tanh", 0.2, 2.2852, 1.164),
        ("elu", 0.05, 1.5337, 1.30),
        ("selu", 0.05, 0.9018, 0.827),
        ("gelu", 0.05, 2.3025, 0.722),
        ("silu", 0.2, 2.1867, 3.34),
        ("mish", 0.05, 2.1048, 0.905),
        ("hardswish", 0.05, 2.9743, 0.78),
        ("sigmoid", 0.0, 103.0, 45.6),
    ],
)
def test_points_of_the_critical_line(activation, bias_variance, weight_variance, q):
    point = edge_of_chaos(activation, bias_variance)
    assert point is not None
    assert point.weight_variance == pytest.approx(weight_variance, rel=5e-4)
    assert point.q == pytest.approx(q, rel=5e-3)
    assert gain(activation, point.weight_variance, point.q) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("activation", "stable"), [("tanh", True), ("elu", True), ("gelu", False), ("silu", False)])
def test_a_stable_point_is_where_a_network_ends_up_and_an_unstable_one_is_left(activation, stable):
    point = edge_of_chaos(activation, 0.05)
    assert point is not None
    assert point.stable == stable
    init = Initialisation("edge", point.weight_variance, point.bias_variance)
    nearby = fixed_point(activation, init, inputs=1.05 * (point.q - 0.05) / point.weight_variance)
    assert (nearby.q == pytest.approx(point.q, rel=1e-4)) == stable


@pytest.mark.parametrize(("activation", "weight_variance"), [("relu", 2.0), ("leaky_relu", 1.9998), ("linear", 1.0)])
def test_a_homogeneous_activation_is_critical_at_one_point(activation, weight_variance):
    point = edge_of_chaos(activation)
    assert point is not None
    assert point.weight_variance == pytest.approx(weight_variance, abs=1e-6)
    assert point.stable
    assert edge_of_chaos(activation, 0.05) is None


def test_without_bias_tanh_is_critical_as_its_signal_dies_out():
    point = edge_of_chaos("tanh")
    assert point is not None
    assert (point.weight_variance, point.q, point.stable) == (pytest.approx(1.0), 0.0, True)
    gelu = edge_of_chaos("gelu")
    assert gelu is not None
    assert (gelu.weight_variance, gelu.stable) == (pytest.approx(4.0), False)


def test_softplus_has_no_edge_of_chaos():
    assert edge_point("softplus", 1.0) is None
    assert all(edge_of_chaos("softplus", bias) is None for bias in (0.0, 0.05, 1.0))
