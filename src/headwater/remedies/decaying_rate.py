"""Let the learning rate fall while the network learns.

## What it does

At a constant rate the noise of the batches and the curvature of the loss hold the weights at a distance from the
minimum that grows with the rate. With n steps in all, and eta the rate,

    cosine        eta (1 + cos(pi t / n)) / 2                  (Loshchilov and Hutter 2017, without restarts)
    linear        eta (1 - t / n)
    step          eta 0.1^floor(3 t / n)                       (by ten, as in He et al. 2016)
    exponential   eta 0.01^(t / n)
    on-plateau    eta / 10 whenever the loss of a twentieth of the steps brought no new minimum

## When not

While the loss falls, a large rate is the faster one: a short training says little for a slow decay. n is written as the
number of steps that was tried, under a comment that asks for the length of the whole training: beyond n a cosine climbs
again, and a line stays at zero. Not where the script attaches a schedule itself.

## Safety

Safe: no function of the network changes. On a plateau the schedule must be told the loss, which only the training loop
knows: that one line is yours to add.

## References

- Robbins, Monro 1951, "A stochastic approximation method", Annals of Mathematical Statistics 22
- Loshchilov, Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", ICLR, arXiv 1608.03983
- He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", CVPR, arXiv 1512.03385
- Defazio et al. 2023, "When, why and how much? Adaptive learning rate scheduling by refinement", arXiv 2310.07831
  (linear decay is hard to beat)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater.records import Change
from headwater.remedies import schedules
from headwater.remedies.options import rounded
from headwater.remedies.remedy import Remedy, Training

_CODE = "decaying-rate"

_KINDS: dict[str, tuple[str, str, Callable[[int], dict[str, Any]]]] = {
    "cosine": ("CosineAnnealingLR", "falls to zero along a cosine", lambda steps: {"T_max": steps}),
    "linear": (
        "LinearLR",
        "falls to zero along a line",
        lambda steps: {"start_factor": 1.0, "end_factor": 0.0, "total_iters": steps},
    ),
    "step": ("StepLR", "falls tenfold after each third", lambda steps: {"step_size": max(1, steps // 3), "gamma": 0.1}),
    "exponential": (
        "ExponentialLR",
        "falls a hundredfold at a steady pace",
        lambda steps: {"gamma": rounded(0.01 ** (1 / max(1, steps)), digits=6)},
    ),
    "on-plateau": (
        "ReduceLROnPlateau",
        "falls tenfold when the loss stands still, which the training loop must tell it",
        lambda steps: {"factor": 0.1, "patience": max(1, steps // 20)},
    ),
}
"""Class, what it does, and its arguments for a number of steps."""


def _decaying(variant: str) -> Remedy:
    kind, does, arguments = _KINDS[variant]
    key = f"{_CODE}:{variant}"

    def apply(training: Training) -> Change:
        says = f"the learning rate {does}" + f" over {training.steps} steps" * (variant != "on-plateau")
        note = f"tried over {training.steps} optimizer steps: adapt this to the number that your whole training takes"
        return schedules.attach(training, key, says, kind, note=note, **arguments(training.steps))

    return Remedy(_CODE, variant, "safe", 2, schedules.refusal, apply, __doc__ or "")


REMEDIES = tuple(_decaying(variant) for variant in _KINDS)
