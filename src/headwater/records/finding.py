"""What a rule says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from headwater.records.explanation import Explanation
from headwater.records.source import SourceLine

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Where:
    """Where a finding stands.

    Attributes:
        module: the layer or module to look at first.
        names: all layers or modules that it stands for.
        parameters: the parameters at fault, where the finding is about parameters.
        called_inside, built, built_inside: as in `Layer`.
        file, line: the user's source line that runs it, when it is known.
    """

    module: str | None = None
    names: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    parameters: tuple[str, ...] = ()
    called_inside: SourceLine | None = None
    built: SourceLine | None = None
    built_inside: SourceLine | None = None


@dataclass(frozen=True)
class Finding:
    """The verdict of one rule.

    Attributes:
        code: e.g. ``"HW101"``.
        name: the fault, e.g. ``"vanishing-gradient"``.
        severity: ``"error"``: this keeps the network from learning; ``"warning"``: a risk, or a part is affected;
            ``"info"``: worth knowing.
        where: where it stands.
        message: one sentence that says what is wrong, in numbers.
        cause: one or two sentences that say why.
        evidence: the numbers that the verdict rests on, by name.
        remedies: codes of the remedies that answer the cause, best first (`headwater.records.remedy`).
        under: code of the finding of which this one is a consequence; ``None`` for a root cause.
        explanation: where the gradient goes, part by part, beside what theory says.
    """

    code: str
    name: str
    severity: Severity
    where: Where
    message: str
    cause: str
    evidence: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])
    remedies: tuple[str, ...] = ()
    under: str | None = None
    explanation: Explanation | None = None


def gravity(findings: Iterable[Finding]) -> int:
    """Rank among several verdicts, the worst first: 0 with an error, 1 a warning, 2 notes only, 3 with nothing."""
    return min((_RANKS[finding.severity] for finding in findings), default=len(_RANKS))


_RANKS: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
