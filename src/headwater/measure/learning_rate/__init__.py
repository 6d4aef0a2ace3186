"""Is the learning rate right? Progress in the probation, short trainings at other rates, and the sharpness."""

from headwater.measure.learning_rate.arms import Course, set_rate, training_step
from headwater.measure.learning_rate.progress import Progress, RandomState
from headwater.measure.learning_rate.rate import look_at_rate, sharpness_at_start

__all__ = [
    "Course",
    "Progress",
    "RandomState",
    "look_at_rate",
    "set_rate",
    "sharpness_at_start",
    "training_step",
]
