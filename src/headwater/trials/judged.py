"""Says by what the original was judged, where its own loss does not show what it learns."""

from __future__ import annotations

from dataclasses import replace

from headwater.records import FixRecord, Measurement
from headwater.remedies.reading import as_meant


def judged(record: FixRecord, measurement: Measurement) -> FixRecord:
    """Returns the record with that told beside its recommendation."""
    reading = as_meant(measurement, record.findings)
    if reading is None or record.best is None or record.measure == "score":
        return record
    note = f"; the original is judged by its loss on {reading.says}, as its own cannot be compared"
    candidates = tuple(
        replace(each, why=each.why + note) if each.standing == "recommended" else each for each in record.candidates
    )
    return replace(record, reason=record.reason + note, candidates=candidates)
