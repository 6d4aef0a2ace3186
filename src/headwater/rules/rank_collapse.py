"""HW104 rank-collapse: with depth all positions of a sequence come to hold the same vector.

Attention averages positions. Averaged again and again they become equal, their matrix has rank one, and there
is nothing left to attend to: queries and keys get no gradient, whatever the rate.

## What it means

Each attention is a mixture of its values, and a mixture of mixtures is more even still. Skip connections carry the
differences past the averaging, and pre-norm keeps them. Without skips positions are equal after a few layers
(doubly exponentially fast); with post-norm and dozens of layers, drawn as usual, they come to be equal too.

The network below the collapse can still pass a gradient on, and the loss may creep. What it cannot do is to use the
order or the content of single positions.

## How it is measured

At each attention, over its values v (one vector for each position), per head and sample:

    within   |v - mean over positions| / |v - mean over positions and samples|     1: positions differ; 0: all the same
    spread   |v - mean over positions| / |v|                                       the usual residual
    share    |gradient to queries and keys| / |gradient to values|
    fit      loss / (loss with each sample's targets exchanged for another's), at the last step

Both must fall: a vector that all positions of all samples hold, such as a large bias, makes the spread small, and
averages nothing away. With a single sample the two are the same.

Attentions of one kind (those whose path differs in numbers only) form a chain. It has collapsed where the spread falls
below 3 % and `within` below 10 % of what they were, and they do not come back: a decoder that starts from equal queries
regains them.

The outputs are judged as well, where there is a target for each position and the targets of a sample differ: positions
that give one and the same answer after the steps can never be told apart, with or without attention.

## Thresholds

| what | value | source |
| --- | --- | --- |
| cause | spread < 0.03 and within < 0.1 of the largest before, to the end | measured, see below |
| effect | share < 0.1 of the largest before | queries get the square of what is left, keys as much as is left |
| error | cause, effect, and fit > 0.9 | nothing was learnt |
| silent | fit < 0.5 | it has learnt to summarise |
| same answer | 1e-4 of what varies in the outputs lies between positions | rounding leaves 1e-7 |

Measured on two seeds of post-norm networks, spread and `within` at the last layer over the largest: 10 layers 0.21
to 0.25 and 0.36; 12 layers 0.07 to 0.12 and 0.21, which learn after a while; 20 layers 0.004 to 0.012 and 0.03 to
0.04, which do not; 24 layers 1e-4 and 0.03. Models as shipped keep 0.55 and more of `within`, 24 pre-norm layers 0.2.
The size of the share says nothing: where weights are drawn with a deviation of 0.02, healthy models start at 1e-6.

Silent are attentions over one key, and chains whose positions were alike from the start.

## What to do

Lead a skip connection around each attention. Normalise inside the branch (pre-norm) and not on the stream, or scale the
stream up against the branches as DeepNorm does. In a pure attention network add the feed-forward parts.

## What not to do

Warm-up and another rate do not bring differences back that the forward pass has averaged away.

## References

- Dong, Cordonnier, Loukas 2021, "Attention is not all you need: pure attention loses rank doubly exponentially with
  depth", ICML, arXiv 2103.03404
- Noci, Anagnostidis, Biggio, Orvieto, Singh, Lucchi 2022, "Signal propagation in transformers: theoretical perspectives
  and the role of rank collapse", NeurIPS, arXiv 2206.03126
- Wang, Ma, Dong, Huang, Zhang, Wei 2022, "DeepNet: scaling transformers to 1,000 layers", arXiv 2203.00555
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from headwater.records import AttentionRecord, Finding, Measurement, Where
from headwater.records.numbers import number
from headwater.rules.common import named
from headwater.rules.rule import Rule
from headwater.rules.thresholds import LEARNT, NOTHING_LEARNT

CODE, NAME = "HW104", "rank-collapse"

SPREAD, WITHIN = 0.03, 0.1
"""What is left of the two over the largest before: between 12 post-norm layers (0.07 and 0.21), which learn, though
late, and 20 (0.012 and 0.04), which do not."""
ALIKE = 0.01
"""Differences that are smaller at their largest were never there: the inputs are alike."""
EQUAL = 1e-4
"""Part of what varies in the outputs that lies between positions, where each gives the same answer: float32's rounding
leaves 1e-7, and one step along different gradients far more."""
STARVED = 0.1
"""Gradient to queries and keys over that to values, over the largest before."""
LEAST = 3
"""Attentions of one kind that make a chain."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for chains of attentions along which the positions become equal."""
    fit = measurement.head.fit
    if fit is not None and fit < LEARNT:
        return None
    if (_position_spread(measurement)) < EQUAL:
        return _same_answer(measurement)
    collapsed = [(chain, place) for chain in chains(measurement.attention) if (place := _collapse(chain)) is not None]
    if not collapsed:
        return None
    chain, place = max(collapsed, key=lambda found: len(found[0]) - found[1])
    first, at, last = max(chain[:place], key=differences), chain[place], chain[-1]
    left = _left(chain)
    starved = left is not None and left < STARVED
    evidence: dict[str, float | int | str] = {
        "differences at first": differences(first),
        "differences at last": differences(last),
        "spread at last": last.token_spread or 0.0,
        "attentions": len(chain),
        "collapsed": len(chain) - place,
    }
    if last.token_cosine is not None:
        evidence["cosine at last"] = last.token_cosine
    if left is not None:
        evidence["query and key gradient left"] = left
    if fit is not None:
        evidence["fit"] = fit
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if starved and fit is not None and fit > NOTHING_LEARNT else "warning",
        where=Where(at.name, tuple(dict.fromkeys(each.name for each in chain[place:])), at.file, at.line),
        message=f"From {named(at.name or 'the model')} on, all positions hold nearly the same: of their differences "
        f"({number(differences(first))} of what varies) {number(differences(last))} is left at the last of "
        f"{len(chain)} attentions.",
        cause=_cause(last, left if starved else None),
        evidence=evidence,
        remedies=("pre-norm", "scale-residual") if last.normalised_stream else ("residual", "scale-residual"),
    )


def _position_spread(measurement: Measurement) -> float:
    spread = measurement.head.position_spread
    return 1.0 if spread is None else spread


def _same_answer(measurement: Measurement) -> Finding:
    """The finding on outputs that do not depend on the position, whatever stands in between."""
    spread = _position_spread(measurement)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error",
        where=Where(),
        message=f"Each position of a sample gives the same answer, although the targets differ: of what varies in the "
        f"outputs {number(spread)} lies between positions.",
        cause="The positions hold the same vector where they reach the last layer: they began alike and nothing tells "
        "them apart (no position is added to equal queries or blanks), or they were averaged on the way.",
        evidence={"position spread": spread},
        remedies=("position-encoding", "residual"),
    )


def chains(attention: Sequence[AttentionRecord]) -> list[list[AttentionRecord]]:
    """Attentions whose paths differ in numbers only, input to output; those over one key are left out.

    So encoder, decoder, and what looks from one to the other are judged each for itself.
    """
    found: dict[str, list[AttentionRecord]] = {}
    for each in attention:
        if each.token_spread is not None:
            found.setdefault(re.sub(r"\d+", "#", each.name), []).append(each)
    return [chain for chain in found.values() if len(chain) >= LEAST]


def differences(record: AttentionRecord) -> float:
    """How far the positions differ: beside what varies between samples too, or alone where there is one sample."""
    return (record.token_spread if record.token_share is None else record.token_share) or 0.0


def _collapse(chain: Sequence[AttentionRecord]) -> int | None:
    """Index of the first attention from which on both measures stay below their share of the largest before."""
    return next((place for place in range(1, len(chain)) if _collapsed(chain[:place], chain[place:])), None)


def _collapsed(before: Sequence[AttentionRecord], after: Sequence[AttentionRecord]) -> bool:
    if max(map(differences, before)) <= ALIKE:
        return False
    return _left_of(differences, before, after) < WITHIN and _left_of(_spread, before, after) < SPREAD


def _left_of(
    measure: Callable[[AttentionRecord], float], before: Sequence[AttentionRecord], after: Sequence[AttentionRecord]
) -> float:
    most = max(map(measure, before))
    return max(map(measure, after)) / most if most > 0 else 1.0


def _spread(record: AttentionRecord) -> float:
    return record.token_spread or 0.0


def _left(chain: Sequence[AttentionRecord]) -> float | None:
    """Gradient to queries and keys beside that to values at the last attention, over the largest before."""
    *before, last = (_share(each) for each in chain)
    known = [share for share in before if share]
    return last / max(known) if last is not None and known else None


def _share(record: AttentionRecord) -> float | None:
    """Gradient to queries and keys over that to values."""
    if not record.value_gradient or record.query_gradient is None or record.key_gradient is None:
        return None
    return math.hypot(record.query_gradient, record.key_gradient) / record.value_gradient


def _cause(last: AttentionRecord, left: float | None) -> str:
    how = {
        True: "The stream itself is normalised after each block (post-norm), so that what skips around the attention "
        "is scaled down again and again.",
        False: "Each attention averages its positions, and the skips do not carry enough past it.",
        None: "Each attention averages its positions, and no skip connection carries their differences past it.",
    }[last.normalised_stream]
    effect = " Beside the values, queries and keys get {} of the gradient that they had."
    return how + (effect.format(number(left)) if left is not None else "")


RULE = Rule(CODE, NAME, check, __doc__ or "")
