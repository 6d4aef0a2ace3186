"""Normalise queries and keys before their product (QK-norm).

## What it does

The score of a query q and a key k grows with the length of both, and nothing bounds it: as weights grow in training,
or inputs are large, the softmax becomes one-hot. Each is divided by its root mean square, per head of width d,

    q' = q / rms(q),    k' = k / rms(k),    so that |q' k'| / sqrt(d) <= sqrt(d)

by a hook on the linear layers that make them. The scores stay bounded for good, whatever the weights do.

## When not

Only where two linear layers make queries and keys, each by itself, and their names say which (``query``, ``q_proj``,
``to_q``, ``wq``...): `nn.MultiheadAttention` and one layer for all three keep them to themselves. Not on a trained
attention: it loses the lengths that it has learnt to use (refused where its weights look trained). Where scores are
multiplied by a large factor in the code, the bound is that factor times d: take the factor away.

## Safety

Unsafe: lengths of queries and keys no longer count, so that a head cannot be sharper than softmax of sqrt(d).

## References

- Henry, Dachapally, Pawar, Chen 2020, "Query-key normalization for transformers", EMNLP findings, arXiv 2010.04245
- Dehghani et al. 2023, "Scaling vision transformers to 22 billion parameters", ICML, arXiv 2302.05442
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies import attention
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training

_CODE = "normalise-queries"


def normalise(module: nn.Module, inputs: Any, output: Tensor, heads: int = 1) -> Tensor:
    """Divides each head's part of the output by its root mean square."""
    parts = output.view(*output.shape[:-1], heads, -1)
    return F.rms_norm(parts, parts.shape[-1:]).flatten(-2)


def _refusal(training: Training) -> str | None:
    if why := attention.refusal(training) or attention.trained(training):
        return why
    if not _layers(training):
        return "no two linear layers make its queries and its keys, each by itself and with a name that says so"
    return None


def _layers(training: Training) -> dict[str, int]:
    """Paths of the layers that make queries and keys, with the number of heads."""
    found: dict[str, int] = {}
    for record in attention.collapsed(training):
        pair = attention.projections(training, record)
        if pair is not None and record.heads is not None:
            found |= dict.fromkeys(pair, record.heads)
    return found


def _apply(training: Training) -> Change:
    layers = _layers(training)
    if not layers:
        raise RemedyError("Normalising queries and keys found no linear layers that make them.")
    for path, heads in layers.items():
        training.model.get_submodule(path).register_forward_hook(partial(normalise, heads=heads))
    hook = "register_forward_hook(partial(normalise, heads={}))"
    lines = [f"{{model}}.get_submodule({path!r}).{hook.format(heads)}" for path, heads in layers.items()]
    imports = (
        "from functools import partial",
        "from typing import Any",
        "import torch.nn.functional as F",
        "from torch import Tensor, nn",
    )
    return Change(
        remedy=_CODE,
        says=f"queries and keys of {len(layers) // 2} attention{'s' * (len(layers) > 2)} are normalised in each head",
        places=tuple(layers),
        code=Code(before="\n".join([source(normalise), *lines]), imports=imports),
    )


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
