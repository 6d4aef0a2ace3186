"""All cases of the detection benchmark."""

from __future__ import annotations

from benchmarks.detection import (
    cases_attention,
    cases_data,
    cases_forum,
    cases_forum_numbers,
    cases_mlp,
    cases_numeric,
    cases_precision,
    cases_rate,
    cases_sequence,
    cases_time,
    cases_vision,
    cases_wiring,
)
from benchmarks.detection.problem import Case

CASES: tuple[Case, ...] = (
    *cases_mlp.CASES,
    *cases_vision.CASES,
    *cases_sequence.CASES,
    *cases_wiring.CASES,
    *cases_data.CASES,
    *cases_numeric.CASES,
    *cases_attention.CASES,
    *cases_precision.CASES,
    *cases_rate.CASES,
    *cases_time.CASES,
    *cases_forum.CASES,
    *cases_forum_numbers.CASES,
)
BY_NAME: dict[str, Case] = {case.name: case for case in CASES}

assert len(BY_NAME) == len(CASES), "two cases share a name"
assert all(case.twin in BY_NAME for case in CASES if case.expect is not None), "a broken case has no twin"
