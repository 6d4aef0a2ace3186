"""The learning rate that the user gave: looked at closely only where a first look finds something odd."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice
from statistics import median
from typing import Any

from torch.optim import Optimizer

from headwater.measure.learning_rate.arms import Course, Twins, knows, run, set_rate, stand_still
from headwater.measure.learning_rate.progress import Progress
from headwater.measure.learning_rate.sharpness import Sharpness, sharpness
from headwater.measure.objective import Objective
from headwater.measure.optimizers import optimise, rate_of
from headwater.records import (
    CURVED,
    KNOWS,
    LOSS_RISES,
    TINY_UPDATE,
    Measurement,
    RateArm,
    RateRecord,
    clearly_falls,
    under_way,
)

LENGTH, LEAST = 3, 8
"""Steps of an arm, in probations of at least so many steps. A plain step costs a quarter to four fifths of a traced."""
THRICE = 3
"""Length of the arms of a network that has learned: less is left to gain, and the batches' noise must be averaged."""
ARMS_OF_PROOF = 4
"""Length, in arms, of the training that must bear out that nothing is learned."""
FEW_BATCHES = 3.0
"""Standard errors by which the few batches of a probation must fall: Student's t at 99 % for two times four."""
HUGE = 0.05
"""Median relative update above which it is looked at for being too large: the weights are replaced in 20 steps."""
STANDS = 0.02
"""Share of a batch's loss that a probation must take away, or something holds the training up."""
FAST = 0.25
"""Share of a batch's loss that a probation takes away where curvature does no harm."""


def look_at_rate(
    found: Measurement,
    its_progress: Progress | None,
    optimizer: Optimizer,
    twins: Twins,
    objective: Objective,
    batches: Sequence[Any],
    more: Iterator[Any],
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> RateRecord | None:
    """Judges the rate by the probation, and where something is odd by short trainings at other rates.

    Args:
        found: what the probation showed.
        its_progress: what one step of it did to the loss; `None` when it was not looked at.
        optimizer: of the probation.
        twins: makes the start anew.
        objective: turns a batch into a loss.
        batches: those of the probation.
        more: further batches, read only when arms are run.
        seed: of the arms' random numbers.
        progress: as in `probation`; goes on counting with a larger number of steps.

    Returns:
        ``None`` when the optimizer has no rate. Of a rate of zero there is nothing to measure.
    """
    record = _first_look(found, its_progress, optimizer)
    if record is None or record.rate == 0:
        return record
    steps = LENGTH * max(len(found.steps), LEAST)
    course = Course(twins, objective, batches, steps, seed, _teller(progress, len(found.steps), steps))
    odd, still = _is_odd(record, found), _stands_still(record, found)
    learned = knows(course) > KNOWS if odd or still else False
    if not odd and not (still and learned):
        return record
    course = _prolonged(course, THRICE if learned else 1, more)
    record = replace(record, arms=_arms(record, course, learned, blown=_blown_up(found)))
    gain = record.gain_of_falling
    if gain is not None and gain.worth and not gain.clear:
        record = replace(record, arms=_level(_prolonged(course, THRICE, more)))
    felt = sharpness_at_start(course) if len(record.arms) > 2 else None
    if felt is None:
        return record
    return replace(record, sharpness=felt.value, threshold=felt.threshold, place=felt.place)


def _first_look(found: Measurement, its_progress: Progress | None, optimizer: Optimizer) -> RateRecord | None:
    groups = [group for group in optimizer.param_groups if rate_of(group) is not None]
    rate = max((float(group["lr"]) for group in groups), default=math.nan)
    if not rate >= 0 or (rate > 0 and its_progress is None):
        return None
    # A scheduler of torch writes the rate that it was given into the group, and a one-cycle schedule its peak.
    ahead = max(float(group.get(key, 0.0)) for group in groups for key in ("initial_lr", "max_lr"))
    updates = [layer.update_ratio for layer in found.layers if layer.update_ratio is not None]
    return RateRecord(
        rate=rate,
        scheduled=ahead if ahead > rate else None,
        rho=its_progress.rho if its_progress is not None else None,
        fell=its_progress.fell if its_progress is not None else None,
        update=median(updates) if updates else None,
    )


def _is_odd(record: RateRecord, found: Measurement) -> bool:
    if record.scheduled and not _blown_up(found):
        return False  # the rate that will be used is another one
    if record.fell is None or record.fell < STANDS or _blown_up(found):
        return True
    if _long(record) or _tiny(record):
        return True
    return _curved(record) and record.fell < FAST


def _tiny(record: RateRecord) -> bool:
    """A rate that a schedule still raises, or has lowered, is tiny on purpose."""
    return record.update is not None and record.update < TINY_UPDATE and record.scheduled is None


def _stands_still(record: RateRecord, found: Measurement) -> bool:
    """Whether the later batches, each seen for the first time, had no clearly lower losses than those before."""
    losses = [step.loss for step in found.steps]
    if len(losses) < 4 or found.batches < len(losses) or record.scheduled:
        return False
    return not clearly_falls(losses[: len(losses) // 2], losses[len(losses) // 2 :], FEW_BATCHES)


def _curved(record: RateRecord) -> bool:
    return record.rho is not None and record.rho < CURVED


def _long(record: RateRecord) -> bool:
    return record.update is not None and record.update > HUGE


def _blown_up(found: Measurement) -> bool:
    first = found.steps[0].loss
    return any(step.non_finite or 0 < LOSS_RISES * first < step.loss for step in found.steps)


def _arms(record: RateRecord, course: Course, learned: bool, *, blown: bool) -> tuple[RateArm, ...]:
    """The start, the user's rate, and as long as they leave the question open further rates."""
    start = stand_still(course)
    own = run(course, 1.0, start)
    arms = (start, own)
    if _tiny(record) and not blown:
        return (*arms, run(course, 10.0, start))
    if learned and not _nothing(own):
        return arms if under_way(own) else (*arms, run(course, 1.0, start, decaying=True))
    if replace(record, arms=arms).below_chance(own) > KNOWS:
        return _slower(record, course, arms) if _curved(record) or _long(record) else arms
    if start.level - own.level > STANDS * abs(start.level) and not (_curved(record) or _long(record) or blown):
        return arms
    arms = (*arms, run(course, 0.1, start))
    if _nothing(arms[-1]) and (blown or not own.level < start.level):
        arms = (*arms, run(course, 0.01, start))
    if own.learned is not None and any(replace(record, arms=arms).teaches(arm, own) for arm in arms[2:]):
        # it can come back from a bad beginning (the "catapult"): only what stays lost counts
        arms = (*arms, run(course, 1.0, start, longer=ARMS_OF_PROOF))
    return arms


def _slower(record: RateRecord, course: Course, arms: tuple[RateArm, ...]) -> tuple[RateArm, ...]:
    """The user's rate learns, by long or curved steps: would a smaller one have learned several times as much?"""
    start, own = arms
    arms = (*arms, run(course, 0.1, start))
    if not replace(record, arms=arms).far_ahead(arms[-1], own):
        return arms
    return (*arms, run(course, 1.0, start, longer=ARMS_OF_PROOF))


def _level(course: Course) -> tuple[RateArm, ...]:
    """What the constant rate and a falling one make of a network that has learned."""
    start = stand_still(course)
    return (start, run(course, 1.0, start), run(course, 1.0, start, decaying=True))


def _prolonged(course: Course, times: int, more: Iterator[Any]) -> Course:
    """The course over so many times the steps, each on a batch of its own as far as there are any."""
    steps = times * course.steps
    return replace(course, steps=steps, batches=[*course.batches, *islice(more, max(0, steps - len(course.batches)))])


def _nothing(arm: RateArm) -> bool:
    return arm.learned is None or arm.learned < KNOWS


def sharpness_at_start(course: Course) -> Sharpness | None:
    """Measures the sharpness at the start; one step at rate zero gathers what an adaptive optimizer divides by."""
    (model, optimizer), batch = course.twins(), course.batch(0)
    course.objective(model, batch).loss.backward()
    rates = [rate_of(group) or 0.0 for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        set_rate(group, 0.0)
    optimise(optimizer, lambda: course.objective(model, batch).loss)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        set_rate(group, rate)
    return sharpness(lambda: course.objective(model, batch).loss, optimizer)


def _teller(progress: Callable[[int, int], None] | None, done: int, steps: int) -> Callable[[], None]:
    """Counts the steps of arms on from those of the probation; how many arms there will be is not known before."""
    if progress is None:
        return lambda: None
    taken = count(done + 1)

    def tell() -> None:
        now = next(taken)
        arms = max(2, math.ceil((now - done) / steps))
        progress(now, done + arms * steps)

    return tell
