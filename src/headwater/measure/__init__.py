"""torch -> Measurement: norms, the trace, layers and profile, units, signals, updates, precision, the probation."""

from headwater.measure.assemble import held_names, measurement, optimizer_record
from headwater.measure.astray import has_numbers, has_risen, went_astray
from headwater.measure.glance import glance
from headwater.measure.guard import generators, seed_all, untouched
from headwater.measure.learning_rate import (
    Course,
    RandomState,
    look_at_rate,
    set_rate,
    sharpness_at_start,
    training_step,
)
from headwater.measure.objective import Objective, batch_size, take, tensors
from headwater.measure.optimizers import copied, optimise
from headwater.measure.probation import probation
from headwater.measure.probe import Passes, Probe
from headwater.measure.through_time import ThroughTime
from headwater.measure.tiny import tiny_numbers_as_zero
from headwater.measure.trace import trace
from headwater.measure.updates import Updates

__all__ = [
    "Course",
    "Objective",
    "Passes",
    "Probe",
    "RandomState",
    "ThroughTime",
    "Updates",
    "batch_size",
    "copied",
    "generators",
    "glance",
    "has_numbers",
    "has_risen",
    "held_names",
    "look_at_rate",
    "measurement",
    "optimise",
    "optimizer_record",
    "probation",
    "seed_all",
    "set_rate",
    "sharpness_at_start",
    "take",
    "tensors",
    "tiny_numbers_as_zero",
    "trace",
    "training_step",
    "untouched",
    "went_astray",
]
