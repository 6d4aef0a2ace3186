"""The user's own files, with what each line does to the gradient: for the page and for the terminal alike."""

from __future__ import annotations

import linecache
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.records import CostlyLine, Layer, Measurement, SourceLine
from headwater.report import words
from headwater.rules.explanation import line_costs

_MOST_NAMES = 6
_MOST_LINES = 20_000
"""Of a file that is shown: longer ones are made by programs."""


@dataclass(frozen=True)
class Cost:
    """What one kind of operation on a line does to the gradient.

    Attributes:
        what: the operation, ``"sigmoid"``.
        part: of the gain that it belongs to, ``"activation"``.
        amount, names: how many layers it stands for, and the first of them.
        factor: what it leaves of the gradient in one layer, geometric mean; zero where it stops it.
        decades: ``log10`` of what all of them leave together; ``-inf`` where it stops.
        share: of all that the lines take; negative where it works against that.
        branch: whether these layers lie in branches, so that the gradient has a way around them.
    """

    what: str
    part: str
    amount: int
    names: tuple[str, ...]
    factor: float
    decades: float
    share: float
    branch: bool = False


@dataclass
class LineCosts:
    """One line: what its operations do, and how many layers it runs."""

    costs: list[Cost] = field(default_factory=list[Cost])
    runs: int = 0


@dataclass(frozen=True)
class FileCosts:
    """One file of the user's.

    Attributes:
        file: its name as Python knows it.
        text: its lines; one empty line where it is not at hand.
    """

    file: str
    lines: dict[int, LineCosts]
    text: tuple[str, ...]

    @property
    def decades(self) -> float:
        """How much all of its lines do, in decades, whichever way."""
        return sum(min(abs(cost.decades), 1e3) for line in self.lines.values() for cost in line.costs)


def files_of(measurement: Measurement, texts: Mapping[str, str]) -> list[FileCosts]:
    """The files, the one whose lines do most first.

    Args:
        measurement: what was measured.
        texts: the files by name, as far as they are at hand.
    """
    found: dict[str, dict[int, LineCosts]] = {}
    for cost, at in _costs(measurement):
        found.setdefault(at.file, {}).setdefault(at.line, LineCosts()).costs.append(cost)
    for layer in measurement.layers:
        if layer.file is not None and layer.line:
            found.setdefault(layer.file, {}).setdefault(layer.line, LineCosts()).runs += 1
    files = [
        FileCosts(file, dict(sorted(lines.items())), tuple(texts.get(file, "").split("\n")[:_MOST_LINES]))
        for file, lines in found.items()
    ]
    return sorted(files, key=lambda each: -each.decades)


def source_of(measurement: Measurement, texts: Mapping[str, str]) -> dict[str, Any]:
    """The same as the page draws it."""
    return {"files": [_file(each) for each in files_of(measurement, texts)]}


def texts_now(measurements: Iterable[Measurement]) -> dict[str, str]:
    """The user's files as Python would show them in a traceback now.

    Of what lies on disk only Python's own source is read: a report may name any file.
    """
    places = [place for each in measurements for _, place in _costs(each)]
    places += [SourceLine(layer.file, 0) for each in measurements for layer in each.layers if layer.file is not None]
    files = {place.file for place in places if place.file.endswith(".py") or place.file in linecache.cache}
    return {file: "".join(linecache.getlines(file)[:_MOST_LINES]) for file in sorted(files)}


def _costs(measurement: Measurement) -> list[tuple[Cost, SourceLine]]:
    found: list[tuple[Cost, SourceLine]] = []
    for branch in (False, True):
        layers = [layer for layer in measurement.layers if layer.branch == branch]
        found += [(_cost(line, branch), at) for line in line_costs(measurement, layers) if (at := _place(line))]
        stopped: dict[SourceLine, list[Layer]] = {}
        for layer in layers:
            if layer.gain == 0 and (at := _of_layer(layer)):
                stopped.setdefault(at, []).append(layer)
        for at, some in stopped.items():
            names = tuple(layer.name for layer in some[:_MOST_NAMES])
            found.append((Cost(some[0].kind, "other", len(some), names, 0.0, -math.inf, 1.0, branch), at))
    return found


def _cost(line: CostlyLine, branch: bool) -> Cost:
    decades = len(line.layers) * math.log10(line.factor) if line.factor > 0 else -math.inf
    names = line.layers[:_MOST_NAMES]
    return Cost(line.what, line.part, len(line.layers), names, line.factor, decades, line.share, branch)


def _place(line: CostlyLine) -> SourceLine | None:
    if line.built is not None:
        return line.built
    return SourceLine(line.file, line.line) if line.file is not None and line.line else None


def _of_layer(layer: Layer) -> SourceLine | None:
    if layer.built is not None:
        return layer.built
    return SourceLine(layer.file, layer.line) if layer.file is not None and layer.line else None


def _file(file: FileCosts) -> dict[str, Any]:
    return {
        "name": words.source(file.file, None),
        "text": words.code_lines("\n".join(file.text)) if any(file.text) else None,
        "lines": [
            {"line": number, "runs": line.runs, "costs": [vars(cost) for cost in line.costs]}
            for number, line in file.lines.items()
        ],
    }
