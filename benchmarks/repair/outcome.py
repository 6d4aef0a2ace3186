"""One line for each case and method, as plain data, and what follows from it. Lines are kept in a file as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

POINTS = 0.02
"""Of the score, where 0 is the best constant answer and 1 a perfect one: what counts as a difference."""


@dataclass(frozen=True)
class Line:
    """What one method came to on one case.

    Attributes:
        case, method: ``"original"`` and ``"twin"`` are trainings to compare with, ``"again"`` is the original once more
            with the seeds of a claim's test on a healthy training.
        scores: on the test data after the whole training, one for each seed.
        steps, seconds: of the search; 0 without one.
        whole: optimizer steps of the whole training.
        remedies, claimed, why, exhaustive, training: as in `benchmarks.repair.methods.Attempt`.
    """

    case: str
    method: str
    scores: tuple[float, ...]
    whole: int
    steps: int = 0
    seconds: float = 0.0
    remedies: tuple[str, ...] = ()
    claimed: bool = False
    why: str = ""
    exhaustive: int = 0
    training: float = 0.0

    @property
    def score(self) -> float:
        """Mean over the seeds."""
        return fmean(self.scores)


Lines = dict[tuple[str, str], Line]
"""By case and method."""


def kept(path: Path) -> Lines:
    """Reads what was found so far; of two lines for one case and method the later counts."""
    found: Lines = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        tree = json.loads(text)
        line = Line(**(tree | {"scores": tuple(tree["scores"]), "remedies": tuple(tree["remedies"])}))
        found[line.case, line.method] = line
    return found


def keep(path: Path, lines: Iterable[Line]) -> None:
    """Appends lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(line)) + "\n" for line in lines)


def ahead(line: Line, other: Line) -> float:
    """By how much one line lies above another, the mean over the seeds that judged both."""
    return fmean(one - its for one, its in zip(line.scores, other.scores, strict=False))


def is_close(line: Line, other: Line) -> bool:
    """Whether a line lies so near to two points below another that a few seeds leave open on which side."""
    return -2 * POINTS <= ahead(line, other) < 0


def is_broken(lines: Lines, case: str) -> bool:
    """Whether the whole training still shows the fault: the original stays behind its twin."""
    return ahead(lines[case, "original"], lines[case, "twin"]) < -POINTS


def is_repaired(lines: Lines, case: str, method: str) -> bool:
    """Whether the training comes within two points of its healthy twin."""
    return ahead(lines[case, method], lines[case, "twin"]) >= -POINTS


def is_worse(lines: Lines, case: str, method: str) -> bool:
    """Whether it is more than two points behind the original."""
    return ahead(lines[case, method], lines[case, "original"]) < -POINTS
