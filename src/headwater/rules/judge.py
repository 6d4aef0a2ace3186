"""From a measurement to findings in order: root causes first, what follows from them under them.

Several rules may see one fault. `EXPLAINS` says which finding is a consequence of which, when both are there. Where the
table cannot say it alone, because cause and effect can stand either way round, `_LEADS` asks the measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from headwater.records import Finding, Measurement
from headwater.rules.chain import NAMES, factor
from headwater.rules.dead_units import dead_layers
from headwater.rules.registry import RULES
from headwater.rules.saturated_units import saturated_layers
from headwater.rules.vanishing_gradient import in_one_place

_RATES = ("HW401", "HW402", "HW403")
_PRECISION = ("HW501", "HW502", "HW503", "HW504")
"""What no rate mends makes a rate look too small, too large, or in need of falling."""

EXPLAINS: dict[str, tuple[str, ...]] = {
    # Equal units are one unit: with zeros nothing passes, with ones the gradient grows by the width, and all units are
    # dead or saturated together.
    "HW607": ("HW602", "HW103", "HW101", "HW102", "HW301", "HW302", *_RATES),
    # A weight that never moves can keep those below it from a gradient (the second factor of an adapter).
    "HW606": ("HW602", *_RATES),
    # Inputs of the wrong size saturate and kill the first units and make the first steps too long. Otherwise they
    # do not change the factors of the chain: vanishing follows only by way of HW302 or HW301.
    "HW605": ("HW302", "HW301", "HW102", "HW701", "HW103", "HW505", *_RATES),
    # A softmax over one unit gives zero gradients and a constant output; an unbounded loss, or one far out of reach,
    # diverges. What happens above the last layer cancels from the ratio of two layers: it does not explain HW101.
    "HW603": ("HW602", "HW701", "HW103", *_RATES),
    # Through time first: the depth of a loop is its steps.
    "HW202": ("HW102", "HW701", "HW302", "HW301", "HW602", "HW103", "HW505", *_RATES),
    "HW201": ("HW101", "HW602", *_RATES),
    # A step with an exploded gradient kills ReLUs and saturates sigmoids for good, and ends in infinity.
    "HW102": ("HW701", "HW302", "HW301", "HW602", "HW103", "HW505", *_RATES),
    # Equal positions leave queries and keys without a gradient, and what reaches the loss alike for all samples.
    "HW104": ("HW101", "HW103", "HW602", "HW401", "HW403"),
    # Flat rows of a softmax starve what lies below queries and keys.
    "HW303": ("HW101", "HW103", "HW104", "HW602", "HW401", "HW403"),
    # A gradient below the numbers of its format is exactly zero for the weights.
    "HW502": ("HW602", *_RATES),
    # Small factors shrink the forward signal as well, and here and there the gradient to zero; where the signal has
    # collapsed, a ReLU is on for all samples or for none. What is left of the gradient is below epsilon, below the
    # decay, below the numbers of its format, and its steps are below the spacing of the weights.
    "HW101": ("HW103", "HW301", "HW602", *_PRECISION, *_RATES),
    # A part without slope passes nothing on, in either direction. Weights that saturate a tanh also make what is left
    # of the gradient explode.
    "HW302": ("HW602", "HW101", "HW102", "HW103", *_PRECISION, *_RATES),
    "HW301": ("HW602", "HW101", "HW103", *_RATES),
    "HW103": ("HW301", "HW101", *_PRECISION),
    # A factor of zero for every sample is zero in the forward direction too.
    "HW602": ("HW103",),
    "HW601": _RATES,
    "HW604": _RATES,
    # A step cut short, by a limit or by epsilon, may be rounded away as well; and what is cut short looks like a rate
    # that is too small.
    "HW505": ("HW503", "HW501", *_RATES),
    "HW503": ("HW501", *_RATES),
    "HW501": _RATES,
    "HW504": _RATES,
    # A step that is too long ends in infinity, or in a place where the answer no longer depends on the input, or where
    # attention is one-hot. It counts only if a smaller rate trains: then attention was not so from the start.
    "HW402": ("HW701", "HW103", "HW602", "HW303", "HW104"),
}
"""Code -> codes that it explains when both are present. The order is that of roots of equal severity."""

MOST_OF_LOG = 0.5
"""A part accounts for the vanishing when it makes up more than half of ``ln A``."""
MOST_ACTIVATIONS = 0.5
"""Share of the hidden activations beyond which saturation is everywhere."""
MATCHED = 0.5
"""Share of inactive units that a ReLU has anyway, and that its initialisation makes up for."""

_SEVERITY = {"error": 0, "warning": 1, "info": 2}
_RANK = {code: rank for rank, code in enumerate(EXPLAINS)}


def judge(measurement: Measurement) -> tuple[Finding, ...]:
    """Runs all rules; returns root causes by severity, each followed by the findings that it explains."""
    findings = [finding for rule in RULES if (finding := rule.check(measurement))]
    return arrange(measurement, findings)


def arrange(measurement: Measurement, findings: list[Finding]) -> tuple[Finding, ...]:
    """Sets `under` on consequences, to the code of their root, and puts the findings in order."""
    explains = _edges(measurement, {f.code for f in findings if f.severity != "info"})
    root = {f.code: _root(f.code, explains) for f in findings}
    placed = [replace(f, under=root[f.code] if root[f.code] != f.code else None) for f in findings]
    worst = {code: min(_SEVERITY[f.severity] for f in findings if root[f.code] == code) for code in set(root.values())}

    def position(finding: Finding) -> tuple[int, int, str, bool, int, str]:
        leader = root[finding.code]
        return (
            worst[leader],
            _RANK.get(leader, len(_RANK)),
            leader,
            finding.under is not None,
            _SEVERITY[finding.severity],
            finding.code,
        )

    return tuple(sorted(placed, key=position))


def _edges(measurement: Measurement, present: set[str]) -> dict[str, set[str]]:
    """The table among the findings that are there, without the direction that the measurement speaks against."""
    edges = {code: {other for other in EXPLAINS.get(code, ()) if other in present} for code in present}
    for (first, second), leads in _LEADS.items():
        if first in present and second in present:
            loser, winner = (second, first) if leads(measurement) else (first, second)
            edges[loser].discard(winner)
    return edges


def _root(code: str, explains: dict[str, set[str]]) -> str:
    """Follows explanations upward to the best ranked finding that nothing else explains."""
    above = _above(code, explains)
    roots = [each for each in above if all(each in _above(other, explains) for other in _above(each, explains))]
    return min(roots, key=lambda each: _RANK.get(each, len(_RANK)))


def _above(code: str, explains: dict[str, set[str]]) -> set[str]:
    """The finding and all that explain it, directly or not."""
    found, frontier = {code}, {code}
    while frontier:
        frontier = {each for each, below in explains.items() if below & frontier} - found
        found |= frontier
    return found


def _dead_units_lead(measurement: Measurement) -> bool:
    """Whether dead units cost the chain more than half of its gradient's logarithm.

    A layer keeps ``sqrt(1 - d)`` of the norm when a share d of its units is inactive. Half of them are in any ReLU, and
    where the signal has collapsed (every sample the same) half of them look dead: only what goes beyond counts.
    """
    excess = 0.0
    for units in dead_layers(measurement):
        alive = 1.0 - units.dead / units.units
        if alive == 0.0:
            return True
        excess += max(0.0, 0.5 * math.log(MATCHED / alive))
    return excess > MOST_OF_LOG * _lost(measurement)


def _saturation_leads(measurement: Measurement) -> bool:
    """Whether the activations of saturated layers cost the chain more than half of its gradient's logarithm."""
    saturated = {units.layer for units in saturated_layers(measurement)}
    lost = dict.fromkeys(NAMES, 0.0)
    by_saturated = 0.0
    for layer in measurement.layers:
        if layer.gain_parts is None:
            continue
        for name in NAMES:
            value = factor(layer.gain_parts, name)
            lost[name] -= math.log(value) if value > 0 else -math.inf
        if layer.toward in saturated:  # the activation between a layer and the next one below belongs to that one
            value = layer.gain_parts.activation
            by_saturated -= math.log(value) if value > 0 else -math.inf
    total = sum(max(0.0, value) for value in lost.values())
    return math.isinf(by_saturated) or by_saturated > MOST_OF_LOG * total


def _saturation_is_everywhere(measurement: Measurement) -> bool:
    """Whether most hidden activations are saturated: then weights are too large, and the gradient is not the cause."""
    hidden = [units for units in measurement.units if units.role == "hidden"]
    return len(saturated_layers(measurement)) > MOST_ACTIVATIONS * len(hidden)


def _lost(measurement: Measurement) -> float:
    """``-ln A``, at least 0: infinite where the gradient was lost to rounding."""
    profile = measurement.profile
    if profile.underflow_at:
        return math.inf
    attenuation = profile.attenuation
    return max(0.0, -math.log(attenuation)) if attenuation else 0.0


_LEADS: dict[tuple[str, str], Callable[[Measurement], bool]] = {
    ("HW301", "HW101"): _dead_units_lead,
    ("HW301", "HW103"): _dead_units_lead,
    ("HW302", "HW101"): _saturation_leads,
    ("HW302", "HW102"): _saturation_is_everywhere,
    ("HW103", "HW101"): in_one_place,
}
"""Pairs that can stand either way round: whether the first is the cause."""
