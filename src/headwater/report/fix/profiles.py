"""The page's picture of the gradient along the trunk, before and after the fix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.records import FixRecord, Profile, TrialResult
from headwater.records.numbers import number
from headwater.report.axis import axis_over
from headwater.report.fix.words import longest
from headwater.report.html.svg import Frame, Plot, across, backward, drawing, element, grid, safe, up
from headwater.report.view import Place, place_name
from headwater.report.words import count

_LEAST_DECADES = 3.0
"""An axis over less would dramatise noise."""

Shares = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Seen:
    """A profile, and when in its training it was taken."""

    profile: Profile
    when: str


def profiles(record: FixRecord) -> dict[str, Seen]:
    """The gradient of the original and that under the recommendation, both at the end of the longest training.

    Where the original has none there, as it was lost, it is that of the diagnosis.
    """
    original = _at_the_end(record.original)
    if original is None and record.before is not None:
        original = Seen(record.before, "in the first steps, as diagnosed")
    found = {"original": original, "recommended": _at_the_end(record.best.trials) if record.best else None}
    return {kind: seen for kind, seen in found.items() if seen is not None and len(shares(seen.profile)) > 1}


def _at_the_end(trials: Sequence[TrialResult]) -> Seen | None:
    trial = next((each for each in longest(trials) if each.profile is not None), None)
    return Seen(trial.profile, f"after {count(trial.steps, 'step')}") if trial and trial.profile else None


def moments(shown: dict[str, Seen]) -> str:
    """Says when each profile was taken."""
    said = {"original": "the original", "recommended": "the recommended one"}
    text = "; ".join(f"{said[kind]} {seen.when}" for kind, seen in shown.items())
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def shares(profile: Profile) -> Shares:
    """Depth of each place, and the gradient there as a share of the last: the size of the loss plays no part."""
    last = profile.points[-1].signal if profile.points else 0.0
    if not (last > 0 and math.isfinite(last)):
        return ()
    return tuple((p.depth, p.signal / last) for p in profile.points if math.isfinite(p.signal))


def draw_profiles(shown: dict[str, Seen], frame: Frame) -> str:
    """Returns the picture; nothing where no gradient is known."""
    if not shown:
        return ""
    lines = {kind: shares(seen.profile) for kind, seen in shown.items()}
    depths = [depth for line in lines.values() for depth, _ in line]
    axis = axis_over([share for line in lines.values() for _, share in line], least=_LEAST_DECADES, around=1.0)
    plot = Plot(frame, min(depths) - 0.5, max(depths) + 0.5, axis)
    points = next(iter(shown.values())).profile.points
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
