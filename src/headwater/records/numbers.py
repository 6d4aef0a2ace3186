"""How a number is written, in messages and in every rendering alike."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 2) -> str:
    """Significant digits, two as a rule: ``0.41``, ``3.1e-8``, ``140``; a dash for a number that does not exist."""
    if value is None:
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits}g}")
    if 1e-4 <= abs(rounded) < 1e5:
        return f"{rounded:g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def count(amount: int, what: str) -> str:
    """``1 layer``, ``2,000 layers``."""
    return f"{amount:,} {what}" + ("" if amount == 1 else "s")


def factor(value: float | None) -> str:
    """A gain, a part of one, or a ratio to a limit: near one, two decimals tell more than two digits."""
    return f"{value:.2f}" if value is not None and 0.1 <= value < 10 else number(value)


def in_json(value: float | None, digits: int = 5) -> float | int | str | None:
    """A number for a page, in few digits; one that is not finite, for which JSON has none, as a word."""
    if value is None:
        return None
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
