"""Divide the scores of an attention, so that its softmax has a slope.

## What it does

Scores of queries and keys of width d have a standard deviation of sqrt(d) times that of one product; the softmax of
numbers that far apart looks at one key only, and passes hardly a gradient. In each attention that has collapsed, what
the softmax reads is divided by one number,

    softmax(scores / s),    s = standard deviation of the scores in the first batch, at least 1

masked scores left out. Around that number the usual division by sqrt(d) is one choice, made for queries and keys of
variance one; here the scores themselves say how large they are, whether it is the width, a forgotten division, a factor
in the code, or the input. It is taken once, kept with the module as a buffer, and never follows later batches.

It works while the module runs: each softmax and each `scaled_dot_product_attention` that the module calls is reached by
a `TorchFunctionMode`. Where you can, write the division into the code instead, once you know the number: it is
``logit_deviation`` of the module.

## When not

Not on a trained attention, which is sharp because it has learnt to be: refused where its weights look trained.
`nn.MultiheadAttention` divides its scores itself: there the weights are too large (`init-matched:attention`), or its
input. Not where the module computes another softmax besides its attention's.

## Safety

Safe: queries that are s times as long make up for it, so that the network computes the same functions.

## References

- Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, "Attention is all you need", NeurIPS,
  arXiv 1706.03762, section 3.2.1 (why scores are divided by sqrt(d))
- Zhai et al. 2023, "Stabilizing transformer training by preventing attention entropy collapse", ICML, arXiv 2303.06296
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies import attention
from headwater.remedies.plain import MODE_IMPORTS, Rerouted, reroute, shaped_as_saved, source
from headwater.remedies.remedy import Remedy, Training

_CODE = "scale-logits"


class DividedLogits(Rerouted):
    """Divides the scores of an attention by their standard deviation in the first batch."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        nothing_yet = torch.empty(0, device=next(module.parameters(), torch.empty(0)).device)
        module.register_buffer("logit_deviation", nothing_yet)
        module.register_load_state_dict_pre_hook(partial(shaped_as_saved, names=("logit_deviation",)))

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options: dict[str, Any] = kwargs or {}
        if func is F.scaled_dot_product_attention:
            query, key = args[:2]
            scores = query.detach() @ key.detach().mT * (options.get("scale") or query.shape[-1] ** -0.5)
            args = (query / self._deviation(scores), *args[1:])
        elif getattr(func, "__name__", "") == "softmax":
            args = (args[0] / self._deviation(args[0].detach()), *args[1:])
        return func(*args, **options)

    def _deviation(self, scores: Tensor) -> Tensor:
        known = self.module.get_buffer("logit_deviation")
        if known.numel() == 0:
            kept = scores[scores > 0.9 * scores.min()]  # a mask makes the smallest ones
            deviation = kept.float().std().nan_to_num(1.0).clamp_min(1.0)
            known.resize_as_(deviation).copy_(deviation)
        return known.to(scores.dtype)


def _refusal(training: Training) -> str | None:
    if why := attention.refusal(training) or attention.trained(training):
        return why
    if not _paths(training):
        return "nn.MultiheadAttention divides its scores itself: its weights or its input are too large"
    if "" in _paths(training) and any("Softmax" in op.kind for op in training.measurement.head.ops):
        return "the model itself computes the attention and another softmax beside it"
    return None


def _paths(training: Training) -> tuple[str, ...]:
    own = [each.name for each in attention.collapsed(training) if not attention.is_library(training, each)]
    return tuple(dict.fromkeys(own))


def _apply(training: Training) -> Change:
    paths = _paths(training)
    if not paths:
        raise RemedyError("Dividing the scores found no attention that has collapsed.")
    for path in paths:
        reroute(training.model.get_submodule(path), DividedLogits)
    loop = (
        f"for name in {list(paths)}:\n"
        "    attention = {model}.get_submodule(name)\n"
        "    attention.forward = DividedLogits(attention)"
    )
    return Change(
        remedy=_CODE,
        says=f"the scores of {len(paths)} attention{'s' * (len(paths) > 1)} are divided by their standard deviation in "
        "the first batch",
        places=paths,
        code=Code(
            before=f"{source(shaped_as_saved, Rerouted, DividedLogits)}\n\n{loop}",
            imports=(*MODE_IMPORTS, "from functools import partial"),
        ),
    )


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
