"""How numbers, names and places are written, in every rendering alike."""

from __future__ import annotations

import re
from pathlib import Path

from headwater.records import Layer, Measurement, OptimizerRecord, RateRecord, SourceLine, Where
from headwater.records.numbers import count as count
from headwater.records.numbers import factor, number


def subject(measurement: Measurement) -> str:
    """What was diagnosed: the optimizer under watch and the class of its model, unless the name has it already."""
    track, model = measurement.track, measurement.model
    if not track or track.startswith(model):
        return printable(track or model)
    return printable(f"{track} ({model})")


def measured_at(measurement: Measurement) -> str:
    """At which steps of a watched training it was measured; nothing for a probation."""
    steps = measurement.judged_steps
    if measurement.track is None or not steps:
        return ""
    return f"step {steps[0]:,}" if len(steps) == 1 else f"{len(steps)} steps from {steps[0]:,} to {steps[-1]:,}"


def evidence(value: float | int | str) -> str:
    """A piece of evidence: counts in full, other numbers in two digits, words as they are."""
    if isinstance(value, str):
        return printable(value)
    return f"{value:,}" if isinstance(value, int) else number(value)


def optimizer(record: OptimizerRecord) -> str:
    """The optimizer with its rates; without one of the user's, what was used instead."""
    if not record.given:
        return "bounded SGD"
    rates = ", ".join(f"{rate:g}" for rate in dict.fromkeys(record.rates))
    return f"{record.kind} {rates}".strip()


def learning_rate(record: RateRecord | None) -> str:
    """Where the rate stands against what the loss bears; nothing where the sharpness was not measured."""
    if record is None or record.place is None:
        return ""
    return (
        f"learning rate {record.rate:g}: sharpness {number(record.sharpness)}, {factor(record.place)} times what the "
        f"optimizer bears ({number(record.threshold)})"
    )


def printable(text: str) -> str:
    """One line without control characters, which could move the cursor or end a document."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)


def code_lines(code: str) -> list[str]:
    """Lines of source: tabs stay, other control characters do not."""
    return ["\t".join(map(printable, line.split("\t"))) for line in code.rstrip("\n").split("\n")] if code else []


def shortened(name: str, width: int, ellipsis: str = "…") -> str:
    """The end of a module path, which tells more than its beginning."""
    if len(name) <= width:
        return name
    return ellipsis + name[len(name) - width + len(ellipsis) :]


def source(file: str | None, line: int | None) -> str:
    """``file:line``, as short as a reader still finds it; nothing when it is not known.

    Relative to the working directory where the file lies in it; an installed library's from its package on; a cell of a
    notebook by the number of its input, where its name tells it.
    """
    if file is None:
        return ""
    cell = _CELL.search(file)
    path, here = Path(file), Path.cwd()
    if cell:
        shown = f"In [{cell['number']}]" if cell["number"] else "notebook cell"
    elif path.is_relative_to(here) and not _INSTALLED.search(file):
        shown = str(path.relative_to(here))
    else:
        shown = _INSTALLED.sub("", file)
    return printable(shown) + (f":{line}" if line is not None else "")


def places(where: Where | Layer) -> list[tuple[str, str]]:
    """Where something was built and where it is called: the words before each place, and the place.

    A library's line follows the user's own. Where only the call is known it is simply "at".
    """
    built = _with_library(where.built, where.built_inside)
    called = _with_library(None if where.file is None else SourceLine(where.file, where.line or 0), where.called_inside)
    found = [("built at", built), ("called at" if built else "at", called)]
    return [(before, said) for before, said in found if said]


def _with_library(own: SourceLine | None, inside: SourceLine | None) -> str:
    said = [source(each.file, each.line or None) for each in (own, inside) if each is not None]
    return said[0] + (f" ({said[1]})" if len(said) > 1 else "") if said else ""


_CELL = re.compile(r"<(?:ipython|python)-input-(?P<number>\d*)|[/\\]ipykernel_\d+[/\\]\d+\.py$")
_INSTALLED = re.compile(r"^.*[/\\](?:site|dist)-packages[/\\]")


def module(where: Where) -> str:
    """The module that a finding names, and how many others it stands for."""
    named = where.module or (where.names[0] if where.names else "")
    others = len([name for name in where.names if name != named])
    return printable(named) + (f" and {others} more" if named and others else "")
