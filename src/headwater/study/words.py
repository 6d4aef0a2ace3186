"""How a value is written, in statements and in figures alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from headwater.records.numbers import number
from headwater.study.experiment import Column, Value

NAMES = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "default": "PyTorch default",
    "xavier": "Xavier",
    "lecun": "LeCun",
    "he": "He",
}
"""What is known in code under one name and to readers under another."""


def word(value: Value, digits: int = 2) -> str:
    """A value as it is shown: whole numbers in full, others in two digits, names as the field writes them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return NAMES.get(value, value) if isinstance(value, str) else number(value, digits)


def ordered(values: Iterable[Value], column: Column | None) -> list[Value]:
    """Returns different values in the order of the column; the others by their size, or as they come."""
    found = list(dict.fromkeys(values))
    first = [value for value in (column.order if column else ()) if value in found]
    others = [value for value in found if value not in first]
    if all(isinstance(value, int | float) for value in others):
        others = sorted(cast("list[float]", others))
    return [*first, *others]
