"""Add to each position something that differs from position to position.

## What it does

Attention does not know where in a sequence a vector stands: equal vectors get equal answers, for good. Sines and
cosines of the position are added to what enters the first block with an attention,

    p[t, 2i] = sin(t / 10000^(2i / width)),    p[t, 2i + 1] = cos(t / 10000^(2i / width))

They have no weights, hold for any length, and nothing is to be learnt before positions can be told apart.

## When not

Not for sets, whose order means nothing, nor for graphs. Where positions were meant to be added and the line was
forgotten, that line is the better repair. Where positions differ at first and are averaged on the way, they become
equal again: lead a residual connection around each attention.

## Safety

Unsafe: the network's answer depends on the order of its input from now on.

## References

- Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, "Attention is all you need", NeurIPS,
  arXiv 1706.03762, section 3.5
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training

_CODE = "position-encoding"
_EQUAL = "HW104"


def add_positions(module: nn.Module, inputs: tuple[Tensor, ...], batch_first: bool = True) -> tuple[Tensor, ...]:
    """Adds sines and cosines of the position to ``(batch, positions, width)``, or with the positions first."""
    x = inputs[0]
    length, width = x.shape[1 if batch_first else 0], x.shape[-1]
    rates = 10000.0 ** (-torch.arange(0, width, 2, device=x.device) / width)
    angles = torch.arange(length, device=x.device)[:, None] * rates
    positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width].to(x.dtype)
    return (x + (positions if batch_first else positions[:, None]), *inputs[1:])


def _refusal(training: Training) -> str | None:
    if not any(finding.code == _EQUAL for finding in training.findings):
        return "the positions of a sample differ"
    return None if training.measurement.attention else "there is no attention whose input could get positions"


def _place(training: Training) -> tuple[str, bool]:
    """Path of the block that holds the first attention, and whether its batch comes first."""
    name = training.measurement.attention[0].name
    module = training.model.get_submodule(name)
    first = module.batch_first if isinstance(module, nn.MultiheadAttention) else True
    return name.rpartition(".")[0] or name, first


def _apply(training: Training) -> Change:
    if not training.measurement.attention:
        raise RemedyError("Adding positions found no attention.")
    path, first = _place(training)
    training.model.get_submodule(path).register_forward_pre_hook(partial(add_positions, batch_first=first))
    line = f"{{model}}.get_submodule({path!r}).register_forward_pre_hook(partial(add_positions, batch_first={first}))"
    imports = ("from functools import partial", "import torch", "from torch import Tensor, nn")
    return Change(
        remedy=_CODE,
        says=f"sines and cosines of the position are added to what enters {path or 'the model'}",
        places=(path,),
        code=Code(before=f"{source(add_positions)}\n{line}", imports=imports),
    )


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
