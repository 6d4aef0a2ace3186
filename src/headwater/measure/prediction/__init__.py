"""What theory says of each factor of this network's gain, from the pre-activations that a batch really has."""

from headwater.measure.prediction.preactivations import Moments, PreActivations
from headwater.measure.prediction.predictions import Expected, Predictions, predicted

__all__ = ["Expected", "Moments", "PreActivations", "Predictions", "predicted"]
