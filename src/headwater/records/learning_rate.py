"""What was measured of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

CLEAR = 2.0
"""Standard errors of a difference that counts."""
FALLS = 4.0
"""Standard errors of the batches by which the loss of a training that is under way falls. Losses in a row depend on one
another: among settled trainings the fall from the first third to the last scatters by two of these errors."""
AHEAD = 2.0
"""Ratio of what two arms have learned from which one is far ahead."""
KNOWS = 0.1
"""Share of the loss of knowing nothing that is gone when something was learned (stuck: at most 0.04)."""
CURVED = 0.7
"""rho below which a step goes far into the curvature (gradient descent on digits: 0.68 where it diverges)."""
TINY_UPDATE = 1e-4
"""Median relative update below which a rate may be too small: a tenth of the usual 1e-3 (Karpathy, CS231n)."""
WORTH = 0.01
"""Share of the loss of knowing nothing that is worth gaining (networks that have converged gain at most 0.003)."""


@dataclass(frozen=True)
class RateArm:
    """A short training from the start, over the same batches and with the same random numbers as every other arm.

    Attributes:
        factor: its rate, as a multiple of the user's; 0 for the arm that stands still.
        losses: the loss on each batch of its last third, before the step on it.
        early: the same of its first third; empty for the arm that stands still.
        decaying: whether the rate falls to zero along a line.
        steps: how many it took; one that ends early lost its way to a loss that is not finite.
        learned: share of the loss that it owes to knowing which target belongs to which sample, at its end:
            ``1 - loss / loss with the targets moved on by one sample``. Near 0 for a network that has learned nothing,
            whatever the loss function and its scale. Where the targets cannot be told from the inputs, the share of the
            start's loss that is gone. ``None`` when it lost its way.
        other: that loss with the targets moved on, or in its place the start's; of the arm that stands still, the loss
            of the mean output for every sample where that is less.
    """

    factor: float
    losses: tuple[float, ...]
    early: tuple[float, ...] = ()
    decaying: bool = False
    steps: int = 0
    learned: float | None = None
    other: float | None = None

    @property
    def level(self) -> float:
        """Mean of the losses; infinite when one is not finite."""
        level = fmean(self.losses)
        return level if math.isfinite(level) else math.inf


@dataclass(frozen=True)
class Gain:
    """By how much one arm ends below another, on the same batches.

    Attributes:
        share: difference of the mean losses, as a share of the loss of knowing nothing.
        errors: mean difference by batch, in its standard errors; of logarithms, where losses scatter over decades.
    """

    share: float
    errors: float

    @property
    def worth(self) -> bool:
        """Whether it is large enough to matter, be it certain or not."""
        return self.share > WORTH

    @property
    def clear(self) -> bool:
        """Whether the batches agree on it."""
        return self.errors > CLEAR


@dataclass(frozen=True)
class RateRecord:
    """The learning rate of an optimizer that the user gave, against what the loss bears.

    Sharpness and arms are measured only where a first look finds something odd.

    Attributes:
        rate: the largest of the groups' rates.
        scheduled: rate that a schedule attached to the optimizer starts from or rises to, where that is above `rate`.
        rho: decrease of the loss in the last step, on the batch of that step, over its first-order prediction
            ``-<g, dw>``: near one, the loss is straight along the step; below, it curves up. ``None`` where the step
            did not go down the gradient (momentum can lead it elsewhere), or was not taken.
        fell: share of the first batch's loss that all steps together took away; ``None`` where they went astray.
        update: median relative update of the layers in a step.
        sharpness: largest eigenvalue of the Hessian, divided by what the optimizer divides the gradient by.
        threshold: sharpness that the optimizer bears at its rate before it oscillates ever wider.
        place: ``sharpness / threshold``.
        arms: short trainings at other rates, and one that stands still; none where nothing looked odd.
    """

    rate: float
    scheduled: float | None = None
    rho: float | None = None
    fell: float | None = None
    update: float | None = None
    sharpness: float | None = None
    threshold: float | None = None
    place: float | None = None
    arms: tuple[RateArm, ...] = ()

    def arm(self, factor: float, *, decaying: bool = False) -> RateArm | None:
        """The longest arm at a multiple of the rate."""
        those = [arm for arm in self.arms if (arm.factor, arm.decaying) == (factor, decaying)]
        return max(those, key=lambda arm: arm.steps, default=None)

    @property
    def chance(self) -> float:
        """Loss of a network that knows nothing: the least that any arm has with the targets moved on, or less.

        One that is sure of its answers loses more by wrong ones than by one mean answer to everything.
        """
        return min((arm.other for arm in self.arms if arm.other is not None), default=math.nan)

    def below_chance(self, arm: RateArm) -> float:
        """Share by which the loss of an arm lies below that of knowing nothing; minus infinity for one that is lost."""
        return (self.chance - arm.level) / abs(self.chance) if self.chance else math.nan

    def teaches(self, arm: RateArm, own: RateArm) -> bool:
        """Whether an arm learned something: beside the user's rate, if that lost its way, else below chance.

        A large initialisation starts far above chance, and a short training does not get below it.
        """
        learned = own.learned is None and arm.learned is not None and arm.learned >= KNOWS
        return learned or self.below_chance(arm) >= KNOWS

    def far_ahead(self, arm: RateArm, other: RateArm) -> bool:
        """Whether an arm took away several times as much of the loss of knowing nothing as another one."""
        return self.below_chance(arm) > max(AHEAD * self.below_chance(other), 0.0)

    @property
    def gain_of_falling(self) -> Gain | None:
        """What the rate that falls to zero gains over the constant one; ``None`` where the two were not compared."""
        own, falling = self.arm(1.0), self.arm(1.0, decaying=True)
        if own is None or falling is None or len(own.losses) < 2 or not math.isfinite(own.level - falling.level):
            return None
        pairs = list(zip(own.losses, falling.losses, strict=True))
        logs = all(a > 0 and b > 0 for a, b in pairs)
        gains = [math.log(a / b) if logs else a - b for a, b in pairs]
        error = math.sqrt(variance(gains) / len(gains))
        share = (own.level - falling.level) / abs(self.chance) if self.chance else math.nan
        return Gain(share, fmean(gains) / error if error else math.copysign(math.inf, fmean(gains)))


def under_way(arm: RateArm) -> bool:
    """Whether the loss of an arm clearly falls from its first third to its last."""
    return clearly_falls(arm.early, arm.losses, FALLS)


def clearly_falls(before: Sequence[float], after: Sequence[float], errors: float = CLEAR) -> bool:
    """Whether losses are lower afterwards by so many standard errors of the batches. Two values each, at least."""
    error = math.sqrt(variance(before) / len(before) + variance(after) / len(after))
    return fmean(before) - fmean(after) > errors * error
