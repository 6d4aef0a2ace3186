"""A prediction as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from headwater.records import PredictionRecord


def to_json(record: PredictionRecord) -> str:
    """Returns the record as JSON; JSON has no infinity, so that an infinite number is the word ``"infinity"``."""
    return json.dumps(_plain(asdict(record)), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, tuple):
        return [_plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return "infinity" if isinstance(value, float) and math.isinf(value) else value
