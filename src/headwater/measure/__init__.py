"""torch -> Measurement: norms, the trace, layers and their profile, units, signals, updates, the probation."""

from headwater.measure.assemble import held_names, measurement, optimizer_record
from headwater.measure.objective import Objective, batch_size, take
from headwater.measure.probation import probation
from headwater.measure.rate import look_at_rate
from headwater.measure.trace import trace
from headwater.measure.updates import Updates

__all__ = [
    "Objective",
    "Updates",
    "batch_size",
    "held_names",
    "look_at_rate",
    "measurement",
    "optimizer_record",
    "probation",
    "take",
    "trace",
]
