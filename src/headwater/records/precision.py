"""What rounding, epsilon, weight decay and clipping left of the gradient and of the step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NumbersRecord:
    """One weight (two dimensions or more) over the probation; ``None`` where there was nothing to measure.

    Attributes:
        name: of the parameter.
        dtype: of the parameter, e.g. ``"bfloat16"``.
        numel: its number of elements.
        captured: ``kappa = <applied, intended> / |intended|^2`` over the judged steps, where `intended` is the step
            that the same optimizer takes in a wider dtype; 1 when nothing is lost to rounding, or when the optimizer
            keeps what was lost (master weights, compensated summation).
        intended_ratio: ``|intended| / |weight|``, median over the judged steps.
        gradient_lost: share of the elements with a gradient that is zero here, and not zero when the loss is scaled up.
        gradient_captured: ``<g, g'> / |g'|^2`` with ``g'`` the gradient of the scaled loss, divided by the scale.
        recovered: whether the scaled loss gave it a gradient at all.
        epsilon_share: share of the elements that ever got a gradient with ``sqrt(v_hat) < 10 eps``.
        step_kept: mean over the same elements of ``sqrt(v_hat) / (sqrt(v_hat) + eps)``: what epsilon leaves of a step.
        decay_to_gradient: ``|decay * w| / |g|`` under weight decay that goes through an adaptive optimizer's state,
            over the elements with a gradient, at the last step.
        toward_zero: cosine between the last step and ``-w``.
        shrink: share of the weight's norm that the last step took away.
    """

    name: str
    dtype: str
    numel: int
    captured: float | None = None
    intended_ratio: float | None = None
    gradient_lost: float | None = None
    gradient_captured: float | None = None
    recovered: bool = True
    epsilon_share: float | None = None
    step_kept: float | None = None
    decay_to_gradient: float | None = None
    toward_zero: float | None = None
    shrink: float | None = None


@dataclass(frozen=True)
class ClipRecord:
    """The gradient before and after clipping, at one step: joint norms over all parameters that are clipped."""

    step: int
    norm: float
    consumed: float


@dataclass(frozen=True)
class PrecisionRecord:
    """Numerical health of the gradient and of the step.

    Attributes:
        weights: what was measured of each weight; weights of which nothing was are left out.
        clips: the judged steps, where something between the backward pass and the step changes the gradient.
        adaptive: whether the optimizer's step does not depend on the scale of the gradient (it divides by its size).
        epsilon: of the optimizer's first group that has one.
        weight_decay: the largest of the optimizer's groups.
        loss_scale: by which the loss was multiplied to see what underflows; ``None`` when nothing looked like it.
        gradient_dtype: narrowest dtype in which gradients were computed.
        fit: loss over the loss with shuffled targets; near 0 for a network that has converged, near 1 for one that has
            learnt nothing; ``None`` where it was not asked or cannot be known.
    """

    weights: tuple[NumbersRecord, ...] = ()
    clips: tuple[ClipRecord, ...] = ()
    adaptive: bool = False
    epsilon: float | None = None
    weight_decay: float = 0.0
    loss_scale: float | None = None
    gradient_dtype: str = ""
    fit: float | None = None
