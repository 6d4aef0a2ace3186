"""All numbers of all layers, as a table of the page."""

from __future__ import annotations

from headwater.records import Layer, Measurement
from headwater.records.numbers import number
from headwater.report.html.svg import safe
from headwater.report.view import PARTS, factors
from headwater.report.words import count, factor, places

_WORDS = ("layer", "kind", "shape", "built", "called", "toward", "notes")
_COLUMNS = (
    *("depth", "layer", "kind", "shape", "gradient", "gain", *PARTS, "toward"),
    *(
        "update / weight",
        "share of loss decrease",
        "weight norm",
        "gradient of stream",
        "calls",
        "notes",
        "built",
        "called",
    ),
)


def table_section(measurement: Measurement) -> str:
    """Returns the table, folded away, input to output."""
    head = "".join(f'<th scope="col"{_class(name)}>{safe(name)}</th>' for name in _COLUMNS)
    body = "\n".join(_row(layer) for layer in measurement.layers)
    summary = f"All numbers of {count(len(measurement.layers), 'layer')}"
    return (
        f'<details class="numbers"><summary>{summary}</summary><div class="scroll" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div></details>"
    )


def _row(layer: Layer) -> str:
    cells = zip(_COLUMNS, _cells(layer), strict=True)
    return "<tr>" + "".join(f"<td{_class(name)}>{safe(value)}</td>" for name, value in cells) + "</tr>"


def _cells(layer: Layer) -> tuple[str, ...]:
    parts = factors(layer.gain_parts) if layer.gain_parts is not None else {}
    source_lines = dict(places(layer))
    return (
        f"{layer.depth}",
        layer.name,
        layer.kind,
        "×".join(map(str, layer.shape)),
        number(layer.signal),
        factor(layer.gain),
        *(factor(parts.get(part)) for part in PARTS),
        layer.toward or "-",
        number(layer.update_ratio),
        number(layer.loss_share),
        number(layer.weight_norm),
        number(layer.stream),
        f"{layer.calls}",
        _notes(layer),
        source_lines.get("built at", ""),
        source_lines.get("called at", source_lines.get("at", "")),
    )


def _notes(layer: Layer) -> str:
    notes = {
        "in a branch": layer.branch,
        "frozen": not layer.trainable,
        "starts at zero by design": layer.zero_initialised,
        "lost to rounding": layer.underflow,
    }
    return ", ".join(note for note, applies in notes.items() if applies)


def _class(column: str) -> str:
    return ' class="words"' if column in _WORDS else ""
