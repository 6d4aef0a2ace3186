"""The gradient through time: fused recurrent layers by replay, loops from the graph."""

from headwater.measure.through_time.collect import ThroughTime

__all__ = ["ThroughTime"]
