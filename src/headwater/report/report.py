"""What a diagnosis hands back: the measurement, the findings, and ways to look at both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.records import Finding, Layer, Measurement, Profile, TimeProfile
from headwater.report import json, page, picture, terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

_FAULTS = ("error", "warning")


@dataclass(frozen=True, repr=False)
class Report:
    """One diagnosis: what was measured, and what follows from it.

    Attributes:
        measurement: everything that was measured.
        findings: root cause first; a consequence names, in ``under``, the code that it follows from.
    """

    measurement: Measurement
    findings: tuple[Finding, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, input to output."""
        return self.measurement.layers

    @property
    def profile(self) -> Profile:
        """The gradient along the trunk, input to output."""
        return self.measurement.profile

    @property
    def through_time(self) -> tuple[TimeProfile, ...]:
        """The gradient along the steps of each recurrent layer; empty for a network without one."""
        return self.measurement.through_time

    @property
    def healthy(self) -> bool:
        """Whether no finding is an error or a warning."""
        return not any(finding.severity in _FAULTS for finding in self.findings)

    @property
    def leading(self) -> Finding | None:
        """The first root cause; ``None`` when nothing was found."""
        return next((finding for finding in self.findings if finding.under is None), None)

    def print(self, console: Console | None = None) -> None:
        """Prints the report on a terminal (standard output unless a rich console is given)."""
        terminal.render(self, console)

    def to_json(self) -> str:
        """Returns the report as JSON; ``schema.json`` beside `headwater.report.json` describes it."""
        return json.render(self)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Reads a report that `to_json` wrote. Numbers that were not finite come back as NaN, or as ``None``.

        Raises:
            InputError: the text is no report, or one of another version.
        """
        return cls(*json.parse(text))

    def to_html(self) -> str:
        """Returns the report as one page that needs nothing else, also no network."""
        return page.render(self)

    def save_html(self, path: str | Path) -> Path:
        """Writes the page and returns its path.

        Raises:
            InputError: the folder does not exist, or nothing can be written there.
        """
        return page.save([self], path)

    def plot(self, path: str | Path | None = None) -> Path | Figure:
        """Draws profile and gains; writes a ``.png``, ``.svg`` or ``.pdf``, or returns matplotlib's figure.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            InputError: the path has another suffix, its folder does not exist, or nothing can be written there.
        """
        return picture.render(self, None if path is None else Path(path))

    def __repr__(self) -> str:
        leading = self.leading
        says = f"{leading.code} {leading.name}, {leading.severity}" if leading else "nothing found"
        return f"<Report on {self.measurement.model}: {says}>"

    def _repr_html_(self) -> str:
        return page.framed(self.to_html(), "Headwater report")
