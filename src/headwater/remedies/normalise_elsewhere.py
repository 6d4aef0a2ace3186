"""Normalise over several features, and not right before an average over the same ones.

## What it does

A normalisation takes mean and scale away from what it normalises. Over a single number nothing is left; where an
average over the same numbers follows, what is left has mean zero for every sample. Then the output is the same for all.

| normalisation | becomes |
| --- | --- |
| layer normalisation over one feature | nothing |
| group normalisation with a group for each channel, instance normalisation | one group of all channels |
| layer normalisation before an average over its features, where none of the others is there: the last one | nothing |

One group of all channels keeps what tells channels apart, and with it the samples. Weights and biases stay.

## When not

Only where the output is constant. Where the answer is read from padding or from one fixed place, it is the place that
has to change. Where the average was meant to run over the positions, change its axis.

## Safety

Unsafe: another function is computed; that of before was constant.

## References

- Ba, Kiros, Hinton 2016, "Layer normalization", arXiv 1607.06450
- Wu, He 2018, "Group normalization", ECCV, arXiv 1803.08494 (from one group to one for each channel)
"""

from __future__ import annotations

import math

from torch import nn

from headwater.errors import RemedyError
from headwater.records import Change, Code
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import named, replace_modules

_CODE = "normalise-elsewhere"
_CONSTANT = "HW103"
_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def _refusal(training: Training) -> str | None:
    if not any(_CODE in each.remedies for each in training.findings if each.code == _CONSTANT):
        return "no normalisation makes the samples alike"
    return None if _found(training) else "there is no normalisation that takes away what tells samples apart"


def _found(training: Training) -> dict[str, str]:
    """Paths of the normalisations at fault, and what takes their place, as source."""
    modules = dict(named(training.model))
    found = {path: built for path, module in modules.items() if (built := _instead(module)) is not None}
    last = [path for path, module in modules.items() if isinstance(module, nn.LayerNorm)][-1:]
    return found or dict.fromkeys(last, "nn.Identity()")


def _instead(module: nn.Module) -> str | None:
    if isinstance(module, nn.LayerNorm) and math.prod(module.normalized_shape) == 1:
        return "nn.Identity()"
    if isinstance(module, nn.GroupNorm) and module.num_groups == module.num_channels > 1:
        return _one_group(module.num_channels, module.eps, module.affine)
    if isinstance(module, _INSTANCE) and module.num_features > 1:
        return _one_group(module.num_features, module.eps, module.affine)
    return None


def _one_group(channels: int, eps: float, affine: bool) -> str:
    return f"nn.GroupNorm(1, {channels}, eps={eps!r}, affine={affine})"


def _apply(training: Training) -> Change:
    found = _found(training)
    if not found:
        raise RemedyError("Looked for normalisations over single numbers, or before an average, and found none.")
    lines = [line for path, built in found.items() for line in _written(training.model, path, built)]
    replace_modules(training.model, lambda path, module: _made(found[path], module) if path in found else None)
    return Change(
        remedy=_CODE,
        says="; ".join(f"{built} in the place of {path}" for path, built in found.items()),
        places=tuple(found),
        code=Code(before="\n".join(lines), imports=("from torch import nn",)),
    )


def _written(model: nn.Module, path: str, built: str) -> list[str]:
    """Statements that put it wherever the old one is held, with the parameters of that one."""
    old = model.get_submodule(path)
    held = [name for name, module in named(model, every=True) if module is old]
    owned = [name for name, _ in _built(built).named_parameters()]
    if not owned:
        return [f"{{model}}.set_submodule({name!r}, {built})" for name in held]
    before = ", ".join(f"old.{name}" for name in owned)
    return [
        f"old, new = {{model}}.get_submodule({path!r}), {built}",
        f"{', '.join(f'new.{name}' for name in owned)} = {before}",
        *(f"{{model}}.set_submodule({name!r}, new)" for name in held),
    ]


def _built(built: str) -> nn.Module:
    return eval(built, {"nn": nn})


def _made(built: str, old: nn.Module) -> nn.Module:
    """What the source builds, with the parameters that the optimizer knows."""
    new = _built(built)
    for name in dict(new.named_parameters()):
        setattr(new, name, old.get_parameter(name))
    return new


REMEDIES = (Remedy(_CODE, "", "unsafe", 3, _refusal, _apply, __doc__ or ""),)
