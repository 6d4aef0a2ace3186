"""Draw anew the weights that make the queries and keys of an attention.

## What it does

Scores grow with the weights of queries and of keys, so with the square of their size. Where an attention looks at one
key only, and these weights are more than twice as large as Xavier's initialisation makes them,

    w ~ U(-a, a),    a = sqrt(6 / (fan_in + fan_out))

they are drawn so again, for queries and keys each by itself; values and output stay. Inputs of variance one then make
queries and keys of variance one, and scores of variance one behind the division by the root of the head's width. It
works on `nn.MultiheadAttention` too, which keeps its scores to itself.

## When not

Never on weights that look trained (`init-matched` tells how that is seen). Where the weights are of the usual size, it
is the input or a factor in the code that is too large: scale the logits, or normalise before the attention.

## Safety

Safe: the network can compute what it could, and only its start is another.

## References

- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- Zhai et al. 2023, "Stabilizing transformer training by preventing attention entropy collapse", ICML, arXiv 2303.06296
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies import attention
from headwater.remedies.fresh import begun, looks_trained
from headwater.remedies.remedy import Remedy, Training

_CODE, _VARIANT = "init-matched", "attention"

WIDE = 2.0
"""Times Xavier's deviation. Queries and keys both twice as long make scores of deviation 4: of 64 keys the softmax then
looks at few (at 3 its entropy is 1.8 nats of 4.2; Zhai et al. 2023 find trainings to fail where it collapses)."""


@dataclass(frozen=True)
class _Weights:
    """Those at fault: attentions that keep three of them in one parameter, and parameters of their own."""

    joint: tuple[str, ...]
    single: tuple[str, ...]


def _refusal(training: Training) -> str | None:
    if why := attention.refusal(training) or begun(training):
        return why
    found = _weights(training)
    if not (found.joint or found.single):
        return "its queries and keys have weights of the usual size, or such as look trained, or share a layer"
    return None


def _weights(training: Training) -> _Weights:
    joint: list[str] = []
    single: list[str] = []
    for record in attention.collapsed(training):
        module = training.model.get_submodule(record.name)
        if isinstance(module, nn.MultiheadAttention):
            packed = dict(module.named_parameters()).get("in_proj_weight")
            if packed is None:  # keys or values of another width
                single += [f"{record.name}.q_proj_weight", f"{record.name}.k_proj_weight"]
            elif _at_fault(packed.chunk(3)[:2]):
                joint.append(record.name)
        elif (pair := attention.projections(training, record)) is not None:
            single += [f"{path}.weight" for path in pair]
    fresh = [name for name in single if _at_fault([training.model.get_parameter(name)])]
    return _Weights(tuple(dict.fromkeys(joint)), tuple(dict.fromkeys(fresh)))


def _at_fault(weights: Sequence[Tensor]) -> bool:
    """Whether one of them is too wide, and none looks trained or is frozen."""
    return any(map(wide, weights)) and all(each.requires_grad and not looks_trained(each) for each in weights)


def wide(weight: Tensor) -> bool:
    """Whether a matrix is more than `WIDE` times as large as Xavier's initialisation makes it."""
    return float(weight.detach().square().mean()) > WIDE**2 * 2.0 / sum(weight.shape)


def _apply(training: Training) -> Change:
    found = _weights(training)
    if not (found.joint or found.single):
        raise RemedyError("Looked for weights of queries and keys that are too wide, and found none.")
    lines: list[str] = []
    if found.joint:
        lines += [
            f"for name in {list(found.joint)}:",
            "    for weight in {model}.get_submodule(name).in_proj_weight.detach().chunk(3)[:2]:",
            "        nn.init.xavier_uniform_(weight)",
        ]
    if found.single:
        lines += [
            f"for name in {list(found.single)}:",
            "    nn.init.xavier_uniform_({model}.get_parameter(name).detach())",
        ]
    code = Code(before="\n".join(lines), imports=("from torch import nn",))
    for weight in _in_order(training.model, found):
        nn.init.xavier_uniform_(weight)
    count = len(found.joint) + (len(found.single) + 1) // 2
    says = f"queries and keys of {count} attention{'s' * (count > 1)} get weights of the usual size (Xavier)"
    return Change(f"{_CODE}:{_VARIANT}", says, (*found.joint, *found.single), code=code)


def _in_order(model: nn.Module, found: _Weights) -> Iterator[Tensor]:
    """The weights as the code draws them, one after the other."""
    for name in found.joint:
        yield from model.get_submodule(name).get_parameter("in_proj_weight").detach().chunk(3)[:2]
    for name in found.single:
        yield model.get_parameter(name).detach()


REMEDIES = (Remedy(_CODE, _VARIANT, "safe", 1, _refusal, _apply, __doc__ or ""),)
