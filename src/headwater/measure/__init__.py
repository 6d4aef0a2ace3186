"""torch -> Measurement: norms, the trace, layers and profile, units, signals, updates, precision, the probation."""

from headwater.measure.assemble import held_names, measurement, optimizer_record
from headwater.measure.objective import Objective, batch_size, take
from headwater.measure.optimizers import copied
from headwater.measure.probation import probation
from headwater.measure.trace import trace
from headwater.measure.updates import Updates

__all__ = [
    "Objective",
    "Updates",
    "batch_size",
    "copied",
    "held_names",
    "measurement",
    "optimizer_record",
    "probation",
    "take",
    "trace",
]
