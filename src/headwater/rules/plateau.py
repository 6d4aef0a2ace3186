"""HW403 plateau: a network that has learned goes back and forth about a level that a falling rate would take it below.

At a constant rate the noise of the batches and the curvature of the loss hold the weights at a distance from the
minimum that grows with the rate. The loss then stands still although there is more to gain.

## What it means

The steps are right on average and cancel one another. This is what "reduce the rate when the loss stops falling" is
for. It is not convergence: a converged network gains nothing from smaller steps. And it is not HW402: this rate did
teach the network, and is only too large for what is left.

## How it is measured

Only where the probation did not lower the loss of a batch that it saw, two short trainings are run from the user's own
weights and optimizer state, on the same batches with the same random numbers: at the constant rate, and at one that
falls along a line to zero. On the same batches, those of the last third, a training that stands still is compared too.
All of this must hold:

    the network has learned something: loss < 0.9 of the loss with the targets moved on by one sample
    constant rate: the loss does not clearly fall from the first third of the training to the last
    falling rate: in the last third the loss is lower than at the constant rate, on the same batches, by at least 1 %
        of the loss of knowing nothing, and by more than 2 standard errors of the differences by batch
    falling rate: it ends below 1.25 times the loss of standing still

The loss of knowing nothing is that of one mean answer to every sample, or with the targets moved on by one sample,
whichever is less: a network that is sure of its answers loses far more by wrong ones than by none.

The batches are ones that neither training has seen, as far as there are any, and each loss is that before the step on
its batch: what is memorised gains nothing. Where the gain is large enough and not certain, both are run three times as
long. The constant rate's last third is the mean of many places around the minimum, so that no single one decides.

Always a warning: the network has learned, and what it has learned is not lost.

## Thresholds

| what | value | source |
| --- | --- | --- |
| learned | 0.1 | what a network is granted that has learned anything at all (stuck ones: at most 0.04) |
| falls | 4 standard errors | as losses in a row depend on one another, this scatters by 2 among settled trainings |
| gain | 1 % of the loss of knowing nothing | networks that have converged gain at most 0.3 %, most of them lose |
| sure | 2 standard errors | of the differences by batch |

## What to do

Let the rate fall: by a cosine or a line to zero over the steps that are left, or by a factor of ten when the loss
stands still (`torch.optim.lr_scheduler.CosineAnnealingLR`, `ReduceLROnPlateau`). A larger batch, or an average of the
weights, quiets the noise as well.

## What not to do

Do not lower the rate too early: while the loss falls, a large rate is the faster one. Do not restart with a larger
network: this one has not been used up. A training loss that stands still may hide nothing at all if the validation loss
is what matters.

## References

- Robbins, Monro 1951, "A stochastic approximation method", Annals of Mathematical Statistics 22
- Smith, Kindermans, Ying, Le 2018, "Don't decay the learning rate, increase the batch size", ICLR, arXiv 1711.00489
- Loshchilov, Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", ICLR, arXiv 1608.03983
"""

from __future__ import annotations

from headwater.records import KNOWS, Finding, Measurement, RateRecord, Where, under_way
from headwater.records.numbers import number
from headwater.rules.common import percent
from headwater.rules.rule import Rule

CODE, NAME = "HW403", "plateau"

SHOCK = 1.25
"""Loss at the falling rate over that of standing still, which remembers batches and so can be lower (measured: to 1.05
with noisy labels); far above, both arms recover from a shock to the optimizer."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for a level of the loss that a falling rate leaves downward."""
    record = measurement.rate
    gain = record.gain_of_falling if record is not None else None
    if record is None or gain is None or not (gain.worth and gain.clear):
        return None
    start, own, falling = record.arm(0.0), record.arm(1.0), record.arm(1.0, decaying=True)
    if start is None or own is None or falling is None or not KNOWS <= (start.learned or 0.0) < 1.0:
        return None
    if under_way(own) or not falling.level < SHOCK * start.level:
        return None
    return _finding(record, start.level, own.level, falling.level)


def _finding(record: RateRecord, level: float, stands: float, falls: float) -> Finding:
    evidence: dict[str, float | int | str] = {
        "rate": record.rate,
        "loss at the start": level,
        "at a constant rate": stands,
        "at a falling rate": falls,
    }
    numbers = {"rho": record.rho, "sharpness": record.sharpness, "threshold": record.threshold, "place": record.place}
    return Finding(
        code=CODE,
        name=NAME,
        severity="warning",
        where=Where(),
        message=f"At the constant rate {number(record.rate)} the loss comes to {number(stands, 3)}; when the rate "
        f"falls to zero over as many steps, to {number(falls, 3)} on the same batches, "
        f"{percent(1 - falls / stands)} less.",
        cause="The steps are too long for the distance that is left: they go back and forth across the minimum.",
        evidence=evidence | {name: value for name, value in numbers.items() if value is not None},
        remedies=("decaying-rate", "lower-rate"),
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
