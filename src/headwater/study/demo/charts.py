"""The demo's charts, as SVG that stands in the page."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise

from headwater.study.demo.story import Chapter, Demo
from headwater.study.training import Training

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 320, 150, 28, 18
_POINTS = 150

_WIDE, _HIGH, _MARGIN, _FOOT, _LABELS = 960, 320, 60, 34, 220
_DECADES = 45  # down to 1e-45, the least number of single precision


def loss_curve(training: Training) -> str:
    """Draws the loss over the steps; the dashed line is the loss of guessing."""
    top = 1.25 * training.chance
    base, chance = _HEIGHT - _BOTTOM, _y(training.chance, top)
    points = " ".join(f"{x:.1f},{_y(loss, top):.1f}" for x, loss in _smoothed(training.losses))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="loss over {len(training.losses)} steps">'
        f'<path class="axis" d="M{_LEFT} 4V{base}H{_WIDTH}"/>'
        f'<path class="chance" d="M{_LEFT} {chance:.1f}H{_WIDTH}"/>'
        f'<text x="{_WIDTH}" y="{chance - 5:.1f}" text-anchor="end">guessing</text>'
        f'<text x="0" y="{chance + 4:.1f}">{training.chance:.1f}</text><text x="0" y="{base}">0</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">step {len(training.losses):,}</text>'
        f'<polyline class="curve" points="{points}"/></svg>'
    )


def profiles(demo: Demo) -> str:
    """Draws the gradient at each layer, as a share of the last layer's, for all networks on one logarithmic axis."""
    deepest = max(chapter.plan.depth for chapter in demo.chapters) + 1
    grid = "".join(
        f'<path class="axis" d="M{_MARGIN} {_share_y(10.0**-power):.1f}H{_WIDE - _LABELS}"/>'
        f'<text x="{_MARGIN - 8}" y="{_share_y(10.0**-power) + 4:.1f}" text-anchor="end">{10.0**-power:g}</text>'
        for power in range(0, _DECADES, 10)
    )
    lines = "".join(_line(number, chapter, deepest) for number, chapter in enumerate(demo.chapters, 1))
    return (
        f'<svg class="profiles" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="gradient at each layer">{grid}'
        f'<text x="{_MARGIN}" y="{_HIGH - 6}">the last layer</text>'
        f'<text x="{_WIDE - _LABELS}" y="{_HIGH - 6}" text-anchor="end">{deepest - 1} layers back</text>{lines}</svg>'
    )


def _line(number: int, chapter: Chapter, deepest: int) -> str:
    points = [point for point in chapter.report.profile.points if point.is_layer and point.signal > 0]
    if len(points) < 2:
        return ""
    places = [
        (
            _MARGIN + (_WIDE - _MARGIN - _LABELS) * (points[-1].depth - point.depth) / (deepest - 1),
            point.signal / points[-1].signal,
        )
        for point in points
    ]
    drawn = " ".join(f"{x:.1f},{_share_y(share):.1f}" for x, share in places)
    x, share = places[0]
    # At the end of its line; above it where the lines of deeper networks go on.
    y = _share_y(share) + (4 if chapter.plan.depth + 1 == deepest else -14)
    return (
        f'<g class="{chapter.training.outcome}"><title>{escape(chapter.plan.title)}</title>'
        f'<polyline class="curve" points="{drawn}"/>'
        f'<text x="{x + 8:.1f}" y="{y:.1f}">{number}. {escape(chapter.plan.title)}</text></g>'
    )


def _share_y(share: float) -> float:
    """A share of one lies near the top, one of 1e-45 at the foot."""
    decades = min(max(-math.log10(share), -1.0), _DECADES)
    return 34 + (_HIGH - _FOOT - 34) * decades / _DECADES


def _smoothed(losses: tuple[float, ...]) -> list[tuple[float, float]]:
    """Means of consecutive steps, with their place on the horizontal axis."""
    count = min(_POINTS, len(losses))
    cuts = [index * len(losses) // count for index in range(count + 1)]
    means = [sum(losses[a:b]) / (b - a) for a, b in pairwise(cuts)]
    return [(_LEFT + (_WIDTH - _LEFT) * (i + 0.5) / count, mean) for i, mean in enumerate(means) if math.isfinite(mean)]


def _y(loss: float, top: float) -> float:
    base = _HEIGHT - _BOTTOM
    return base - (base - 4) * min(loss / top, 1.0)
