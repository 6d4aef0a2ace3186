"""The report as one page that opens offline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from headwater.records import Measurement
from headwater.records.numbers import number
from headwater.report import words
from headwater.report.html.document import document, resource
from headwater.report.html.findings import findings_section
from headwater.report.html.gains import draw_gains
from headwater.report.html.profile import draw_profile, has_level
from headwater.report.html.svg import NARROW, WIDE, prose, safe
from headwater.report.html.table import table_section
from headwater.report.html.through_time import through_time_figures
from headwater.report.paths import writable
from headwater.report.verdict import verdict
from headwater.report.view import PARTS, factors, places

if TYPE_CHECKING:
    from headwater.report.report import Report

_FOOTER = (
    "Read from the input (left) to the output (right). A gradient is the Frobenius norm over a whole batch; a gain is "
    "the share of it that the next place toward the input receives."
)
_SIGNS = {"good": "✓", "risk": "!", "bad": "✗"}


def render(*reports: Report) -> str:
    """Returns the page, with one report after the other."""
    first = reports[0].measurement
    return document(
        title=words.subject(first) + (f" and {len(reports) - 1} more" if len(reports) > 1 else ""),
        body=(_contents(reports) if len(reports) > 1 else "")
        + "\n".join(_report(report, place) for place, report in enumerate(reports, 1)),
        footer=_FOOTER,
        versions=first.versions or {},
        style=resource("style.css"),
    )


def save(reports: Sequence[Report], path: str | Path) -> Path:
    """Writes the page and returns its path.

    Raises:
        InputError: the folder does not exist, or nothing can be written there.
    """
    path = writable(Path(path))
    path.write_text(render(*reports), encoding="utf-8")
    return path


def _contents(reports: Sequence[Report]) -> str:
    """What is on the page, the optimizers that were watched, each with its verdict."""
    names = [safe(words.subject(report.measurement)) for report in reports]
    lines = [
        f'<li><a href="#report-{place}">{name}</a>: {safe(verdict(report).headline)}</li>'
        for place, (name, report) in enumerate(zip(names, reports, strict=True), 1)
    ]
    said = f"{words.count(len(reports), 'optimizer')} were watched, the worst comes first:"
    return f"<nav><p>{said}</p><ol>{''.join(lines)}</ol></nav>\n"


def _report(report: Report, place: int) -> str:
    said, measurement = verdict(report), report.measurement
    leading = report.leading
    page = {
        "place": str(place),
        "model": safe(words.subject(measurement)),
        "tone": said.tone,
        "sign": _SIGNS[said.tone],
        "headline": safe(said.headline),
        "message": prose(leading.message if leading and not report.healthy else said.gradient),
        "facts": _facts(measurement),
        "pictures": _pictures(report),
        "findings": findings_section(report.findings),
        "table": table_section(measurement),
    }
    return Template(resource("report.html")).substitute(page).rstrip("\n")


def _pictures(report: Report) -> str:
    measurement, leading = report.measurement, report.leading
    where = frozenset(leading.where.names) if leading and not report.healthy else frozenset[str]()
    profile = "".join(draw_profile(measurement, frame, where) for frame in (WIDE, NARROW))
    gains = "".join(draw_gains(measurement, frame) for frame in (WIDE, NARROW))
    told = "" if report.healthy else f'<p class="told">{safe(verdict(report).gradient)}</p>'
    figures = [
        _figure("The gradient on its way back", profile, told + _marks_legend(report)),
        _figure("What each layer does to it", gains, _parts_legend(measurement)),
        _figure("The gradient through time", through_time_figures(report), ""),
    ]
    return "\n".join(figures)


def _figure(title: str, picture: str, legend: str) -> str:
    return f"<figure><h2>{title}</h2>{legend}{picture}</figure>" if picture else ""


def _marks_legend(report: Report) -> str:
    shown = places(report.measurement)
    items = {
        "layer": any(place.trunk and place.layer is not None for place in shown),
        "stream": any(place.layer is None for place in shown),
        "branch": any(not place.trunk for place in shown),
        "level": has_level(shown),
    }
    said = {
        "layer": "layer on the trunk",
        "stream": "where branches meet",
        "branch": "layer in a branch",
        "level": "the last layer's gradient, were nothing lost",
    }
    return _legend({name: said[name] for name, there in items.items() if there})


def _parts_legend(measurement: Measurement) -> str:
    known = [factors(layer.gain_parts) for layer in measurement.layers if layer.gain_parts]
    used = [part for part in PARTS if any(found[part] != 1.0 for found in known)]
    return _legend({part: part for part in used} | {"total": "the gain, their product"})


def _legend(items: dict[str, str]) -> str:
    keys = "".join(f'<li><span class="key {name}-key"></span>{said}</li>' for name, said in items.items())
    return f'<ul class="legend">{keys}</ul>'


def _facts(measurement: Measurement) -> str:
    losses = [step.loss for step in measurement.steps]
    facts = {
        "layers": f"{len(measurement.layers):,}",
        "parameters": f"{measurement.parameters_total:,}",
        "batch": f"{measurement.batch_size:,}",
        "optimizer": words.optimizer(measurement.optimizer),
        "loss": f"{_loss(losses[0])} to {_loss(losses[-1])} in {words.count(len(losses), 'step')}" if losses else "-",
        "device": measurement.device,
    }
    if at := words.measured_at(measurement):
        facts["measured at"] = at
    rate = measurement.rate
    if rate is not None and rate.place is not None:
        facts["learning rate"] = f"{words.factor(rate.place)} of the stability limit"
    return "".join(f"<div><dt>{name}</dt><dd>{safe(value)}</dd></div>" for name, value in facts.items())


def _loss(loss: float) -> str:
    return f"{loss:.4g}" if math.isfinite(loss) else number(loss)
