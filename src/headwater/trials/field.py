"""Which proposals race: those that passed a look, the likeliest to help first, as many as the field holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headwater.records import Finding
from headwater.trials.candidates import Proposal, combinations, likeliest_first, others, singles, told
from headwater.trials.workload import Screening

FIELD = 12
"""Candidates that race at most: with more, the first rung would take longer than the rest."""
AT_ONCE = 4
"""Combinations that are looked at together at least, so that few workers wait."""

Look = Callable[[Sequence[Proposal]], Mapping[Proposal, Screening]]


@dataclass(frozen=True)
class Field:
    """What came of the proposals.

    Attributes:
        racing: those that passed, the likeliest to help first.
        left: others that passed, for which there is no room.
        unseen: combinations that were not looked at, as the field was full without them.
        looked: what was seen of each that was looked at, of what only a person can carry out, too.
    """

    racing: tuple[Proposal, ...]
    left: tuple[Proposal, ...]
    unseen: tuple[Proposal, ...]
    looked: Mapping[Proposal, Screening]


def drawn_up(findings: Sequence[Finding], look: Look) -> Field:
    """Looks at single remedies, at combinations until the field is full, and at what only a person can carry out.

    Args:
        findings: root cause first.
        look: applies proposals and tells what it saw.
    """
    looked = dict(look(singles(findings)))
    waiting = others(findings)
    while waiting:
        looked |= look([ways[0] for ways in waiting])
        waiting = [ways[1:] for ways in waiting if looked[ways[0]].standing == "refused" and ways[1:]]
    alone = list(looked)
    applicable = [each for each in alone if looked[each].standing in ("passed", "screened out")]
    together = combinations(findings, alone, applicable)
    while needed := sum(each not in looked for each in _eligible(findings, alone, together, looked)[:FIELD]):
        unseen = [each for each in _eligible(findings, alone, together, looked) if each not in looked]
        looked |= look(unseen[: max(AT_ONCE, needed)])
    looked |= look(told(findings))
    eligible = _eligible(findings, alone, together, looked)
    passed = tuple(each for each in eligible if each in looked)
    return Field(passed[:FIELD], passed[FIELD:], tuple(each for each in eligible if each not in looked), looked)


def _eligible(
    findings: Sequence[Finding],
    alone: Sequence[Proposal],
    together: Sequence[Proposal],
    looked: Mapping[Proposal, Screening],
) -> tuple[Proposal, ...]:
    """Those that passed or may pass, the likeliest to help first."""
    may_race = {each for each in (*alone, *together) if each not in looked or looked[each].standing == "passed"}
    return likeliest_first(findings, *([each for each in some if each in may_race] for some in (alone, together)))
