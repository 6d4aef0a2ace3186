"""published: what the literature says, and whether it comes out here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from headwater.records.numbers import count
from headwater.study.experiment import Column, Experiment, Figure, Row, Statement, Table, number_in, verdict

if TYPE_CHECKING:
    from headwater.study.literature import Claim

VERDICTS = ("reproduced", "order only", "not reproduced")


@dataclass(frozen=True)
class Measured:
    """A published claim, measured from one seed."""

    claim: str
    quick: bool
    seed: int


def points(quick: bool, seeds: int) -> list[Measured]:
    """Returns every claim with its seeds; the quick version leaves some out."""
    from headwater.study.literature import CLAIMS

    return [
        Measured(claim.key, quick, seed)
        for claim in CLAIMS
        if claim.quick or not quick
        for seed in range(min(seeds, claim.seeds or seeds))
    ]


def cost(point: Measured) -> float:
    """Seconds, about."""
    return _claim(point.claim).cost[int(point.quick)]


def measure(point: Measured) -> list[Row]:
    """Measures each quantity of a claim."""
    claim = _claim(point.claim)
    found = claim.measure(point.seed, point.quick)
    return [
        {"part": "quantity", "quantity": name, "measured": value, "published": claim.numbers.get(name)}
        for name, value in found.items()
    ]


def _claim(key: str) -> Claim:
    from headwater.study.literature import CLAIMS

    return next(claim for claim in CLAIMS if claim.key == key)


def derive(table: Table) -> list[Row]:
    """One row for each claim: what is published, what was measured over all seeds, and the verdict."""
    from headwater.study.literature import in_words, judged, tolerance

    found: list[Row] = []
    for key in map(str, table.where(part="quantity").distinct("claim")):
        claim, seeds = _claim(key), _by_seed(table.where(part="quantity", claim=key))
        said = judged(claim, seeds)
        numbers = "; ".join(f"{name} {value:.4g}" for name, value in claim.numbers.items())
        row: Row = {"part": "claim", "claim": key, "source": claim.source, "says": claim.says, "setting": claim.setting}
        row |= {"printed": numbers or claim.says, "found": in_words(seeds), "seeds": len(seeds)}
        row |= {"tolerance": tolerance(claim.judge), "verdict": said.verdict, "why": said.why}
        found.append(row)
    return found


def _by_seed(table: Table) -> list[dict[str, float]]:
    return [
        {str(row["quantity"]): number_in(row, "measured") for row in table.where(seed=seed)}
        for seed in table.distinct("seed")
    ]


def says(table: Table) -> list[Statement]:
    """The claims themselves, with the verdicts on them."""
    from headwater.study.literature import CLAIMS

    lines = {row["claim"]: row for row in table.where(part="claim")}
    quick = True in table.column("quick")
    asked = [claim for claim in CLAIMS if claim.quick or not quick]
    return [_statement(lines[claim.key]) if claim.key in lines else _unknown(claim) for claim in asked]


def _unknown(claim: Claim) -> Statement:
    return Statement(claim.says, f"{claim.setting} Nothing was measured.", verdict(None), claim.source)


def _statement(row: Row) -> Statement:
    measured = f"Measured: {row['found']} ({count(cast(int, row['seeds']), 'seed')})."
    found = f"{row['setting']} {measured} {str(row['verdict']).capitalize()}: {row['why']}"
    return Statement(str(row["says"]), found, verdict(row["verdict"] != "not reproduced"), str(row["source"]))


EXPERIMENT = Experiment(
    name="published",
    title="Published results",
    question="Do the numbers and the orders that the literature prints come out, measured by Headwater?",
    setting=(
        "Each line has its source, what is published there, and what must hold here, and why that. "
        "Reproduced: a number or a formula comes out within its tolerance, or a rule holds. Order only: who is better "
        "than whom comes out, on smaller networks, other data or fewer steps than in the paper. Not reproduced: it "
        "does not come out here, and the reason is given. What is expected is computed from "
        "the formula when the study runs."
    ),
    points=points,
    measure=measure,
    derive=derive,
    cost=cost,
    says=says,
    figures=(
        Figure(
            "claims",
            "table",
            "Published and measured",
            "Measured: the mean over the seeds, and in brackets from where to where they go. Tolerance: a share of the "
            "published number for the mean, or bounds or an order that every seed must keep.",
            "What is not reproduced has its reason with the statement above.",
            columns=(
                Column("claim", "claim"),
                Column("source", "source"),
                Column("printed", "published"),
                Column("found", "measured"),
                Column("tolerance", "what must hold"),
                Column("verdict", "verdict"),
            ),
            where={"part": "claim"},
        ),
        Figure(
            "numbers",
            "points",
            "Measured against published numbers",
            "Every quantity for which a paper prints a number or a formula, each in its own unit; on the dashed line "
            "both are equal.",
            "A point off the line is a number that does not come out.",
            x=Column("published", "published", log=True),
            y=Column("measured", "measured", log=True),
            expected="published",
            where={"part": "quantity"},
        ),
    ),
)
