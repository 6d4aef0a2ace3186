"""The page's picture of the gains: what each layer does to the gradient, by kind of operation."""

from __future__ import annotations

import math
from dataclasses import replace

from headwater.records import Measurement
from headwater.report.axis import axis_over, marked
from headwater.report.bars import Bar, Segment, bars, extremes
from headwater.report.html.svg import Frame, Plot, across, drawing, element, grid, label, safe, up
from headwater.report.words import count, factor

_LEAST_DECADES = 1.0
_NO_NAMES = 24
"""Room that the names at the ends of the axis take in the other picture."""
_TITLE = "The gain of each layer and its factors"


def draw_gains(measurement: Measurement, frame: Frame) -> str:
    """Returns the picture; nothing when no gain is known."""
    drawn = bars(measurement.layers, frame.most_marks)
    if not drawn:
        return ""
    depths = [layer.depth for layer in measurement.layers] + [p.depth for p in measurement.profile.points]
    zeros = [0.0 for bar in drawn if bar.gain == 0 or any(segment.factor == 0 for segment in bar.segments)]
    gains = [bar.gain for bar in drawn]
    axis = axis_over([*extremes(drawn), *gains, *zeros], least=_LEAST_DECADES, around=1.0)
    frame = replace(frame, height=frame.height - _NO_NAMES, bottom=frame.bottom - _NO_NAMES)
    plot = Plot(frame, min(depths) - 0.5, max(depths) + 0.5, axis)
    y = up(plot, 1.0)
    return drawing(
        plot,
        _TITLE,
        f"{count(len(drawn), 'bar')}; gains from {factor(min(gains))} to {factor(max(gains))}.",
        grid(plot, "gain toward the input", ("", "")),
        *(_bar(plot, bar) for bar in drawn),
        element("line", class_="one", x1=frame.left, x2=frame.width - frame.right, y1=y, y2=y),
    )


def _bar(plot: Plot, bar: Bar) -> str:
    left, right = across(plot, bar.left), across(plot, bar.right)
    parts = [element("title", safe(_says(bar)))]
    parts += [_segment(plot, segment, left, right) for segment in bar.segments]
    if not math.isnan(bar.gain):
        y = up(plot, bar.gain)
        parts.append(element("line", class_="total", x1=left, x2=right, y1=y, y2=y))
    if marked(bar.gain):
        y = up(plot, bar.gain) - 5
        parts.append(label(marked(bar.gain), class_="lost middle", x=0.5 * (left + right), y=y))
    return element("g", *parts)


def _segment(plot: Plot, segment: Segment, left: float, right: float) -> str:
    ends = sorted((up(plot, _number(segment.start)), up(plot, _number(segment.end))))
    return element("rect", class_=segment.part, x=left, y=ends[0], width=right - left, height=ends[1] - ends[0])


def _number(decade: float) -> float:
    return 0.0 if decade == -math.inf else 10.0 ** min(max(decade, -300.0), 300.0)


def _says(bar: Bar) -> str:
    first, last = bar.layers[0], bar.layers[-1]
    named = first.name if first is last else f"{first.name} to {last.name}, mean"
    parts = ", ".join(f"{segment.part} {factor(segment.factor)}" for segment in bar.segments)
    return f"{named}: gain {factor(bar.gain)}" + (f" = {parts}" if parts else "")
