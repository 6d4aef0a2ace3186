"""The page's picture of the gradient along the trunk, before and after the fix."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headwater.records import FixRecord, Profile
from headwater.records.numbers import number
from headwater.report.axis import axis_over
from headwater.report.fix.words import longest
from headwater.report.html.svg import Frame, Plot, across, backward, drawing, element, grid, safe, up
from headwater.report.view import Place, place_name

_LEAST_DECADES = 3.0
"""An axis over less would dramatise noise."""

Shares = tuple[tuple[int, float], ...]


def profiles(record: FixRecord) -> dict[str, Profile]:
    """The gradient of the original and that under the recommendation, at the end of its training."""
    best = record.best
    after = next((trial.profile for trial in longest(best.trials) if trial.profile), None) if best else None
    found = {"original": record.before, "recommended": after}
    return {kind: profile for kind, profile in found.items() if profile is not None and len(shares(profile)) > 1}


def shares(profile: Profile) -> Shares:
    """Depth of each place, and the gradient there as a share of the last: the size of the loss plays no part."""
    last = profile.points[-1].signal if profile.points else 0.0
    if not (last > 0 and math.isfinite(last)):
        return ()
    return tuple((p.depth, p.signal / last) for p in profile.points if math.isfinite(p.signal))


def draw_profiles(shown: dict[str, Profile], frame: Frame) -> str:
    """Returns the picture; nothing where no gradient is known."""
    if not shown:
        return ""
    lines = {kind: shares(profile) for kind, profile in shown.items()}
    depths = [depth for line in lines.values() for depth, _ in line]
    axis = axis_over([share for line in lines.values() for _, share in line], least=_LEAST_DECADES, around=1.0)
    plot = Plot(frame, min(depths) - 0.5, max(depths) + 0.5, axis)
    points = next(iter(shown.values())).points
    ends = tuple(place_name(Place(p.name, p.depth, p.signal, True)) for p in (points[0], points[-1]))
    level = up(plot, 1.0)
    return drawing(
        plot,
        "The gradient on its way from the output to the input, before and after",
        _description(lines),
        grid(plot, "gradient beside the last layer's", (ends[0], ends[1])),
        backward(plot),
        element("line", class_="level", x1=frame.left, x2=frame.width - frame.right, y1=level, y2=level),
        *(_line(plot, kind, line) for kind, line in lines.items()),
    )


def _description(lines: dict[str, Shares]) -> str:
    said = {"original": "before", "recommended": "after"}
    return "; ".join(f"{said[kind]}, {number(line[0][1])} arrives at the first" for kind, line in lines.items()) + "."


def _line(plot: Plot, kind: str, line: Sequence[tuple[int, float]]) -> str:
    places = [(across(plot, depth), up(plot, share)) for depth, share in line]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = (
        ""
        if len(places) > plot.frame.most_marks
        else "".join(
            element("circle", element("title", safe(f"layer {depth}: {number(share)}")), class_=kind, cx=x, cy=y, r=2.8)
            for (depth, share), (x, y) in zip(line, places, strict=True)
        )
    )
    return element("g", element("polyline", class_=f"curve {kind}", points=points), marks)
