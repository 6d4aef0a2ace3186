"""Scale the branches of a residual network down by the root of their number.

## What it does

A stream to which L branches of its own size are added grows by ``2^(L / 2)``, and the gradient with it; where each sum
is normalised, the branches crowd the stream out. The last weight of each branch, and its bias, start ``1 / sqrt(L)``
times as large: then L branches add what the stream has, once. Measured at 40 blocks: the gradient grows 1.65 times
instead of 1.07 million times.

## When not

Where branches start at zero already, where a normalisation stands behind that weight (its size then says nothing), on
weights that look trained, and on branches that a loop over time goes through. It shrinks the start only: a factor in
the forward pass, as in DeepNorm, also slows the branches' learning. That is for the author to write:
``norm(alpha * x + branch(x))`` with ``alpha = (2 L)^(1/4)``.

## Safety

Safe: the network can compute what it could, and only its start is another.

## References

- Zhang, Dauphin, Ma 2019, "Fixup initialization: residual learning without normalization", ICLR, arXiv 1901.09321
- Radford, Wu, Child, Luan, Amodei, Sutskever 2019, "Language models are unsupervised multitask learners", section 2.3
- Wang, Ma, Dong, Huang, Zhang, Wei 2022, "DeepNet: scaling transformers to 1,000 layers", arXiv 2203.00555
"""

from __future__ import annotations

from headwater.errors import RemedyError
from headwater.records import Change, Layer
from headwater.remedies.code import run
from headwater.remedies.draw import loops
from headwater.remedies.fresh import begun, drawable
from headwater.remedies.remedy import Remedy, Training

_CODE = "scale-residual"


def _refusal(training: Training) -> str | None:
    if why := begun(training):
        return why
    return None if _ends(training) else "no branch of it ends in a fresh weight that is added to a stream"


def _ends(training: Training) -> dict[str, Layer]:
    return {name: layer for name, layer in drawable(training).items() if layer.rejoins}


def _apply(training: Training) -> Change:
    found = _ends(training)
    if not found:
        raise RemedyError("Looked for fresh weights at the end of residual branches, and found none.")
    branches = sum(layer.rejoins for layer in training.measurement.layers)
    lines = ("for parameter in layer.parameters():", f"    parameter.data.mul_({branches} ** -0.5)")
    code = loops(training, dict.fromkeys(found, lines))
    run(code, training)
    return Change(
        _CODE, f"{len(found)} branch{'es' * (len(found) > 1)} scaled by 1/sqrt({branches})", tuple(found), code=code
    )


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
