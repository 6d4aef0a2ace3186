"""Normalise inside of each branch of a transformer, and not on its stream.

## What it does

PyTorch's `TransformerEncoderLayer` and `TransformerDecoderLayer` normalise the sum of stream and branch (post-norm)
unless they are told ``norm_first=True``. Post-norm shrinks what came before at each layer, and the branches crowd the
stream out; pre-norm leaves a stream that nothing stands on, along which the gradient grows with the root of the depth
only.

## When not

It belongs before a training, not into one, and not into a pretrained network: refused where weights inside of such
layers look trained. Layers of one's own: move the normalisation by hand, from
``norm(x + branch(x))`` to ``x + branch(norm(x))``, and put one behind the last layer.

## Safety

Unsafe: the network computes another function.

## References

- Xiong, Yang, He, Zheng, Zheng, Xing, Zhang, Lan, Wang, Liu 2020, "On layer normalization in the transformer
  architecture", ICML, arXiv 2002.04745
"""

from __future__ import annotations

from torch import nn

from headwater.errors import RemedyError
from headwater.graph import class_of
from headwater.records import Change, Code, ReplaceCall
from headwater.records.numbers import count
from headwater.remedies.code import picked, run
from headwater.remedies.fresh import begun, trained
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import is_inside, named

_CODE = "pre-norm"
_LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)


def _refusal(training: Training) -> str | None:
    if why := begun(training):
        return why
    if not _post(training):
        return (
            "it has no layers of PyTorch's transformer with normalisations on the stream: those of others move by hand"
        )
    if any(is_inside(name, path) for name in trained(training) for path in _post(training)):
        return "the weights of its layers look trained: they have learnt to read a stream that is normalised"
    return None


def _post(training: Training) -> dict[str, nn.Module]:
    return {
        name: module for name, module in named(training.model) if isinstance(module, _LAYERS) and not module.norm_first
    }


def _apply(training: Training) -> Change:
    found = _post(training)
    if not found:
        raise RemedyError(
            "Looked for TransformerEncoderLayer and TransformerDecoderLayer with norm_first=False, and found none."
        )
    instead = Code(
        before=f"""\
for name, layer in {{model}}.named_modules():
    if {picked(dict(named(training.model)), list(found), "layer")}:
        layer.norm_first = True
""",
        imports=("import torch",),
    )
    run(instead, training)
    says = f"normalisation inside of the branches of {count(len(found), 'layer')}"
    return Change(_CODE, says, tuple(found), _edits(training, found), instead)


def _edits(training: Training, found: dict[str, nn.Module]) -> tuple[ReplaceCall, ...]:
    """A call for each layer; none where the line of one is not known."""
    edits: list[ReplaceCall] = []
    for path, module in found.items():
        at = next((each.built for each in training.measurement.layers if is_inside(each.name, path)), None)
        if at is None:
            return ()
        name = class_of(module).__name__
        edits.append(ReplaceCall(at, name, f"torch.nn.{name}", arguments={"norm_first": "True"}))
    return tuple(edits)


REMEDIES = (Remedy(_CODE, "", "unsafe", 4, _refusal, _apply, __doc__ or ""),)
