"""All rules, by code. A new rule adds its own file and one line here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from headwater.errors import UnknownCodeError
from headwater.rules import (
    always_clipped,
    broadcast_loss,
    collapsed_attention,
    collapsed_signal,
    dead_units,
    decay_dominated,
    disconnected_parameter,
    epsilon_dominated,
    exploding_gradient,
    exploding_through_time,
    gradient_underflow,
    learning_rate_too_large,
    learning_rate_too_small,
    lost_updates,
    non_finite,
    optimizer_misses_parameters,
    output_loss_mismatch,
    plateau,
    rank_collapse,
    saturated_units,
    symmetric_initialisation,
    unscaled_data,
    vanishing_gradient,
    vanishing_through_time,
    zero_gradient,
)
from headwater.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    vanishing_gradient.RULE,
    exploding_gradient.RULE,
    collapsed_signal.RULE,
    rank_collapse.RULE,
    vanishing_through_time.RULE,
    exploding_through_time.RULE,
    dead_units.RULE,
    saturated_units.RULE,
    collapsed_attention.RULE,
    learning_rate_too_small.RULE,
    learning_rate_too_large.RULE,
    plateau.RULE,
    lost_updates.RULE,
    gradient_underflow.RULE,
    epsilon_dominated.RULE,
    decay_dominated.RULE,
    always_clipped.RULE,
    disconnected_parameter.RULE,
    zero_gradient.RULE,
    output_loss_mismatch.RULE,
    broadcast_loss.RULE,
    unscaled_data.RULE,
    optimizer_misses_parameters.RULE,
    symmetric_initialisation.RULE,
    non_finite.RULE,
)


def rule(code: str) -> Rule:
    """Returns the rule with this code; small letters and the fault's name do as well.

    Raises:
        UnknownCodeError: no rule has it; the message names the nearest codes.
    """
    wanted = code.strip()
    found = _BY_CODE.get(wanted.upper()) or _BY_NAME.get(wanted.lower())
    if found is None:
        near = _nearest(wanted)
        hint = f"Nearest: {near}." if near else "All codes: headwater explain."
        raise UnknownCodeError(f"No rule has the code {code!r}. {hint}")
    return found


def by_code(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Returns the rules by code.

    Raises:
        ValueError: two rules share a code or a name.
    """
    found: dict[str, Rule] = {}
    names: set[str] = set()
    for each in rules:
        if each.code in found or each.name in names:
            raise ValueError(f"Two rules share the code {each.code} or the name {each.name}.")
        found[each.code] = each
        names.add(each.name)
    return found


def _nearest(wanted: str) -> str:
    codes = difflib.get_close_matches(wanted.upper(), _BY_CODE, n=3, cutoff=0.5)
    names = difflib.get_close_matches(wanted.lower(), _BY_NAME, n=3, cutoff=0.5)
    matches = (names and [_BY_NAME[name].code for name in names]) or sorted(codes)
    return ", ".join(f"{each} ({_BY_CODE[each].name})" for each in matches)


_BY_CODE = by_code(RULES)
_BY_NAME = {each.name: each for each in RULES}
