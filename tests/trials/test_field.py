"""The field: its first places, and few looks more than they take."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from headwater.records import Finding, Where
from headwater.trials.candidates import Proposal, combinations, likeliest_first, others, singles
from headwater.trials.field import AT_ONCE, FIELD, Field, drawn_up
from headwater.trials.workload import Screening

FINDINGS = [
    Finding(
        "HW101",
        "vanishing-gradient",
        "error",
        Where(),
        "",
        "",
        remedies=("activation-swap", "residual", "init-matched"),
    ),
    Finding("HW402", "rate-too-large", "warning", Where(), "", "", remedies=("lower-rate",)),
]


class Looks:
    """Passes what `passes` says."""

    def __init__(self, passes: Callable[[Proposal], bool], otherwise: str = "screened out") -> None:
        self.passes, self.otherwise = passes, otherwise
        self.asked: list[Sequence[Proposal]] = []

    def __call__(self, proposals: Sequence[Proposal]) -> dict[Proposal, Screening]:
        self.asked.append(proposals)
        return {
            each: Screening(each.remedies, "passed" if self.passes(each) else self.otherwise, "")  # type: ignore[arg-type]
            for each in proposals
        }


def drawn(looks: Looks) -> Field:
    found = drawn_up(FINDINGS, looks)
    once = [each for some in looks.asked for each in some]
    assert len(once) == len(set(once)) and set(once) == set(found.looked)
    return found


def slow(passes: Callable[[Proposal], bool]) -> tuple[Proposal, ...]:
    """The field where everything was looked at; nothing is refused here."""
    alone = [*singles(FINDINGS), *(ways[0] for ways in others(FINDINGS))]
    together = combinations(FINDINGS, alone, alone)
    return likeliest_first(FINDINGS, *([each for each in some if passes(each)] for some in (alone, together)))[:FIELD]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [2, 3, 10])
def test_it_holds_who_would_race_if_everything_were_looked_at(seed: int, share: int) -> None:
    def passes(each: Proposal) -> bool:
        return random.Random(f"{seed} {each.remedies}").randrange(share) > 0

    assert drawn(Looks(passes)).racing == slow(passes)


def test_combinations_are_looked_at_until_it_is_full() -> None:
    looks = Looks(lambda _: True)
    found = drawn(looks)
    seen = [each for each in found.looked if len(each.remedies) > 1]
    assert len(found.racing) == FIELD and 0 < len(seen) <= AT_ONCE and found.unseen
    assert not set(found.unseen) & set(found.looked)
    assert set(seen) <= {*found.racing, *found.left}


def test_where_looks_fail_others_move_up_until_none_is_left() -> None:
    single = Looks(lambda each: len(each.remedies) == 1)
    found = drawn(single)
    assert found.unseen == () and all(len(each.remedies) == 1 for each in found.racing)
    nobody = drawn(Looks(lambda _: False))
    assert nobody.racing == nobody.left == nobody.unseen == ()
    assert sum(len(each.remedies) > 1 for each in nobody.looked) > AT_ONCE


def test_of_a_remedy_that_nobody_asked_for_the_next_way_is_tried_where_one_is_refused() -> None:
    looks = Looks(lambda each: each.remedies[0].split(":")[-1] != "adam", otherwise="refused")
    found = drawn(looks)
    optimizers = [each.remedies[0] for each in found.looked if each.remedies[0].startswith("adaptive-optimizer")]
    assert optimizers[0].endswith(":adam") and len(optimizers) == 2
