"""Add to each position something that differs from position to position.

## What it does

Attention does not know where in a sequence a vector stands: equal vectors get equal answers, for good. Sines and
cosines of the position are added to what enters the first block with an attention,

    p[t, 2i] = sin(t / 10000^(2i / width)),    p[t, 2i + 1] = cos(t / 10000^(2i / width))

They have no weights, hold for any length, and nothing is to be learnt before positions can be told apart. An attention
that stands in the model by itself, or beside the embedding, gets them itself, `nn.MultiheadAttention` on queries, keys
and values alike.

## When not

Not for sets, whose order means nothing, nor for graphs. Where positions were meant to be added and the line was
forgotten, that line is the better repair. Where positions differ at first and are averaged on the way, they become
equal again: lead a residual connection around each attention. A model that computes its attention in its own forward,
behind an embedding, needs them behind that embedding: add them there.

## Safety

Unsafe: the network's answer depends on the order of its input from now on.

## References

- Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, "Attention is all you need", NeurIPS,
  arXiv 1706.03762, section 3.5
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies.plain import source
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import is_inside, named

_CODE = "position-encoding"
_EQUAL = "HW104"


def positioned(x: Tensor, batch_first: bool) -> Tensor:
    """Adds sines and cosines of the position to ``(batch, positions, width)``, or with the positions first."""
    length, width = x.shape[1 if batch_first else 0], x.shape[-1]
    rates = 10000.0 ** (-torch.arange(0, width, 2, device=x.device) / width)
    angles = torch.arange(length, device=x.device)[:, None] * rates
    positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width].to(x.dtype)
    return x + (positions if batch_first else positions[:, None])


def add_positions(module: nn.Module, inputs: tuple[Tensor, ...], batch_first: bool = True) -> tuple[Tensor, ...]:
    """Adds them to what a block reads."""
    return (positioned(inputs[0], batch_first), *inputs[1:])


def attend_to_positions(
    module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], batch_first: bool = True
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Adds them to queries, keys and values; those that are one tensor stay one."""
    names = ("query", "key", "value")
    read = [*inputs[:3], *(x for name, x in options.items() if name in names)]
    added = {id(x): positioned(x, batch_first) for x in read}
    options = {name: added[id(x)] if name in names else x for name, x in options.items()}
    return (*(added[id(x)] for x in inputs[:3]), *inputs[3:]), options


def _refusal(training: Training) -> str | None:
    if not any(finding.code == _EQUAL for finding in training.findings):
        return "the positions of a sample differ"
    if not training.measurement.attention:
        return "there is no attention whose input could get positions"
    if _place(training)[0] == "" and _reads_tokens(training, ""):
        return "the model computes its attention itself and reads token numbers: add positions behind its embedding"
    return None


def _place(training: Training) -> tuple[str, bool]:
    """Path of what gets positions, and whether its batch comes first.

    The block that holds the first attention, where it is one inside of the model and reads no token numbers; else the
    attention itself.
    """
    name = training.measurement.attention[0].name
    module = training.model.get_submodule(name)
    first = module.batch_first if isinstance(module, nn.MultiheadAttention) else True
    block = name.rpartition(".")[0]
    return (name if not block or _reads_tokens(training, block) else block), first


def _reads_tokens(training: Training, path: str) -> bool:
    """Whether a module holds an embedding, so that what enters it can be numbers of tokens."""
    inside = (name for name, module in named(training.model) if isinstance(module, nn.Embedding))
    return any(is_inside(name, path) for name in inside)


def _apply(training: Training) -> Change:
    if not training.measurement.attention:
        raise RemedyError("Adding positions found no attention.")
    path, first = _place(training)
    module = training.model.get_submodule(path)
    keyed = isinstance(module, nn.MultiheadAttention)
    added: Any = attend_to_positions if keyed else add_positions
    module.register_forward_pre_hook(partial(added, batch_first=first), with_kwargs=keyed)
    written = f"partial({added.__name__}, batch_first={first})" + ", with_kwargs=True" * keyed
    line = f"{{model}}.get_submodule({path!r}).register_forward_pre_hook({written})"
    imports = ("from functools import partial", "import torch", "from torch import Tensor, nn")
    return Change(
        remedy=_CODE,
        says=f"sines and cosines of the position are added to what enters {path or 'the model'}",
        places=(path,),
        code=Code(
            before=f"{source(positioned, added)}\n{line}",
            imports=(*imports, "from typing import Any") if keyed else imports,
        ),
    )


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
