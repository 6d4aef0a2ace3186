"""Plain frozen data: what is measured and what is said about it. No torch."""

from headwater.records.attention import AttentionRecord
from headwater.records.explanation import CostlyLine, Explanation, PartExplained
from headwater.records.finding import Finding, Severity, Where
from headwater.records.layer import GainParts, Layer, Profile, ProfilePoint
from headwater.records.measurement import (
    LOSS_RISES,
    HeadOp,
    HeadRecord,
    InputRecord,
    Measurement,
    OptimizerRecord,
    ParameterRecord,
    SpreadRecord,
    StepRecord,
    UnitsRecord,
)
from headwater.records.remedy import REMEDIES
from headwater.records.source import SourceLine
from headwater.records.trace import Edge, Op, Trace

__all__ = [
    "LOSS_RISES",
    "REMEDIES",
    "AttentionRecord",
    "CostlyLine",
    "Edge",
    "Explanation",
    "Finding",
    "GainParts",
    "HeadOp",
    "HeadRecord",
    "InputRecord",
    "Layer",
    "Measurement",
    "Op",
    "OptimizerRecord",
    "ParameterRecord",
    "PartExplained",
    "Profile",
    "ProfilePoint",
    "Severity",
    "SourceLine",
    "SpreadRecord",
    "StepRecord",
    "Trace",
    "UnitsRecord",
    "Where",
]
