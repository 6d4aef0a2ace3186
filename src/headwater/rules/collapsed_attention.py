"""HW303 collapsed-attention: rows of the attention that look at one key only, before anything was learnt.

A softmax over logits that are far apart gives one key everything. Such a row has hardly a slope: the weights of queries
and keys cannot find out that another key would have been better, and stay with what chance drew.

## What it means

Trained attention may be sharp: a head that copies the previous token puts nearly all weight on it, and that is what it
has learnt, or what it was built for. There one key stands out and the others are about even. Collapse is sharpness by
*size*: all logits are far apart, so that without its winner a row would be one-hot again, and the outputs do not fit
the targets better than targets of other samples. Above a collapsed layer the network mixes positions at random.

It comes from logits that are too large: scores that are not divided by the square root of the head's width, queries and
keys drawn too wide, inputs that are not normalised, or a step that was far too long.

## How it is measured

For each attention, fused, written out as a softmax between two matrix products, or a pooling (a layer scores each item,
a softmax over the items weighs their sum), over a sample of its rows (one query of one head on one sample) that may
look at more than one key:

    entropy   H = -sum_j p_j ln p_j, and H / ln n with n allowed keys
    one-hot   max_j p_j > 0.99
    rest      H / ln (n - 1) of the one-hot rows without the key that they look at
    fit       loss / (loss with each sample's targets exchanged for another's), at the last step

## Thresholds

| what | value | source |
| --- | --- | --- |
| layer | 80 % of its rows one-hot | measured: at 45 % a two-layer network trained as fast as ever, at 83 % not at all |
| by size | rest < 0.2 | at most 0.1 for normal logits with 80 % one-hot rows (computed); learnt: 0.46 and more |
| keys | at least 4 | with fewer a sharp row is likely by chance |
| silent | fit < 0.5 | it has learnt to be sharp |
| error | half of the attentions, and fit > 0.9 | nothing was learnt |
| warning | the same, and a short training takes off 10 % of chance | it learns, several times as slowly (measured) |

Exempt are rows with one allowed key (the first of a causal mask, or a sequence of one token and padding).

## What to do

Divide the scores by the square root of the head's width; draw queries and keys for unit variance (Xavier); normalise
before the attention. Normalising queries and keys themselves keeps the logits bounded for good.

## What not to do

Do not raise the rate: the slope is missing, not the step. Do not sharpen or flatten a trained model's attention.

## References

- Zhai, Likhomanenko, Littwin, Busbridge, Ramapuram, Zhang, Gu, Susskind 2023, "Stabilizing transformer training by
  preventing attention entropy collapse", ICML, arXiv 2303.06296
- Dehghani et al. 2023, "Scaling vision transformers to 22 billion parameters", ICML, arXiv 2302.05442 (normalised
  queries and keys)
"""

from __future__ import annotations

from headwater.records import KNOWS, AttentionRecord, Finding, Measurement, Where
from headwater.records.numbers import number
from headwater.rules.common import amount, listed, named, percent
from headwater.rules.rule import Rule
from headwater.rules.thresholds import LEARNT, NOTHING_LEARNT

CODE, NAME = "HW303", "collapsed-attention"

ONE_HOT = 0.8
"""Share of a layer's rows; measured on two-layer networks: 0.45 trains as 0 does, 0.83 does not train."""
BY_SIZE = 0.2
"""Relative entropy of the rest: logits from a normal distribution that make 80 % of the rows one-hot leave 0.1 at most,
heads that have learnt 0.46 at least."""
LEAST_KEYS = 4
"""Below, a row is one-hot by chance too often."""
MOST_ATTENTIONS = 0.5
"""Share of the attentions beyond which the network mixes positions at random."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for attentions that are one-hot although nothing was learnt."""
    fit = measurement.head.fit
    judged = [each for each in measurement.attention if each.keys >= LEAST_KEYS and each.one_hot is not None]
    found = [each for each in judged if _one_hot(each) >= ONE_HOT and _by_size(each)]
    if not found or (fit is not None and fit < LEARNT):
        return None
    worst = max(found, key=_one_hot)
    names = tuple(dict.fromkeys(each.name for each in found))
    also = [name for name in names if name != worst.name]
    stuck = len(found) >= MOST_ATTENTIONS * len(judged) and not _learns(measurement)
    stuck = stuck and fit is not None and fit > NOTHING_LEARNT
    evidence: dict[str, float | int | str] = {
        "one-hot rows": _one_hot(worst),
        "entropy": worst.entropy or 0.0,
        "relative entropy": worst.relative_entropy or 0.0,
        "relative entropy of the rest": worst.runners_up or 0.0,
        "collapsed attentions": len(found),
        "attentions": len(judged),
    }
    if fit is not None:
        evidence["fit"] = fit
    effect = " The outputs do not follow the targets." if stuck else ""
    return Finding(
        code=CODE,
        name=NAME,
        severity="error" if stuck else "warning",
        where=Where(worst.name, names, worst.file, worst.line),
        message=f"{percent(_one_hot(worst))} of the rows of the attention in {named(worst.name or 'the model')} look "
        f"at one of {amount(worst.keys, 'key')} only" + (f"; so do most in {listed(also)}." if also else "."),
        cause=f"Their logits are so far apart that the softmax is flat: the mean entropy is {number(worst.entropy)} "
        f"nats, {percent(worst.relative_entropy or 0.0)} of what it can be, and queries and keys hardly get a "
        f"gradient.{effect}",
        evidence=evidence,
        remedies=("scale-logits", "normalise-queries", "init-matched", "lower-rate"),
    )


def _learns(measurement: Measurement) -> bool:
    """Whether a short training at the user's rate, where one was run, came below the loss of knowing nothing."""
    own = measurement.rate.arm(1.0) if measurement.rate is not None else None
    return own is not None and measurement.rate is not None and measurement.rate.below_chance(own) > KNOWS


def _by_size(record: AttentionRecord) -> bool:
    """Whether the rows would be one-hot without their winner too."""
    return record.runners_up is not None and record.runners_up < BY_SIZE


def _one_hot(record: AttentionRecord) -> float:
    return record.one_hot or 0.0


RULE = Rule(CODE, NAME, check, __doc__ or "")
