"""The account of a gradient on the page: for each part a bar of the measurement, and one of the theory."""

from __future__ import annotations

import math

from headwater.records import Explanation
from headwater.report.account import AccountRow, account_rows, depth_words, line_words, share_words
from headwater.report.html.svg import element, safe
from headwater.report.view import PARTS
from headwater.report.words import factor

_LENGTH, _HEIGHT = 200.0, 20.0
_LEAST = 1.0


def account(explanation: Explanation) -> str:
    """Returns the table and a sentence about depth."""
    rows = account_rows(explanation)
    logs = [_log(value) for row in rows for value in (row.measured, row.predicted)]
    most = max((log for log in logs if log < math.inf), default=0.0)
    theory = explanation.predicted is not None
    titles = ("", "", "measured", *(("theory",) if theory else ()), "share")
    head = "".join(f'<th scope="col">{title}</th>' if title else "<td></td>" for title in titles)
    body = "".join(_row(row, most, theory) for row in rows)
    said = depth_words(explanation)
    whom = "a layer" if explanation.layers > 1 else "the layer"
    title = f"What {whom} does to it" + (", measured beside theory" if theory else "")
    return f'<h4>{title}</h4><table class="account"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>' + (
        f'<p class="depth">{safe(said)}</p>' if said else ""
    )


def _row(row: AccountRow, most: float, theory: bool) -> str:
    what, place = line_words(row)
    said = ", ".join(part for part in (safe(what), f"<code>{safe(place)}</code>" if place else "") if part)
    numbers = [factor(row.measured), *([factor(row.predicted)] if theory else []), share_words(row.share)]
    cells = "".join(f"<td>{safe(each)}</td>" for each in numbers)
    kind = "" if row.name in PARTS else ' class="sum"'
    name = f'<th scope="row">{safe(row.name)}' + (f"<small>{said}</small>" if said else "") + "</th>"
    return f'<tr{kind}>{name}<td class="bar">{_bars(row, most)}</td>{cells}</tr>'


def _bars(row: AccountRow, most: float) -> str:
    """Lengths are logarithms, so that the bars of the parts add up to that of the layer; what works against is pale."""
    colour = row.name if row.name in PARTS else "whole"
    pale = " against" if row.share is not None and row.share < 0 else ""
    bars = [element("rect", class_=f"{colour}{pale}", x=0, y=2, width=_long(row.measured, most), height=9)]
    said = f"measured {factor(row.measured)}"
    if row.predicted is not None:
        bars.append(element("rect", class_="theory", x=0, y=13, width=_long(row.predicted, most), height=4))
        said += f", theory {factor(row.predicted)}"
    return element(
        "svg",
        element("title", safe(f"{row.name}: {said}")),
        element("desc", "Length of a bar: logarithm of the factor."),
        *bars,
        viewBox=f"0 0 {_LENGTH:g} {_HEIGHT:g}",
        class_="picture share",
        role="img",
        preserveAspectRatio="none",
    )


def _long(value: float, most: float) -> float:
    log = _log(value)
    return min(max(_LEAST, _LENGTH * log / most), _LENGTH) if most > 0 and log < math.inf else _LENGTH


def _log(value: float | None) -> float:
    """``|ln value|``; without end for what has no logarithm."""
    return abs(math.log(value)) if value is not None and 0 < value < math.inf else math.inf
