"""The account of a gradient on a terminal: prediction beside measurement for each part, and what depth makes of it."""

from __future__ import annotations

from rich.text import Text

from headwater.records import Explanation
from headwater.report import words
from headwater.report.account import AccountRow, account_rows, depth_words, line_words, share_words
from headwater.report.terminal.glyphs import Glyphs, paragraph, text

_NAME = 14
_COLUMNS = (8, 8, 7)
"""Measurement, theory, share."""
_LEAST_PLACE = 16
"""Columns without which a place in the source says nothing."""


def explanation_lines(explanation: Explanation, label: Text, width: int, signs: Glyphs) -> list[Text]:
    """Returns a small table and a sentence beside a label."""
    theory = explanation.predicted is not None
    titles = ("measured", "theory" if theory else "", "share")
    lines = [Text().append_text(label).append_text(text(f"{'':<{_NAME}}" + _cells(titles, theory), "dim", signs))]
    indent = " " * len(label.plain)
    for row in account_rows(explanation):
        cells = (words.factor(row.measured), words.factor(row.predicted), share_words(row.share))
        line = text((indent + f"{row.name:<{_NAME}}" + _cells(cells, theory)).rstrip(), "", signs)
        line.append_text(_place(row, width - len(line.plain), signs))
        lines.append(line)
    said = depth_words(explanation)
    return lines + (paragraph(text(said, "", signs), width, indent=indent) if said else [])


def _cells(said: tuple[str, str, str], theory: bool) -> str:
    kept = [0, 1, 2] if theory else [0, 2]
    return "".join(f"{said[i]:>{_COLUMNS[i]}}" for i in kept)


def _place(row: AccountRow, room: int, signs: Glyphs) -> Text:
    """The operation and its line, where there is room for them; of a long path the end."""
    what, place = line_words(row)
    needed = min(_LEAST_PLACE, len(place))
    head = next((said for said in ((f"  {what}, " if what else "  "), "  ") if len(said) + needed <= room), None)
    if not place or head is None:
        return text(f"  {what}" if what and len(what) + 2 <= room else "", "dim", signs)
    shown = words.shortened(place, room - len(head), signs.ellipsis)
    return Text.assemble(text(head, "dim", signs), text(shown, "cyan", signs))
