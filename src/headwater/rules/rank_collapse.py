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

    spread   |v - mean over positions|_F / |v|_F          1: positions differ; 0: all hold the same
    share    |gradient to queries and keys| / |gradient to values|
    fit      loss / (loss with each sample's targets exchanged for another's), at the last step

Attentions of one kind (those whose path differs in numbers only) form a chain. It has collapsed where the spread falls
below 3 % of what it was and does not come back: a decoder that starts from equal queries regains it.

## Thresholds

| what | value | source |
| --- | --- | --- |
| cause | spread < 0.03 of the largest before, to the end of the chain | measured: 0.01 fails, 0.12 and more trains |
| effect | share < 1e-2 at the last attention | queries and keys learn a hundred times less than values |
| error | cause, effect, and fit > 0.9 | nothing was learnt |
| silent | fit < 0.5 | it has learnt to summarise |

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
from collections.abc import Sequence

from headwater.records import AttentionRecord, Finding, Measurement, Where
from headwater.records.numbers import number
from headwater.rules.common import named
from headwater.rules.rule import Rule

CODE, NAME = "HW104", "rank-collapse"

COLLAPSED = 0.03
"""Spread between positions over the largest before it. Between 0.011 (20 post-norm layers that do not train) and 0.12
(24 pre-norm layers that do)."""
STARVED = 1e-2
"""Gradient to queries and keys over that to values."""
LEARNT, NOTHING_LEARNT = 0.5, 0.9
"""Loss over the loss with exchanged targets: well below one the outputs follow the targets."""
LEAST = 3
"""Attentions of one kind that make a chain."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for chains of attentions along which the positions become equal."""
    fit = measurement.head.fit
    if fit is not None and fit < LEARNT:
        return None
    collapsed = [(chain, place) for chain in chains(measurement.attention) if (place := _collapse(chain)) is not None]
    if not collapsed:
        return None
    chain, place = max(collapsed, key=lambda found: len(found[0]) - found[1])
    first, at, last = max(chain[:place], key=_spread), chain[place], chain[-1]
    share = _share(last)
    starved = share is not None and share < STARVED
    evidence: dict[str, float | int | str] = {
        "spread at first": _spread(first),
        "spread at last": _spread(last),
        "attentions": len(chain),
        "collapsed": len(chain) - place,
    }
    if share is not None:
        evidence["query and key share"] = share
    if fit is not None:
        evidence["fit"] = fit
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if starved and fit is not None and fit > NOTHING_LEARNT else "warning",
        where=Where(at.name, tuple(dict.fromkeys(each.name for each in chain[place:])), at.file, at.line),
        message=f"From {named(at.name or 'the model')} on, all positions hold nearly the same: of their spread "
        f"({number(_spread(first))} at first) {number(_spread(last))} is left at the last of {len(chain)} attentions.",
        cause=_cause(last, share if starved else None),
        evidence=evidence,
        remedies=("pre-norm", "scale-residual") if last.normalised_stream else ("residual", "scale-residual"),
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


def _collapse(chain: Sequence[AttentionRecord]) -> int | None:
    """Index of the first attention from which on the spread stays below `COLLAPSED` times the largest before."""
    for place in range(1, len(chain)):
        before = max(map(_spread, chain[:place]))
        if before > COLLAPSED and max(map(_spread, chain[place:])) < COLLAPSED * before:
            return place
    return None


def _spread(record: AttentionRecord) -> float:
    return record.token_spread or 0.0


def _share(record: AttentionRecord) -> float | None:
    """Gradient to queries and keys over that to values."""
    if not record.value_gradient or record.query_gradient is None or record.key_gradient is None:
        return None
    return math.hypot(record.query_gradient, record.key_gradient) / record.value_gradient


def _cause(last: AttentionRecord, share: float | None) -> str:
    how = {
        True: "The stream itself is normalised after each block (post-norm), so that what skips around the attention "
        "is scaled down again and again.",
        False: "Each attention averages its positions, and the skips do not carry enough past it.",
        None: "Each attention averages its positions, and no skip connection carries their differences past it.",
    }[last.normalised_stream]
    effect = f" Queries and keys get {number(share)} times the gradient of the values." if share is not None else ""
    return how + effect


RULE = Rule(CODE, NAME, check, __doc__ or "")
