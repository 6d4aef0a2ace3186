"""Plain frozen data: what is measured and what is said about it. No torch."""

from headwater.records.attention import AttentionRecord
from headwater.records.change import Change, Code, ReplaceCall, Safety
from headwater.records.explanation import CostlyLine, Explanation, PartExplained
from headwater.records.finding import Finding, Severity, Where, gravity
from headwater.records.layer import GainParts, Layer, Profile, ProfilePoint
from headwater.records.learning_rate import CURVED, KNOWS, TINY_UPDATE, RateArm, RateRecord, clearly_falls, under_way
from headwater.records.magnitudes import MagnitudesRecord, Quantity
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
from headwater.records.precision import ClipRecord, NumbersRecord, PrecisionRecord
from headwater.records.prediction import CriticalPoint, Phase, PhaseRecord, PredictionRecord
from headwater.records.range_test import RangeTest, RateTrial
from headwater.records.remedy import REMEDIES
from headwater.records.run import FLAGS, KEYS, STATISTICS, ModelInfo, RunInfo, Status
from headwater.records.source import SourceLine
from headwater.records.through_time import HORIZONS, Dependence, TimeProfile
from headwater.records.trace import Edge, Op, Trace
from headwater.records.trial import Candidate, FixRecord, Standing, TrialResult, Verdict

__all__ = [
    "CURVED",
    "FLAGS",
    "HORIZONS",
    "KEYS",
    "KNOWS",
    "LOSS_RISES",
    "REMEDIES",
    "STATISTICS",
    "TINY_UPDATE",
    "AttentionRecord",
    "Candidate",
    "Change",
    "ClipRecord",
    "Code",
    "CostlyLine",
    "CriticalPoint",
    "Dependence",
    "Edge",
    "Explanation",
    "Finding",
    "FixRecord",
    "GainParts",
    "HeadOp",
    "HeadRecord",
    "InputRecord",
    "Layer",
    "MagnitudesRecord",
    "Measurement",
    "ModelInfo",
    "NumbersRecord",
    "Op",
    "OptimizerRecord",
    "ParameterRecord",
    "PartExplained",
    "Phase",
    "PhaseRecord",
    "PrecisionRecord",
    "PredictionRecord",
    "Profile",
    "ProfilePoint",
    "Quantity",
    "RangeTest",
    "RateArm",
    "RateRecord",
    "RateTrial",
    "ReplaceCall",
    "RunInfo",
    "Safety",
    "Severity",
    "SourceLine",
    "SpreadRecord",
    "Standing",
    "Status",
    "StepRecord",
    "TimeProfile",
    "Trace",
    "TrialResult",
    "UnitsRecord",
    "Verdict",
    "Where",
    "clearly_falls",
    "gravity",
    "under_way",
]
