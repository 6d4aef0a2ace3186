"""A small experiment, measured in no time, that fails where it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, Together, verdict


@dataclass(frozen=True)
class Point:
    kind: str
    x: int
    seed: int
    folder: str
    """Where it leaves a file for each time that it was measured."""


def points(folder: Path, count: int = 4) -> Any:
    return lambda quick, seeds: [
        Point(kind, x, seed, str(folder))
        for kind in ("straight", "bent")
        for x in range(1, 1 + (count if quick else 2 * count))
        for seed in range(seeds)
    ]


def measure(point: Point) -> list[Row]:
    note(point)
    if point.x == -1:
        raise ValueError("the kiln is cold")
    return [{"part": "value", "y": value(point)}, {"part": "other", "z": point.x}]


def value(point: Point) -> float:
    return float(point.x**2 if point.kind == "bent" else point.x) + 0.1 * point.seed


def measure_together(points: Sequence[Point]) -> list[list[Row]]:
    if any(point.x < 0 for point in points):
        raise ValueError("one of them is at fault")
    for point in points:
        note(point)
    return [[{"part": "value", "y": value(point), "with": len(points)}] for point in points]


def note(point: Point) -> None:
    path = Path(point.folder) / f"{point.kind} {point.x} {point.seed}"
    path.write_text((path.read_text() if path.exists() else "") + "x")


def times(folder: Path) -> int:
    """How often anything was measured."""
    return sum(len(path.read_text()) for path in folder.iterdir())


def derive(table: Table) -> list[Row]:
    return [
        {"part": "most", "kind": kind, "y": max(table.where(kind=kind).numbers("y"))} for kind in table.distinct("kind")
    ]


def says(table: Table) -> list[Statement]:
    most = {str(row["kind"]): row["y"] for row in table.where(part="most")}
    holds = most["bent"] > most["straight"] if len(most) == 2 else None
    return [Statement("The bent one ends higher.", f"They end at {most}.", verdict(holds), "nobody, ever")]


X, Y = Column("x", "place", log=True), Column("y", "height (m)")
KIND = Column("kind", "kind", order=("straight",))
FIGURES = (
    Figure("lines", "lines", "Height", "By ruler.", "Look.", X, Y, series=KIND, where={"part": "value"}),
    Figure(
        "bars", "bars", "Bars", "By ruler.", "Look.", X, Y, series=KIND, where={"part": "value"}, levels=((2.0, "sea"),)
    ),
    Figure(
        "panels", "points", "Panels", "By ruler.", "Look.", X, Y, panels=KIND, where={"part": "value"}, expected="x"
    ),
    Figure("map", "heatmap", "Map", "By ruler.", "Look.", X, KIND, Y, where={"part": "value"}, neutral=2.0),
    Figure("table", "table", "Table", "By ruler.", "Look.", columns=(KIND, X, Y), where={"part": "value", "seed": 0}),
    Figure("empty", "lines", "Nothing", "By ruler.", "Look.", X, Y, where={"part": "unknown"}),
)


def small(folder: Path, **changes: Any) -> Experiment[Point]:
    folder.mkdir(exist_ok=True)
    made = Experiment(
        name="small",
        title="A small experiment",
        question="Which ends higher?",
        points=points(folder),
        measure=measure,
        derive=derive,
        figures=FIGURES,
        says=says,
        setting="Two kinds.",
    )
    return replace(made, **changes)


TOGETHER = Together(("x", "seed"), measure_together, most=3)
