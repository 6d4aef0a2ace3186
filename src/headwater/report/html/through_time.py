"""The page's pictures of the gradient through time: a small one for each recurrent layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headwater.records import TimeProfile
from headwater.report.axis import axis_over
from headwater.report.html.svg import NARROW, WIDE, Frame, Plot, across, backward, drawing, element, grid, safe, up
from headwater.report.steps import pointed_at, says, shares, title
from headwater.report.words import count, factor

if TYPE_CHECKING:
    from headwater.report.report import Report

_LEAST_DECADES = 3.0
_MOST_LAYERS = 6
_HEIGHT = 190


def through_time_figures(report: Report) -> str:
    """Returns the pictures, those first that a finding points at; nothing without a recurrent layer."""
    pointed = pointed_at(report.findings)
    profiles = sorted(report.through_time, key=lambda each: each.name not in pointed)
    parts = [_captioned(profile) for profile in profiles[:_MOST_LAYERS]]
    rest = len(profiles) - _MOST_LAYERS
    return "".join(parts) + (f'<p class="told">and {count(rest, "layer")} more</p>' if rest > 0 else "")


def _captioned(profile: TimeProfile) -> str:
    drawn = "".join(_draw(profile, replace(frame, height=_HEIGHT, bottom=34)) for frame in (WIDE, NARROW))
    return f'<p class="told"><strong>{safe(title(profile))}</strong> {safe(says(profile))}.</p>{drawn}'


def _draw(profile: TimeProfile, frame: Frame) -> str:
    points = shares(profile)
    if len(points) < 2:
        return ""
    axis = axis_over([share for _, share in points], least=_LEAST_DECADES, around=1.0)
    plot = Plot(frame, 0.5, profile.length + 0.5, axis)
    line = " ".join(f"{across(plot, step + 1):.1f},{up(plot, share):.1f}" for step, share in points)
    level = up(plot, 1.0)
    gain = f"a factor of {factor(profile.gain)} a step" if profile.gain is not None else "no rate"
    return drawing(
        plot,
        f"The gradient through time in {title(profile)}",
        f"{gain}, from step {profile.length} back to step 1.",
        grid(plot, "gradient beside the last step's", ("", ""), along="step"),
        element("line", class_="level", x1=frame.left, x2=frame.width - frame.right, y1=level, y2=level),
        element("polyline", class_="trunk", points=line),
        backward(plot),
    )
