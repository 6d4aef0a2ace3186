"""What rounding, epsilon, weight decay and clipping do to gradients and steps."""

from headwater.measure.precision.clipping import Clipping
from headwater.measure.precision.watch import Precision

__all__ = ["Clipping", "Precision"]
