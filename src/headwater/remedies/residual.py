"""Lead a connection around each block of a deep chain, with its branch at zero or scaled down.

## What it does

    h <- h + a f(h)

The gradient then has a way to the first layers that no weight and no activation stands on.

| variant | a | at the start |
| --- | --- | --- |
| `zero` | a learned number, zero at first (ReZero, SkipInit) | the chain is the identity, for its gradient too |
| `scaled` | ``1 / sqrt(L)``, for L blocks | with branches of unit gain the gradient grows at most ``sqrt(e)`` times |

What f is depends on how the network is written; the first that fits is taken.

1. *Blocks*: modules of one class of the user's own in a `Sequential` or `ModuleList`, whose output has the shape of
   their input: ``h + a block(h)``.
2. *Groups* of weights, normalisation and activation that keep the shape, in a `Sequential`: the modules move into a
   ``Residual``, and the names of their parameters with them.
3. *Layers* that keep the shape, where the code of a forward applies the activation: ``h + a W h`` in front of it, for
   activations with a slope of one above zero, or at zero (ReLU and its relatives, tanh). A sigmoid would still take
   three quarters of the gradient.

## When not

Where the shape changes, in a loop over time (its weights are one layer), in branches of a network that has residual
connections already, around gates and outputs, and once weights are trained: the network would be another one.

## Safety

Unsafe: the network computes another function.

## References

- He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", CVPR, arXiv 1512.03385
- Bachlechner, Majumder, Mao, Cottrell, McAuley 2020, "ReZero is all you need", arXiv 2003.04887
- De, Smith 2020, "Batch normalization biases residual blocks towards the identity function", arXiv 2002.10444
- Dong, Cordonnier, Loukas 2021, "Attention is not all you need", ICML, arXiv 2103.03404 (why attention needs them)
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.records.numbers import count
from headwater.remedies.code import numbers, run
from headwater.remedies.draw import loops
from headwater.remedies.fresh import begun
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.residual_sites import Group, blocks, groups, layers
from headwater.remedies.restated import with_paths
from headwater.remedies.rewrite import children, join

_CODE = "residual"

_AROUND = """\
def residual(layer, inputs, output):
    return inputs[0] + layer.residual_scale * output
"""
_MODULE = """\
class Residual(torch.nn.Module):
    def __init__(self, scale, *modules):
        super().__init__()
        self.branch = torch.nn.Sequential(*modules)
        self.scale = scale

    def forward(self, x):
        return x + self.scale * self.branch(x)
"""


def _refusal(training: Training) -> str | None:
    if why := begun(training):
        return why
    if blocks(training) or groups(training) or layers(training):
        return None
    return "no chain of fresh layers that keep the shape of what they read, and have no way around them yet"


def _apply(variant: str, training: Training) -> Change:
    around, inside = blocks(training), groups(training)
    if not around and not inside:
        around = layers(training)
    if not around and not inside:
        raise RemedyError("Looked for blocks, groups and layers that keep the shape of what they read, and found none.")
    code = _around(variant, training, around) if around else _moved(variant, training, inside)
    places = around or tuple(_path(training.model, each) for each in inside)
    known = {id(parameter) for parameter in training.model.parameters()}
    run(code, training)
    for path in places:
        inner = list(training.model.get_submodule(path).parameters())
        neighbours = [parameter for parameter in inner if id(parameter) in known]
        join(training.optimizer, [parameter for parameter in inner if id(parameter) not in known], neighbours)
    if not around:
        training.measurement = with_paths(training.measurement, {path: f"{path}.branch.0" for path in places})
    start = "zero at first" if variant == "zero" else f"scaled by 1/sqrt({len(places)})"
    return Change(
        f"{_CODE}:{variant}", f"residual connections around {count(len(places), 'block')}, {start}", places, code=code
    )


def _path(model: nn.Module, group: Group) -> str:
    name = list(children(model.get_submodule(group.chain)))[group.first]
    return f"{group.chain}.{name}".lstrip(".")


def _around(variant: str, training: Training, paths: tuple[str, ...]) -> Code:
    weight = "next(layer.parameters())"
    scale = f"torch.nn.Parameter({weight}.new_zeros(()))" if variant == "zero" else f"{len(paths)} ** -0.5"
    lines = (f"layer.residual_scale = {scale}", "layer.register_forward_hook(residual)")
    code = loops(training, dict.fromkeys(paths, lines))
    return replace(code, before=_AROUND + code.before)


def _moved(variant: str, training: Training, found: tuple[Group, ...]) -> Code:
    scale = "torch.nn.Parameter(next(modules[0].parameters()).new_zeros(()))"
    if variant == "scaled":
        scale = f"{len(found)} ** -0.5"
    lines = [_MODULE]
    for chain, length in dict.fromkeys((each.chain, each.behind - each.first) for each in found):
        starts = [each.first for each in found if (each.chain, each.behind - each.first) == (chain, length)]
        lines.append(
            f"""\
chain = {{model}}{f'.get_submodule("{chain}")' if chain else ""}
for start in {numbers(starts)}:
    modules = [chain[index] for index in range(start, start + {length})]
    chain[start] = Residual({scale}, *modules)
    for index in range(start + 1, start + {length}):
        chain[index] = torch.nn.Identity()
"""
        )
    return Code(before="".join(lines), imports=("import torch",))


REMEDIES = tuple(
    Remedy(_CODE, variant, "unsafe", 4, _refusal, partial(_apply, variant), __doc__ or "")
    for variant in ("zero", "scaled")
)
