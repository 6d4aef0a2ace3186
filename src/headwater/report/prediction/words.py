"""A prediction in plain sentences."""

from __future__ import annotations

import math

from headwater.records import PredictionRecord
from headwater.records.numbers import number
from headwater.report.verdict import Verdict
from headwater.report.words import count, factor

_FAINT, _LOST = 0.05, 1e-3
"""The gradient's norm at the first layer, as a share of that at the last: training becomes hard, and stops.

As in the rule on vanishing gradients; growth by the inverse counts alike. They must be passed by two deviations of what
networks of this width show by chance."""
_SAME = 0.005
"""Of the logarithm of the attenuation: what no reader would call a change."""
_MANY = 100_000
"""Layers beyond which the exact trainable depth says nothing."""
_UNUSABLE = 10.0
"""Critical sigma_w^2 beyond which weights are too large to be of use: those of a sigmoid, which needs 103."""


def sentences(record: PredictionRecord) -> str:
    """The whole verdict as running text."""
    said = verdict(record)
    return " ".join(f"{part}." for part in (said.headline, said.gradient, trainable(record)) if part)


def verdict(record: PredictionRecord) -> Verdict:
    """What becomes of the gradient, in a few words, and what each layer does to it."""
    sure = 2.0 * record.noise
    size = math.log(record.gain) * (record.depth - 1) if record.gain > 0.0 else -math.inf
    gradient = _gradient(record, size)
    what = f"{record.activation}, {initialised(record)}, {record.depth} layers"
    if abs(size) > sure - math.log(_LOST):
        return Verdict("bad", f"{what}: the gradient {'vanishes' if size < 0.0 else 'explodes'}", gradient)
    if abs(size) > sure - math.log(_FAINT):
        return Verdict("risk", f"{what}: the gradient {'weakens' if size < 0.0 else 'grows'}", gradient)
    if record.depth > record.trainable_depth:
        lost = "all inputs look alike" if record.phase == "ordered" else "like inputs become unlike"
        return Verdict("risk", f"{what}: deeper than it trains, {lost} at the end", gradient)
    return Verdict("good", f"{what}: the gradient survives", gradient)


def _gradient(record: PredictionRecord, size: float) -> str:
    if abs(size) < _SAME:
        return "Each layer hands it on at full strength"
    if size == -math.inf:
        return "No gradient reaches the first layer"
    does = f"multiplies it by {factor(record.gain)}" if size > 0.0 else f"leaves {factor(record.gain)} of it"
    return f"Each layer {does}: the first layer receives {times(record)} times the gradient of the last"


def times(record: PredictionRecord) -> str:
    """The attenuation, also where it is beyond the range of floating point."""
    if record.attenuation == math.inf:
        return "more than 1e308"
    return "less than 1e-300" if 0.0 == record.attenuation < record.gain else number(record.attenuation)


def trainable(record: PredictionRecord) -> str:
    """Up to which depth it trains, and what the phase means; nothing where no layer hands a gradient on."""
    if record.gain == 0.0:
        return ""
    if record.phase == "critical":
        if 0.0 < record.q < math.inf:
            return "Edge of chaos: depth by itself costs no gradient"
        fate = "dies out" if record.q == 0.0 else "grows without end"
        return (
            f"It nears the edge of chaos while its signal {fate}: the gradient changes with a power of the depth only"
        )
    about = "about " if record.trainable_depth < _MANY else ""
    return f"{record.phase.capitalize()} phase: trainable to {about}{layers(record.trainable_depth)}"


def layers(depth: float) -> str:
    """A trainable depth: whole layers, one at least, as far as the exact number says something."""
    if math.isinf(depth):
        return "without end"
    return count(max(1, round(depth)), "layer") if depth < _MANY else f"more than {_MANY:,} layers"


def initialised(record: PredictionRecord) -> str:
    """How its weights are drawn: a name, or the pair of deviations as it was given."""
    return f"{record.init} initialisation" if not record.init.startswith("(") else f"sigmas {record.init}"


def settles(record: PredictionRecord) -> str:
    """Where the variance of the pre-activations goes."""
    if record.q == 0.0:
        return "0: the signal dies out"
    if math.isinf(record.q):
        return "infinity: the signal grows without end"
    stays = ""
    if record.stability is not None and abs(record.stability - 1.0) < 1e-6:
        stays = ": whatever it begins with stays"
    return f"{number(record.q)}{stays}"


def critical(record: PredictionRecord) -> str:
    """Which initialisation would be critical, and whether that helps."""
    point = record.critical
    if point is None:
        return f"none: no initialisation of {record.activation} keeps both signal and gradient"
    where = f"sigma_w\u00b2 {point.weight_variance:.4g}, sigma_b\u00b2 {point.bias_variance:.2g}"
    if point.weight_variance > _UNUSABLE:
        return f"{where}: too large to be of use"
    if not point.stable:
        return f"{where}, but unstable: the variance drifts away with depth"
    return where
