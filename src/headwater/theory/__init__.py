"""Mean-field predictions for any activation and initialisation. Needs no model."""

from headwater.theory.activations import Activation, activation
from headwater.theory.gaussian import mean, second_moment, slope

__all__ = ["Activation", "activation", "mean", "second_moment", "slope"]
