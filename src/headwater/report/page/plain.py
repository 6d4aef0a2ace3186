"""Numbers and names as JSON that a page can hold: in few digits, and with words for what JSON has no number for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from headwater.records.numbers import in_json
from headwater.records.unicode import in_unicode

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end a script element, open a comment, or break a line of JavaScript."""


def plain(value: Any) -> Any:
    """The same in the types of JSON. Numbers that are not finite become ``"nan"``, ``"inf"`` and ``"-inf"``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return in_unicode(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return in_json(float(value))
    if isinstance(value, Mapping):
        return {in_unicode(str(key)): plain(each) for key, each in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, Sequence):
        return [plain(each) for each in cast(Sequence[Any], value)]
    raise TypeError(f"Expected plain data for a page, got {type(value).__name__}.")


def dumps(value: Any) -> str:
    """Plain data as JSON that is inert wherever it stands in a page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for bad, escaped in _UNSAFE.items():
        text = text.replace(bad, escaped)
    return text
