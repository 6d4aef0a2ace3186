"""A claim that the field published, what was measured here, and the verdict that follows from both."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Quantities = dict[str, float]
"""What one seed gave, by the name of what was measured."""
Verdict = Literal["reproduced", "order only", "not reproduced"]


@dataclass(frozen=True)
class Near:
    """The mean over the seeds of each published number may differ from it by so much.

    Attributes:
        tolerance: largest difference, as a share of the published number.
        because: why it is that large.
    """

    tolerance: float
    because: str


@dataclass(frozen=True)
class Bounds:
    """With every seed each quantity lies within its bounds.

    Attributes:
        least, most: bounds, by quantity.
        because: why they stand there.
    """

    because: str
    least: Mapping[str, float] = field(default_factory=dict[str, float])
    most: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Order:
    """With every seed the quantities rise in this order, each to at least so many times the one before.

    Attributes:
        rising: names of quantities.
        factor: the least ratio of one to the one before.
        because: why it is that large.
    """

    rising: tuple[str, ...]
    factor: float
    because: str


Judge = Near | Bounds | Order


@dataclass(frozen=True)
class Claim:
    """A line of the table of published results.

    Attributes:
        key: short and unique.
        source: authors, year, title, and where in the paper.
        says: what is published there, in a sentence.
        numbers: quantities for which the paper prints a number or gives a formula; the value of either.
        setting: what was measured here, and on what.
        measure: ``measure(seed, quick)``.
        judge: what must hold.
        only: why no more than an order can be compared; ``None`` where numbers or a rule are.
        misses: why it may not come out here, said only where it does not.
        seeds: how many are worth while; ``None``: as many as are asked for. One, where nothing is drawn.
        cost: seconds that one seed takes on one core, about; of the quick version the second.
        quick: whether it belongs to the quick version.
    """

    key: str
    source: str
    says: str
    setting: str
    measure: Callable[[int, bool], Quantities]
    judge: Judge
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    only: str | None = None
    misses: str | None = None
    seeds: int | None = None
    cost: tuple[float, float] = (1.0, 1.0)
    quick: bool = True


@dataclass(frozen=True)
class Judged:
    """A verdict, and the sentence that gives its reason."""

    verdict: Verdict
    why: str


def judged(claim: Claim, measured: Sequence[Quantities]) -> Judged:
    """Compares what the seeds gave with what is published."""
    missed = _missed(claim, measured)
    if missed:
        return Judged("not reproduced", " ".join([*missed, *([claim.misses] if claim.misses else [])]))
    if claim.only is not None:
        return Judged("order only", claim.only)
    return Judged("reproduced", _within(claim, measured))


def tolerance(judge: Judge) -> str:
    """Says what must hold, and why."""
    match judge:
        case Near(share, because):
            return f"within {100 * share:.2g} %: {because}"
        case Bounds(because, least, most):
            bounds = [f"{name} at least {value:.3g}" for name, value in least.items()]
            bounds += [f"{name} at most {value:.3g}" for name, value in most.items()]
            return f"with every seed {', '.join(bounds)}: {because}"
        case Order(rising, factor, because):
            return f"with every seed {' < '.join(rising)}, each by a factor of {factor:g}: {because}"


def in_words(measured: Sequence[Quantities]) -> str:
    """Writes what was measured: the mean of each quantity, and from where to where its seeds go."""
    return "; ".join(f"{name} {spread([each[name] for each in measured])}" for name in measured[0])


def spread(values: Sequence[float]) -> str:
    """Writes a mean and the range around it."""
    mean = statistics.fmean(values)
    if len(values) == 1 or written(min(values)) == written(max(values)):
        return written(mean)
    return f"{written(mean)} ({written(min(values))} to {written(max(values))})"


def written(value: float) -> str:
    """Four digits, as the published numbers have them."""
    return f"{value:.4g}"


def _missed(claim: Claim, measured: Sequence[Quantities]) -> list[str]:
    match claim.judge:
        case Near(share, _):
            means = {name: statistics.fmean(each[name] for each in measured) for name in claim.numbers}
            return [
                f"{name} is {written(means[name])}, {100 * (means[name] / value - 1):+.2g} % from {written(value)}."
                for name, value in claim.numbers.items()
                if not abs(means[name] / value - 1) <= share
            ]
        case Bounds(_, least, most):
            low = [
                f"{name} is {_all(measured, name)}, not at least {v:.3g}."
                for name, v in least.items()
                if not all(each[name] >= v for each in measured)
            ]
            high = [
                f"{name} is {_all(measured, name)}, not at most {v:.3g}."
                for name, v in most.items()
                if not all(each[name] <= v for each in measured)
            ]
            return low + high
        case Order(rising, factor, _):
            return [
                f"{lower} is {_all(measured, lower)}, and {higher} is {_all(measured, higher)}."
                for lower, higher in pairwise(rising)
                if not all(each[higher] >= factor * each[lower] for each in measured)
            ]


def _within(claim: Claim, measured: Sequence[Quantities]) -> str:
    if not isinstance(claim.judge, Near):
        return f"It holds with {_seeds(len(measured))}."
    errors = {
        name: statistics.fmean(each[name] for each in measured) / value - 1 for name, value in claim.numbers.items()
    }
    worst = max(errors.values(), key=abs)
    return f"At most {100 * abs(worst):.2g} % off." if abs(worst) > 1e-12 else "Exactly."


def _all(measured: Sequence[Quantities], name: str) -> str:
    values = [written(each[name]) for each in measured]
    return ", ".join(dict.fromkeys(values))


def _seeds(count: int) -> str:
    return "the one seed" if count == 1 else f"each of {count} seeds"


def finite(value: float) -> float:
    """Returns a loss, and infinity in place of what is no number: a training that diverged is the worst."""
    return value if math.isfinite(value) else math.inf
