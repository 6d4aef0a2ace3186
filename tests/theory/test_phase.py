from __future__ import annotations

import math

import pytest

from headwater.theory import Initialisation, depth_scale, fixed_point, gain, limit, phase_diagram


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_the_diagram_agrees_with_single_predictions(activation):
    diagram = phase_diagram(activation, points=24)
    for row in range(1, 24, 5):
        for column in (0, 3, 11, 23):
            init = Initialisation("", diagram.weight_variances[row], diagram.bias_variances[column])
            fixed = fixed_point(activation, init)
            expected = 6.0 * depth_scale(activation, init, fixed)
            assert diagram.trainable_depth[row][column] == pytest.approx(expected, rel=0.03)
            expected = gain(activation, init.weight_variance, limit(fixed.q))
            assert diagram.gain[row][column] == pytest.approx(expected, rel=1e-3)


def test_the_critical_line_separates_order_from_chaos():
    diagram = phase_diagram("tanh", points=24)
    assert len(diagram.edge) > 20
    assert all(point.stable for point in diagram.edge)
    for point in diagram.edge:
        column = min(range(24), key=lambda i: abs(diagram.bias_variances[i] - point.bias_variance))
        gains = [row[column] for row in diagram.gain]
        if 0.0 < diagram.bias_variances[column] < 0.29:
            crossing = next(i for i, each in enumerate(gains) if each > 1.0)
            assert diagram.weight_variances[crossing] == pytest.approx(point.weight_variance, abs=0.35)


def test_a_sigmoid_has_no_critical_line_in_sight():
    diagram = phase_diagram("sigmoid", points=12)
    assert diagram.edge == ()
    assert max(map(max, diagram.trainable_depth)) < 6
    assert all(math.isfinite(depth) for row in diagram.trainable_depth for depth in row)
