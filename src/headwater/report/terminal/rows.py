"""The profile as rows of text: one for each place, or one for a run of neighbours when there are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.report.view import Place, decisive, distance, mean_gain, mean_parts, place_name

_ENDS = 3
"""Places at either end that are always shown by themselves."""
_WORST = 2
"""Places with the most unusual gains that are always shown by themselves."""
_ODD = 0.18
"""Decades (a factor of 1.5) from the usual gain: within them lie the layers of a uniform network."""


@dataclass(frozen=True)
class Row:
    """One line of the picture.

    Attributes:
        name: the layer, or the last and the first of a run.
        signal: the gradient there; at the end toward the input for a run.
        gain: gain of the layer, or the mean of the run.
        part: the factor that decides the gain, with its size.
        trunk: whether the gradient cannot go around it.
        amount: how many places it stands for.
    """

    name: str
    signal: float | None
    gain: float | None
    part: tuple[str, float] | None
    trunk: bool
    amount: int = 1


def rows(places: Sequence[Place], most: int) -> tuple[Row, ...]:
    """Returns at most about `most` rows, from the output down to the input.

    A long network is first reduced to its trunk; then runs between the ends and the worst places are put together.
    """
    downward = list(reversed(places))
    trunk = [place for place in downward if place.trunk]
    if len(downward) > most and len(trunk) > 2:
        downward = trunk
    if len(downward) <= most:
        return tuple(_row([place]) for place in downward)
    return tuple(_row(run) for run in _runs(downward, most))


def _runs(downward: list[Place], most: int) -> list[list[Place]]:
    ends = min(_ENDS, most // 8)
    kept = set(range(ends)) | set(range(len(downward) - ends, len(downward)))
    usual = mean_gain([place.gain for place in downward if place.gain])
    worst = sorted(range(len(downward)), key=lambda i: -_oddity(downward[i], usual))[:_WORST]
    odd = {i for i in worst if _oddity(downward[i], usual) > _ODD} - kept
    kept |= odd
    room = most - len(kept) - len(odd)  # each of them also cuts a run in two
    size = math.ceil((len(downward) - len(kept)) / max(1, room))
    runs: list[list[Place]] = []
    for index, place in enumerate(downward):
        if index in kept or not runs or index - 1 in kept or len(runs[-1]) == size:
            runs.append([])
        runs[-1].append(place)
    return runs


def _oddity(place: Place, usual: float | None) -> float:
    """How far a gain is from the usual one, in decades: in a uniform network none stands out."""
    if place.gain is None or math.isnan(place.gain) or not usual:
        return 0.0
    return distance(place.gain / usual)


def _row(run: list[Place]) -> Row:
    first, last = run[0], run[-1]
    layers = [place.layer for place in run if place.layer is not None]
    parts = mean_parts([layer.gain_parts for layer in layers if layer.gain_parts is not None])
    name = place_name(first) if len(run) == 1 else f"{place_name(first)} to {place_name(last)}"
    return Row(
        name=name,
        signal=last.signal,
        gain=mean_gain([place.gain for place in run]) if len(run) > 1 else first.gain,
        part=decisive(parts),
        trunk=first.trunk,
        amount=len(run),
    )
