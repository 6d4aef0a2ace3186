"""The search on a terminal: what to change, how everything fared, the change itself, what it took."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from headwater.records import FixRecord
from headwater.report.fix.diff import Kind, diff_lines
from headwater.report.fix.words import Row, cost, outcome, ranking, untried
from headwater.report.terminal.glyphs import Glyphs, glyphs, paragraph, text
from headwater.report.words import code_lines, count

_WIDEST = 100
"""Columns: longer lines are hard to read."""
_ROOMY, _WIDE = 72, 96
"""Columns from which there is room for most numbers, and for all."""
_MOST_TRIED, _MOST_UNTRIED = 14, 6
_COLUMNS = ("level", "lower by", "p", "steps", "size")
_LEAST = 5
"""Columns of a number."""
_TONE = {"good": "bold green", "risk": "bold yellow"}
_STYLE = {"recommended": "bold green", "as good": "green", "beaten": "", "no better": "dim", "": "dim"}
_CODE: dict[Kind, str] = {"file": "bold", "place": "cyan", "added": "green", "removed": "red", "same": "dim"}


def render(record: FixRecord, console: Console | None = None) -> None:
    """Prints a search; colour carries nothing that the words do not say."""
    console = console or Console()
    width, signs = min(console.width, _WIDEST), glyphs(console)
    blocks = [
        _verdict(record, width, signs),
        _ranking(record, width, signs),
        _untried(record, width, signs),
        _change(record, width, signs),
        paragraph(text(cost(record), "dim", signs), width) if cost(record) else [],
    ]
    lines: list[Text] = []
    for block in blocks:
        lines += [Text(), *block] if lines and block else block
    # Lines are broken already, but for source, which must stay whole to be copied.
    console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)


def _verdict(record: FixRecord, width: int, signs: Glyphs) -> list[Text]:
    said = outcome(record)
    sign = {"good": signs.good, "risk": signs.risk}[said.tone]
    lines = paragraph(text(f"{sign} {said.headline}", _TONE[said.tone], signs), width, further="  ")
    return lines + (paragraph(text(said.message, "", signs), width, indent="  ") if said.message else [])


def _ranking(record: FixRecord, width: int, signs: Glyphs) -> list[Text]:
    """The numbers of each candidate, and beside them its name over why it stands where it stands."""
    rows = ranking(record)
    if not rows:
        return []
    columns = _COLUMNS if width >= _WIDE else _COLUMNS[:4] if width >= _ROOMY else _COLUMNS[:2]
    titles = {name: record.measure if name == "level" and width >= _ROOMY else name for name in columns}
    widths = {name: max(_LEAST, len(title)) + 2 for name, title in titles.items()}
    lines = [text("".join(f"{title:>{widths[name]}}" for name, title in titles.items()), "dim", signs)]
    for row in rows[:_MOST_TRIED]:
        lines += _row(row, widths, width, signs)
    return lines + _and_more(len(rows) - _MOST_TRIED, signs)


def _row(row: Row, widths: dict[str, int], width: int, signs: Glyphs) -> list[Text]:
    style = _STYLE[row.standing]
    values = {"level": row.level, "lower by": row.lower_by, "p": row.p, "steps": row.steps, "size": row.size}
    numbers = text("".join(f"{values[name]:>{wide}}" for name, wide in widths.items()) + "  ", style, signs)
    lines = paragraph(text(row.name, style, signs), width, indent=numbers)
    said = f"{row.standing}: {row.why}" if row.why else row.standing
    return lines + (paragraph(text(said, "dim", signs), width, indent=" " * len(numbers.plain)) if said else [])


def _untried(record: FixRecord, width: int, signs: Glyphs) -> list[Text]:
    groups = untried(record)
    lines: list[Text] = []
    for standing, why, names in groups[:_MOST_UNTRIED]:
        said = Text.assemble(text(f"{standing}: ", "", signs), text(f"{', '.join(names)}. {why}", "dim", signs))
        lines += paragraph(said, width, indent="  ", further="    ")
    return lines + _and_more(sum(len(names) for _, _, names in groups[_MOST_UNTRIED:]), signs)


def _and_more(rest: int, signs: Glyphs) -> list[Text]:
    return [text(f"  and {count(rest, 'candidate')} more", "dim", signs)] if rest > 0 else []


def _change(record: FixRecord, width: int, signs: Glyphs) -> list[Text]:
    """The diff, what could not be written as one and why, and the same as plain PyTorch."""
    diff = [_code(line, _CODE[kind], signs) for kind, line in diff_lines(record.diff)]
    why = [
        line
        for said in record.not_written
        for line in paragraph(text(f"Not in the diff: {said}", "yellow", signs), width, further="  ")
    ]
    snippet = [_code(line, "", signs, "    ") for line in code_lines(record.snippet)]
    head = [text("As plain PyTorch:", "dim", signs)] if snippet else []
    return _apart(diff, why, head + snippet)


def _code(line: str, style: str, signs: Glyphs, indent: str = "") -> Text:
    return Text("\t").join(text(part, style, signs) for part in f"{indent}{line}".rstrip().split("\t"))


def _apart(*blocks: Sequence[Text]) -> list[Text]:
    lines: list[Text] = []
    for block in blocks:
        lines += [Text(), *block] if lines and block else block
    return lines
