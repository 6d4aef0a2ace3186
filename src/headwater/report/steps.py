"""What every picture of the gradient through time shows: the gradient at each step beside that at the last one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from headwater.records import Finding, TimeProfile
from headwater.records.numbers import number
from headwater.report.words import factor

_FAMILY = "HW2"
"""Codes of the findings about time."""
_SMALLEST, _LARGEST = -690.0, 690.0
"""Logarithms of about the least and the largest number that can be written."""


def shares(profile: TimeProfile) -> tuple[tuple[int, float], ...]:
    """Each recorded step, and the gradient there as a share of that at the last one recorded."""
    if not profile.log_gradient:
        return ()
    last = profile.log_gradient[-1]
    return tuple(
        (step, math.exp(min(max(log - last, _SMALLEST), _LARGEST)))
        for step, log in zip(profile.steps, profile.log_gradient, strict=True)
    )


def thinned(points: Sequence[tuple[int, float]], most: int) -> tuple[tuple[int, float], ...]:
    """At most `most` points, evenly chosen, the last and the first among them."""
    if len(points) <= most:
        return tuple(points)
    places = {round(i * (len(points) - 1) / (most - 1)) for i in range(most)}
    return tuple(points[i] for i in sorted(places))


def says(profile: TimeProfile) -> str:
    """One layer in words: its gain a step, its memory, and what was sent back."""
    if profile.gain is None:
        return "too few steps with a gradient"
    memory = f"memory {number(profile.horizon)} steps" if profile.horizon is not None else "no decay"
    probe = "" if profile.probe == "loss" else "; the loss reads many steps, so this is the Jacobian of the last state"
    return f"keeps {factor(profile.gain)} of the gradient a step, {memory}, {profile.length} steps{probe}"


def title(profile: TimeProfile) -> str:
    """The layer's name, kind and direction."""
    layer = f", layer {profile.layer + 1}" if profile.layer else ""
    way = ", in reverse" if profile.direction == "reverse" else ""
    return f"{profile.name} ({profile.kind}{layer}{way})"


def pointed_at(findings: Iterable[Finding]) -> frozenset[str]:
    """Names of the layers that warnings and errors about time point at."""
    faults = [each for each in findings if each.code.startswith(_FAMILY) and each.severity != "info"]
    return frozenset(name for each in faults for name in each.where.names)
