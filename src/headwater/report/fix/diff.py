"""The lines of a unified diff, told apart."""

from __future__ import annotations

import re
from typing import Literal

from headwater.report.words import code_lines

Kind = Literal["file", "place", "added", "removed", "same"]

_PLACE = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")
_KINDS: dict[str, Kind] = {"+": "added", "-": "removed"}


def diff_lines(diff: str) -> list[tuple[Kind, str]]:
    """Returns each line with its kind.

    A place says how many lines follow it: within these ``--- x`` is a removed line, not the name of a file.
    """
    lines: list[tuple[Kind, str]] = []
    old = new = 0
    for line in code_lines(diff):
        place = _PLACE.match(line)
        if (old > 0 or new > 0) and not line.startswith("\\"):
            kind = _KINDS.get(line[:1], "same")
            old -= kind != "added"
            new -= kind != "removed"
            lines.append((kind, line))
        elif place:
            old, new = (int(place[side] or "1") for side in ("old", "new"))
            lines.append(("place", line))
        else:
            lines.append(("file", line))
    return lines
