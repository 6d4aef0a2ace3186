"""The page's picture of the gradient against depth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from headwater.records import Measurement
from headwater.records.numbers import number
from headwater.report.axis import axis_over, marked
from headwater.report.html.svg import Frame, Plot, across, backward, drawing, element, grid, label, safe, up
from headwater.report.view import Place, place_name, places
from headwater.report.words import factor

_LEAST_DECADES = 3.0
_TITLE = "The gradient on its way from the output to the input"


def draw_profile(measurement: Measurement, frame: Frame, where: frozenset[str] = frozenset()) -> str:
    """Returns the picture; `where` names the layers that the leading finding points at."""
    shown = [place for place in places(measurement) if place.signal is not None]
    if not shown:
        return ""
    trunk = [place for place in shown if place.trunk]
    depths = [place.depth for place in shown]
    axis = axis_over([place.signal for place in shown], least=_LEAST_DECADES)
    plot = Plot(frame, min(depths) - 0.5, max(depths) + 0.5, axis)
    return drawing(
        plot,
        _TITLE,
        _description(measurement, trunk or shown),
        grid(plot, "gradient norm", (place_name((trunk or shown)[0]), place_name((trunk or shown)[-1]))),
        backward(plot),
        _level(plot, trunk[-1]) if has_level(shown) else "",
        _line(plot, trunk),
        *_marks(plot, shown, where),
    )


def has_level(shown: Sequence[Place]) -> bool:
    """Whether there is a gradient at the last place of the trunk to compare the others with."""
    last = next((place.signal for place in reversed(shown) if place.trunk), None)
    return bool(last) and math.isfinite(last)


def _description(measurement: Measurement, line: Sequence[Place]) -> str:
    profile = measurement.profile
    first, last = line[0], line[-1]
    said = f"It is {number(last.signal)} at {place_name(last)} and {number(first.signal)} at {place_name(first)}"
    return said + (
        f", a factor of {factor(profile.per_layer)} for each layer." if profile.per_layer is not None else "."
    )


def _level(plot: Plot, last: Place) -> str:
    """The gradient of the last layer all along: what a chain that loses nothing would keep."""
    y = up(plot, last.signal or 0.0)
    x2 = plot.frame.width - plot.frame.right
    return element("line", class_="level", x1=plot.frame.left, x2=x2, y1=y, y2=y)


def _line(plot: Plot, trunk: Sequence[Place]) -> str:
    """The trunk from place to place; it is broken where there is no number."""
    pieces = itertools.groupby(trunk, key=lambda place: math.isfinite(place.signal or 0.0))
    return "".join(_piece(plot, tuple(piece)) for finite, piece in pieces if finite)


def _piece(plot: Plot, places: Sequence[Place]) -> str:
    points = " ".join(f"{across(plot, place.depth):.1f},{up(plot, place.signal or 0.0):.1f}" for place in places)
    return element("polyline", class_="trunk", points=points)


def _marks(plot: Plot, shown: Sequence[Place], where: frozenset[str]) -> list[str]:
    """A mark for each place while there is room; else for the ends, for what has no number, and for `where`."""
    crowded = len(shown) > plot.frame.most_marks
    kept = {0, len(shown) - 1}
    every = math.ceil(len(shown) / plot.frame.most_marks)
    return [
        _mark(plot, place, place.name in where)
        for index, place in enumerate(shown)
        if not crowded or index in kept or place.name in where or (not place.trunk and index % every == 0)
    ] + _words(plot, shown)


def _mark(plot: Plot, place: Place, pointed_at: bool) -> str:
    x, y = across(plot, place.depth), up(plot, place.signal or 0.0)
    if not place.trunk:
        shape = element("path", class_="branch", d=f"M{x:.1f} {y - 4.5:.1f} l4.5 4.5 l-4.5 4.5 l-4.5 -4.5 z")
    else:
        radius = 3.6 if place.layer is not None else 2.6
        kind = "layer" if place.layer is not None else "stream"
        shape = element("circle", class_=kind, cx=x, cy=y, r=radius)
    ring = element("circle", class_="pointed", cx=x, cy=y, r=8) if pointed_at else ""
    return element("g", element("title", _says(place)), shape, ring)


def _says(place: Place) -> str:
    """What a mark says when it is pointed at."""
    kind = place.layer.kind if place.layer is not None else "where branches meet"
    way = "" if place.trunk else ", in a branch"
    return safe(f"{place_name(place)} ({kind}{way}): {number(place.signal)}, gain {factor(place.gain)}")


def _words(plot: Plot, shown: Sequence[Place]) -> list[str]:
    """Says 0, NaN or infinity beside places that have no place on the axis: once for neighbours."""
    found: list[str] = []
    last_x, last_said = -math.inf, ""
    for place in shown:
        said = marked(place.signal) if place.signal is not None else ""
        x = across(plot, place.depth)
        if said and (said != last_said or x - last_x > 26):
            y = up(plot, place.signal or 0.0)
            found.append(label(said, class_="lost middle", x=x, y=y - 8 if said == "0" else y + 18))
            last_x, last_said = x, said
    return found
