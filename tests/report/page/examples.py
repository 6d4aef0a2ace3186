"""Reports and searches of every kind that a page must show."""

from __future__ import annotations

import math
from dataclasses import replace

from headwater.records import (
    CostlyLine,
    FixRecord,
    GainParts,
    MagnitudesRecord,
    PartExplained,
    RangeTest,
    RateArm,
    RateRecord,
    RateTrial,
    SourceLine,
    TimeProfile,
    UnitsRecord,
    Where,
)
from headwater.report import Report
from tests.builders import chain, explanation, finding, findings, layer, measurement, residual, vanishing
from tests.pages import EVIL
from tests.report.fix.records import FIXED, candidate

ODD = measurement(
    (
        *chain([0.0, 0.0, math.nan, 1e-3, math.inf]),
        layer("lone", 3, None),
        layer("zero", 4, 0.0, 0.0, branch=True, gain_parts=GainParts(0.0, 2.0, math.inf, math.nan)),
    ),
    rate=RateRecord(0.1, None, math.nan, None, math.inf, math.inf, 20.0, math.inf, (RateArm(10.0, (math.nan, 2.0)),)),
    through_time=(TimeProfile("rnn", "RNN", "forward", 3, (), (), None, None, "loss"),),
)
RECURRENT = replace(
    vanishing(4, 0.5),
    through_time=(
        TimeProfile("rnn", "RNN", "forward", 30, tuple(range(30)), tuple(0.5 * i for i in range(30)), 0.6, 2.0, "loss"),
        TimeProfile(
            "gru", "GRU", "reverse", 9, (0, 4, 8), (-3.0, -2.0, 0.0), 0.9, None, "jacobian", layer=1, gated=True
        ),
    ),
    units=(UnitsRecord("1", "relu", "hidden", 64, 640, 60, 2, 0.01, "1", layers=("1",)),),
    rate=RateRecord(
        *(0.1, None, 0.9, 0.2, 1e-3, 25.0, 20.0, 1.25),
        arms=(
            RateArm(0.0, (2.3, 2.3)),
            RateArm(1.0, (2.2, 2.1)),
            RateArm(10.0, (1.2, 1.5, 1.1), steps=30, learned=0.4),
        ),
    ),
)
REPORTS = {
    "vanishing": Report(vanishing(), findings()),
    "healthy": Report(residual(), ()),
    "recurrent": Report(RECURRENT, (finding("HW201", "vanishing-through-time"),)),
    "odd": Report(ODD, (finding(),)),
    "one": Report(measurement(chain([0.3])), ()),
    "none": Report(measurement(), ()),
    "long": Report(vanishing(2000, 0.93), findings()),
    "evil": Report(
        measurement(
            tuple(
                replace(each, file=EVIL, built=SourceLine(f"{EVIL}.py", 3), toward=each.toward and EVIL, kind=EVIL)
                for each in chain([0.1, 0.2, 0.4], prefix=EVIL)
            ),
            model=EVIL,
            versions={EVIL: EVIL},
            device=EVIL,
            through_time=(replace(RECURRENT.through_time[0], name=EVIL, kind=EVIL),),
            units=(replace(RECURRENT.units[0], name=EVIL, kind=EVIL, layer=f"{EVIL}1", layers=(f"{EVIL}1",)),),
        ),
        (
            finding(
                EVIL,
                EVIL,
                where=Where(EVIL, (EVIL,), EVIL, 1, (), SourceLine(EVIL, 2), SourceLine(EVIL, 3), SourceLine(EVIL, 4)),
                message=EVIL,
                cause=EVIL,
                evidence={EVIL: EVIL},
                explanation=explanation(
                    parts=(PartExplained(EVIL, 0.0, math.nan, math.inf), PartExplained("weights", math.inf, 0.0, -1.0)),
                    lines=(CostlyLine(EVIL, EVIL, (EVIL,), 0.5, 0.1, SourceLine(EVIL, 5)),),
                ),
            ),
            finding(message=EVIL, under=EVIL, remedies=(EVIL,)),
            finding(message=EVIL, remedies=(EVIL,)),
        ),
    ),
}
EVIL_FIX: FixRecord = replace(
    FIXED,
    candidates=(
        candidate(EVIL, end=0.1, standing="recommended", says=EVIL, why=EVIL),
        candidate(EVIL, standing="refused", says=EVIL, why=EVIL),
    ),
    findings=(finding(EVIL, EVIL, message=EVIL),),
    measure=EVIL,
    diff=f"--- {EVIL}\n+++ b\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n",
    snippet=EVIL,
    not_written=(EVIL,),
    versions={EVIL: EVIL},
)
RANGE = RangeTest(
    rates=tuple(10 ** (-4 + 0.1 * i) for i in range(40)),
    losses=tuple(2.3 - 0.05 * i + (0.02 * (i - 25) ** 2 if i > 25 else 0.0) for i in range(40)),
    smoothed=tuple(2.3 - 0.05 * i + (0.018 * (i - 25) ** 2 if i > 25 else 0.0) for i in range(40)),
    suggested=0.02,
    trials=(RateTrial(0.01, 1.4), RateTrial(0.02, 1.2), RateTrial(0.5, math.inf)),
    rate=1e-3,
    limit=0.3,
)


def magnitudes(name: str) -> tuple[MagnitudesRecord, ...]:
    """Histograms of a layer."""
    return (
        MagnitudesRecord(name, "gradient", -60, tuple(1 + i * (40 - i) for i in range(40))),
        MagnitudesRecord(name, "weight", -12, (1,) * 14),
        MagnitudesRecord(name, "activation", -1, (5, 3), zeros=4),
    )


MAGNITUDES = (*magnitudes("1"), *magnitudes(f"{EVIL}1"))


def with_magnitudes(report: Report) -> Report:
    """The same with histograms of two layers."""
    return replace(report, measurement=replace(report.measurement, magnitudes=MAGNITUDES))
