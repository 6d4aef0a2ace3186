"""All remedies. A new one adds its line here."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.errors import InputError
from headwater.records import REMEDIES
from headwater.remedies import (
    activation_swap,
    adaptive_optimizer,
    autocast,
    bfloat16,
    chrono_init,
    clip_gradient,
    decaying_rate,
    decoupled_decay,
    find_non_finite,
    forget_bias,
    gated_recurrence,
    init_attention,
    init_matched,
    kahan_summation,
    leaky_activation,
    loop_recurrence,
    loss_scaling,
    lower_decay,
    lower_epsilon,
    lower_rate,
    master_weights,
    match_loss,
    match_shapes,
    momentum,
    normalisation,
    normalise_elsewhere,
    normalise_queries,
    orthogonal_recurrence,
    position_encoding,
    pre_norm,
    raise_rate,
    random_init,
    reconnect,
    register_parameters,
    relax_clip,
    remove_output_activation,
    remove_softmax,
    residual,
    scale_logits,
    scale_residual,
    standardise_inputs,
    standardise_targets,
    stochastic_rounding,
    zero_bias,
)
from headwater.remedies.remedy import Remedy


def registered(remedies: Sequence[Remedy]) -> dict[str, Remedy]:
    """Returns remedies by key.

    Raises:
        ValueError: two have the same key, or one has a code that no finding can name.
    """
    found: dict[str, Remedy] = {}
    for remedy in remedies:
        if remedy.key in found:
            raise ValueError(f"Two remedies are called {remedy.key}")
        if remedy.code not in REMEDIES:
            raise ValueError(f"{remedy.key} has a code that records/remedy.py does not know")
        found[remedy.key] = remedy
    return found


_ALL = registered(
    [
        *activation_swap.REMEDIES,
        *adaptive_optimizer.REMEDIES,
        *autocast.REMEDIES,
        *bfloat16.REMEDIES,
        *chrono_init.REMEDIES,
        *clip_gradient.REMEDIES,
        *decaying_rate.REMEDIES,
        *decoupled_decay.REMEDIES,
        *find_non_finite.REMEDIES,
        *forget_bias.REMEDIES,
        *gated_recurrence.REMEDIES,
        *init_matched.REMEDIES,
        *init_attention.REMEDIES,
        *kahan_summation.REMEDIES,
        *leaky_activation.REMEDIES,
        *loop_recurrence.REMEDIES,
        *loss_scaling.REMEDIES,
        *lower_decay.REMEDIES,
        *lower_epsilon.REMEDIES,
        *lower_rate.REMEDIES,
        *master_weights.REMEDIES,
        *match_loss.REMEDIES,
        *match_shapes.REMEDIES,
        *momentum.REMEDIES,
        *normalisation.REMEDIES,
        *normalise_elsewhere.REMEDIES,
        *normalise_queries.REMEDIES,
        *orthogonal_recurrence.REMEDIES,
        *position_encoding.REMEDIES,
        *pre_norm.REMEDIES,
        *raise_rate.REMEDIES,
        *random_init.REMEDIES,
        *reconnect.REMEDIES,
        *register_parameters.REMEDIES,
        *relax_clip.REMEDIES,
        *remove_output_activation.REMEDIES,
        *remove_softmax.REMEDIES,
        *residual.REMEDIES,
        *scale_logits.REMEDIES,
        *scale_residual.REMEDIES,
        *standardise_inputs.REMEDIES,
        *standardise_targets.REMEDIES,
        *stochastic_rounding.REMEDIES,
        *zero_bias.REMEDIES,
    ]
)


def remedy(key: str) -> Remedy:
    """Returns the remedy with this key.

    Raises:
        InputError: there is none.
    """
    if key not in _ALL:
        raise InputError(f"There is no remedy {key!r}. Known are: {', '.join(_ALL)}.")
    return _ALL[key]


def answering(code: str) -> tuple[Remedy, ...]:
    """Returns the remedies that go by a code which findings name, the likeliest to help first."""
    return tuple(each for each in _ALL.values() if each.code == code)
