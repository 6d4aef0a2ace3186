"""A prediction on a terminal: the verdict, the gradient on its way to the first layer, and the numbers."""

from __future__ import annotations

import math

from rich.console import Console
from rich.text import Text

from headwater.records import PredictionRecord
from headwater.records.numbers import number
from headwater.report.axis import LogAxis, position
from headwater.report.prediction import words
from headwater.report.prediction.shares import shares_of_gradient
from headwater.report.terminal.glyphs import Glyphs, glyphs, paragraph, text

_WIDEST = 88
_ROWS = 8
_BAR = (8, 44)
_LABEL, _NUMBERS = 18, 22
_LEAST_DECADES = 3.0
"""An axis over less would dramatise a small loss."""
_TONE = {"good": "bold green", "risk": "bold yellow", "bad": "bold red"}


def print_prediction(record: PredictionRecord, console: Console | None = None) -> None:
    """Prints a prediction; colour carries nothing that the words do not say."""
    console = console or Console()
    width, signs = min(console.width, _WIDEST), glyphs(console)
    blocks = [_verdict(record, width, signs), _profile(record, width, signs), _facts(record, width, signs)]
    lines = [line for block in blocks for line in (*block, Text())][:-1]
    console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)


def _verdict(record: PredictionRecord, width: int, signs: Glyphs) -> list[Text]:
    said = words.verdict(record)
    sign = {"good": signs.good, "risk": signs.risk, "bad": signs.bad}[said.tone]
    lines = paragraph(text(f"{sign} {said.headline}", _TONE[said.tone], signs), width)
    for sentence in filter(None, (said.gradient, words.trainable(record))):
        lines += paragraph(text(f"{sentence}.", "", signs), width, indent="  ")
    return lines


def _profile(record: PredictionRecord, width: int, signs: Glyphs) -> list[Text]:
    """The norm at some layers, from the last to the first, as a share of the last layer's."""
    shares = shares_of_gradient(record)
    bar = max(_BAR[0], min(_BAR[1], width - _NUMBERS - 9))
    logs = [math.log10(share) for _, share in shares if 0.0 < share < math.inf]
    low = min([*logs, max(logs) - _LEAST_DECADES])
    axis = LogAxis(low, max(logs), low)
    lines = [text(f"  layer  {'gradient, log scale':<{bar}}{'':>9}{'gain':>9}", "dim", signs)]
    for layer, share in _some(shares):
        gain = f"{record.gains[layer - 2]:.4f}" if layer > 1 else signs.dash
        line = Text(f"  {layer:>5}  ").append_text(_bar(share, axis, bar, signs))
        line.pad_right(9 + bar - len(line.plain))
        lines.append(line.append(f"{number(share):>9}{gain:>9}"))
    return lines


def _some(shares: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most a few rows, evenly spaced, the ends among them."""
    count = min(_ROWS, len(shares))
    return [shares[round(i * (len(shares) - 1) / (count - 1))] for i in range(count)]


def _bar(share: float, axis: LogAxis, width: int, signs: Glyphs) -> Text:
    """The smallest share still leaves a trace, an exact zero leaves none."""
    steps = len(signs.ends) + 1
    full, rest = divmod(max(1 if share else 0, round(position(axis, share) * width * steps)), steps)
    return Text(signs.trunk * full + (signs.ends[rest - 1] if rest else ""), style="cyan")


def _facts(record: PredictionRecord, width: int, signs: Glyphs) -> list[Text]:
    sigma_w = math.sqrt(record.weight_variance)
    activation = record.gain / sigma_w if sigma_w else 0.0
    chance, scale = math.exp(2.0 * record.noise), record.depth_scale
    facts = {
        "gain per layer": f"{record.gain:.4f} = activation {activation:.4f} × weights {sigma_w:.4f}",
        "over the depth": f"{words.times(record)}; a network {record.width} wide: within a factor {chance:.2g}",
        "variance settles on": words.settles(record),
        "depth scale": f"{number(scale)} layers" if math.isfinite(scale) else "without end (chi = 1)",
        "trainable depth": words.layers(record.trainable_depth) if record.gain > 0.0 else "none",
        "edge of chaos": words.critical(record),
    }
    lines: list[Text] = []
    for label, fact in facts.items():
        lines += paragraph(text(fact, "", signs), width, indent=text(f"  {label:<{_LABEL + 3}}", "dim", signs))
    return lines
