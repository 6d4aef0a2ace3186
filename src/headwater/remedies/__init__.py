"""Changes to a training, each of which can be tried live and written as source."""

from headwater.remedies.registry import answering, remedy
from headwater.remedies.remedy import Remedy, Training

__all__ = ["Remedy", "Training", "answering", "remedy"]
