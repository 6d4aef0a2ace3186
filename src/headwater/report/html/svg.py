"""Drawing in SVG: elements, and the frame that the pictures of the page share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from headwater.report.axis import Axis, position, ticks
from headwater.report.words import printable, shortened


@dataclass(frozen=True)
class Frame:
    """Size of a picture, in its own units, and the room around what it plots."""

    name: str
    width: float
    height: float
    left: float = 56
    right: float = 14
    top: float = 30
    bottom: float = 50
    most_ticks: int = 8
    most_marks: int = 200


WIDE = Frame("wide", 880, 330, most_ticks=8, most_marks=200)
NARROW = Frame("narrow", 390, 300, left=52, right=10, most_ticks=6, most_marks=90)


@dataclass(frozen=True)
class Plot:
    """A frame with its axes: depth, or steps, to the right, mostly a logarithmic axis upward."""

    frame: Frame
    first: float
    last: float
    axis: Axis


def element(name: str, *children: str, **attributes: str | float) -> str:
    """One element. Children are markup already; attributes are escaped here. ``class_`` stands for ``class``."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{_attribute(v)}"' for key, v in attributes.items())
    return f"<{name}{given}>{''.join(children)}</{name}>" if children else f"<{name}{given}/>"


def label(said: str, **attributes: str | float) -> str:
    """A text element."""
    return element("text", safe(said), **attributes)


def safe(said: str) -> str:
    """Words of the user's as inert text of a page."""
    return escape(printable(said), quote=True)


def prose(text: str) -> str:
    """A sentence whose numbers stay with their per cent signs at the end of a line."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", safe(text))


def drawing(plot: Plot, title: str, description: str, *children: str) -> str:
    """The whole picture, named for those who cannot see it."""
    frame = plot.frame
    return element(
        "svg",
        element("title", safe(title)),
        element("desc", safe(description)),
        *children,
        viewBox=f"0 0 {frame.width:g} {frame.height:g}",
        class_=f"picture {frame.name}",
        role="img",
        aria_label=printable(f"{title}. {description}"),
    )


def across(plot: Plot, depth: float) -> float:
    """Horizontal place of a depth."""
    frame = plot.frame
    share = (depth - plot.first) / (plot.last - plot.first)
    return frame.left + share * (frame.width - frame.left - frame.right)


def up(plot: Plot, value: float) -> float:
    """Vertical place of a number."""
    frame = plot.frame
    return frame.height - frame.bottom - position(plot.axis, value) * (frame.height - frame.top - frame.bottom)


def grid(plot: Plot, what: str, names: tuple[str, str], along: str = "layer") -> str:
    """Grid lines with their numbers, the axis of depth (or time), and the names of what stands at its ends."""
    frame = plot.frame
    right, base = frame.width - frame.right, frame.height - frame.bottom
    parts: list[str] = []
    for value, written in ticks(plot.axis, frame.most_ticks):
        y = up(plot, value)
        parts.append(element("line", class_="grid", x1=frame.left, x2=right, y1=y, y2=y))
        parts.append(label(written, class_="tick end", x=frame.left - 8, y=y + 4))
    parts.append(element("line", class_="axis", x1=frame.left, x2=right, y1=base, y2=base))
    parts.append(label(along, class_="tick end", x=frame.left - 8, y=base + 17))
    parts += [label(f"{depth}", class_="tick middle", x=across(plot, depth), y=base + 17) for depth in depths(plot)]
    parts.append(label(what, class_="what", x=4, y=14))
    if names[0] != names[1]:
        most = int(frame.width / 24)
        parts.append(label(f"input: {shortened(names[0], most)}", class_="name", x=frame.left, y=base + 40))
        parts.append(label(f"output: {shortened(names[1], most)}", class_="name end", x=right, y=base + 40))
    return element("g", *parts)


def backward(plot: Plot) -> str:
    """An arrow that says which way the gradient flows."""
    right = plot.frame.width - plot.frame.right
    return element(
        "g",
        label("backward", class_="tick end", x=right, y=14),
        element("path", class_="arrow", d=f"M{right - 62:g} 10 h-26 m6 -4 l-6 4 l6 4"),
    )


def depths(plot: Plot) -> Sequence[int]:
    """Round depths for the horizontal axis."""
    first, last = round(plot.first + 0.5), round(plot.last - 0.5)
    most = 12 if plot.frame.width > 600 else 6
    step = next(step for step in _steps() if (last - first) / step <= most)
    inner = [depth for depth in range(first, last + 1) if depth % step == 0]
    return inner if len(inner) > 1 else sorted({first, last})


def _steps() -> list[int]:
    return [mantissa * 10**decade for decade in range(9) for mantissa in (1, 2, 5)]


def _attribute(value: str | float) -> str:
    return escape(value, quote=True) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
