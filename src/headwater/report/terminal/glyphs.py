"""The few signs that the terminal report draws with, and what stands for them where the encoding is ASCII."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from headwater.report.words import printable


@dataclass(frozen=True)
class Glyphs:
    """`trunk` and `branch` fill a bar; `ends` are the parts of a cell by which a bar can end, in equal steps."""

    good: str
    risk: str
    bad: str
    trunk: str
    branch: str
    ends: str
    ellipsis: str
    dash: str
    ascii_only: bool = False


UNICODE = Glyphs("✓", "!", "✗", "█", "░", "▏▎▍▌▋▊▉", "…", "·")
ASCII = Glyphs("ok", "!", "x", "#", ":", "", "..", "-", ascii_only=True)

_NARROWEST = 20
_MEASURE = Console(width=80)
"""Rich wants a console to break lines; its settings play no part."""
_PLAIN = str.maketrans(
    {"×": "x", "·": "-", "–": "-", "—": "-", "−": "-", "…": ".", "→": ">", "’": "'", "∞": "inf", "²": "^2"}
)


def glyphs(console: Console) -> Glyphs:
    """Returns the signs that the console's encoding has."""
    return ASCII if console.options.ascii_only else UNICODE


def text(value: str, style: str, signs: Glyphs) -> Text:
    """One line of the user's or our own words, without markup, in signs that can be written."""
    value = printable(value)
    if signs.ascii_only:
        value = value.translate(_PLAIN).encode("ascii", "replace").decode()
    return Text(value, style=style)


def paragraph(said: Text, width: int, indent: Text | str = "", further: str | None = None) -> list[Text]:
    """Breaks a text into lines of at most `width` columns, the first and the further ones with their indents."""
    first = Text(indent) if isinstance(indent, str) else indent
    hanging = " " * len(first.plain) if further is None else further
    lines = said.wrap(_MEASURE, max(_NARROWEST, width - max(len(first.plain), len(hanging))))
    for line in lines:
        line.rstrip()
    # appended to an empty text, so that the style of the indent stays its own
    return [Text().append_text(first if i == 0 else Text(hanging)).append_text(line) for i, line in enumerate(lines)]
