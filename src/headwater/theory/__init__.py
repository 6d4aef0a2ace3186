"""Mean-field predictions for any activation and initialisation. Needs no model."""

from headwater.theory.activations import Activation, activation
from headwater.theory.branches import highway_gain, pre_norm_residual_gain, residual_gain
from headwater.theory.correlation import TRAINABLE, correlation_fixed_point, depth_scale, gradient_depth_scale
from headwater.theory.edge import EdgePoint, edge_of_chaos, edge_point
from headwater.theory.finite_width import log_gain_deviation
from headwater.theory.gaussian import mean, second_moment, slope
from headwater.theory.initialisations import WIDTH, Initialisation, initialisation
from headwater.theory.meanfield import FixedPoint, fixed_point, gain, gains, limit, variances
from headwater.theory.normalised import UnitVarianceGains, batch_norm_gain, layer_norm_gain, unit_variance_gains
from headwater.theory.phase import phase_diagram

__all__ = [
    "TRAINABLE",
    "WIDTH",
    "Activation",
    "EdgePoint",
    "FixedPoint",
    "Initialisation",
    "UnitVarianceGains",
    "activation",
    "batch_norm_gain",
    "correlation_fixed_point",
    "depth_scale",
    "edge_of_chaos",
    "edge_point",
    "fixed_point",
    "gain",
    "gains",
    "gradient_depth_scale",
    "highway_gain",
    "initialisation",
    "layer_norm_gain",
    "limit",
    "log_gain_deviation",
    "mean",
    "phase_diagram",
    "pre_norm_residual_gain",
    "residual_gain",
    "second_moment",
    "slope",
    "unit_variance_gains",
    "variances",
]
