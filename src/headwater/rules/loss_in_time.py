"""What rules about depth leave to those about time: the gradient that the trunk loses along the steps of a loop."""

from __future__ import annotations

import itertools
import math

from headwater.records import Measurement


def lost_in_time(measurement: Measurement) -> float:
    """``-ln`` of what the recurrent layers on the trunk leave of the gradient; infinite where it underflows in them.

    A loop stands on the trunk at its last step, or with a place for each of its steps.
    """
    profile = measurement.profile
    if profile.underflow_at and _recurrent(measurement, profile.underflow_at):
        return math.inf
    return sum(
        math.log(upper.signal / lower.signal)
        for lower, upper in itertools.pairwise(profile.points)
        if _recurrent(measurement, upper.name) and 0 < lower.signal < math.inf and 0 < upper.signal < math.inf
    )


def _recurrent(measurement: Measurement, place: str) -> bool:
    paths = {each.name for each in measurement.through_time}
    return any(place == path or place.startswith((f"{path}.", f"{path}@")) for path in paths)
