"""The gradient through time as a picture in text: one line for each recurrent layer, bars where something is wrong."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text

from headwater.records import Measurement, TimeProfile
from headwater.report.steps import says, shares, thinned, title
from headwater.report.terminal.glyphs import Glyphs, paragraph, text
from headwater.report.terminal.profile import axis_of, bar, signal
from headwater.report.terminal.rows import Row

_MOST_LAYERS = 4
_MOST_STEPS = 7
_BAR = (8, 44)
_STEP, _NUMBER = 12, 9


def through_time_lines(measurement: Measurement, pointed: Collection[str], width: int, signs: Glyphs) -> list[Text]:
    """Returns the lines of the recurrent layers; those that a finding points at (`pointed`) get their bars."""
    profiles = sorted(measurement.through_time, key=lambda each: each.name not in pointed)
    if not profiles:
        return []
    lines = [Text("  through time", style="dim")]
    for profile in profiles[:_MOST_LAYERS]:
        lines += paragraph(text(f"{title(profile)} {says(profile)}", "", signs), width, indent="  ")
        lines += _bars(profile, width, signs) if profile.name in pointed else []
    rest = len(profiles) - _MOST_LAYERS
    return lines + ([Text(f"  and {rest} more", style="dim")] if rest > 0 else [])


def _bars(profile: TimeProfile, width: int, signs: Glyphs) -> list[Text]:
    """Steps from the last to the first, as the gradient flows."""
    rows = [_row(step, share) for step, share in reversed(thinned(shares(profile), _MOST_STEPS))]
    room = max(_BAR[0], min(_BAR[1], width - _STEP - _NUMBER - 6))
    axis = axis_of(tuple(rows))
    lines: list[Text] = []
    for row in rows:
        line = Text(f"    {row.name:<{_STEP}}").append_text(bar(row, axis, room, signs))
        line.pad_right(4 + _STEP + room - len(line.plain))
        lines.append(line.append_text(signal(row.signal)))
    return lines


def _row(step: int, share: float) -> Row:
    return Row(f"step {step + 1:,}", share, None, None, trunk=True)
