"""Where a residual connection fits: what keeps the shape of its input and has no way around it yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import nn

from headwater.graph import class_of, role_of
from headwater.records import Layer
from headwater.remedies.fresh import drawable
from headwater.remedies.remedy import Training
from headwater.remedies.rewrite import children, named

_STEEP = frozenset(["relu", "relu6", "leakyrelu", "prelukernel", "elu", "celu", "selu", "tanh"])
"""Activations that hand on what stands on the stream: their slope is one above zero, or at zero."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_SHAPES = (nn.Dropout, nn.AlphaDropout, nn.Identity)
"""May stand in a group beside weights, normalisation and activation."""


@dataclass(frozen=True)
class Group:
    """Neighbours in a `Sequential`: `chain` is its path, `first` and `behind` are positions in it."""

    chain: str
    first: int
    behind: int


def layers(training: Training) -> tuple[str, ...]:
    """Returns the layers that keep the shape, in front of an activation that keeps the stream."""
    return tuple(name for name, layer in _chained(training).items() if layer.activation in _STEEP)


def groups(training: Training) -> tuple[Group, ...]:
    """Returns the groups of a layer that keeps the shape and what follows it up to its activation."""
    chained = _chained(training)
    found: list[Group] = []
    for path, chain in named(training.model):
        if class_of(chain).forward is not nn.Sequential.forward:
            continue
        members = children(chain)
        for first, name in enumerate(members):
            behind = _behind_activation(list(members.values()), first + 1)
            if behind is not None and f"{path}.{name}".lstrip(".") in chained:
                found.append(Group(path, first, behind))
    return tuple(found)


def _behind_activation(members: list[nn.Module | None], position: int) -> int | None:
    """Position behind the activation of the group, when nothing else comes before it."""
    for index, member in enumerate(members[position:], position):
        role = role_of("", has_weight=False, module_class=type(member).__name__)
        if role == "activation":
            return index + 1
        if role != "normalisation" and not isinstance(member, _SHAPES):
            return None
    return None


def blocks(training: Training) -> tuple[str, ...]:
    """Returns the modules of one class, of the user's or a library's own, that follow one another in a container."""
    found: list[str] = []
    fresh = frozenset(drawable(training))
    for path, container in named(training.model):
        if class_of(container) not in (nn.Sequential, nn.ModuleList) or path.startswith(tuple(f"{e}." for e in found)):
            continue
        alike = [name for name, module in children(container).items() if module is not None and _is_block(module)]
        classes = {class_of(container.get_submodule(name)) for name in alike}
        paths = [f"{path}.{name}".lstrip(".") for name in alike]
        if len(classes) == 1 and len(paths) > 1:
            found += [each for each in paths if _keeps_shape(training, each, fresh)]
    return tuple(found)


def _is_block(module: nn.Module) -> bool:
    return not class_of(module).__module__.startswith("torch.nn.") and any(children(module).values())


def _keeps_shape(training: Training, path: str, fresh: frozenset[str]) -> bool:
    """Whether a block reads as many features as it gives, is used once, fresh, and has no way around its layers."""
    inside = [layer for layer in training.measurement.layers if layer.name.startswith(f"{path}.")]
    if not any(layer.name in fresh for layer in inside) or any(e.calls > 1 or e.rejoins for e in inside):
        return False
    first, last = min(inside, key=lambda e: e.depth), max(inside, key=lambda e: e.depth)
    convolutions = [m for _, m in named(training.model.get_submodule(path)) if isinstance(m, _CONVOLUTIONS)]
    same = len(first.shape) > 1 and first.shape[1] == last.shape[0]
    return same and all(_same_places(each) for each in convolutions)


def _chained(training: Training) -> dict[str, Layer]:
    """The fresh layers that keep the shape, lie in no branch and have an activation behind them, by path."""
    found: dict[str, Layer] = {}
    for name, layer in drawable(training).items():
        module = training.model.get_submodule(name)
        square = len(layer.shape) > 1 and layer.shape[0] == _inputs(module)
        places = not isinstance(module, _CONVOLUTIONS) or _same_places(module)
        if layer.activation and layer.calls == 1 and not layer.branch and square and places:
            found[name] = layer
    return found


def _inputs(module: nn.Module) -> int:
    return cast(int, getattr(module, "in_channels", None) or getattr(module, "in_features", 0))


def _same_places(module: nn.Module) -> bool:
    """Whether a convolution has as many places in its output as in its input: ``2 padding = dilation (kernel - 1)``."""
    made: Any = module
    if made.padding == "same":
        return True
    sizes = zip(made.kernel_size, made.stride, made.padding, made.dilation, strict=True)
    return all(stride == 1 and 2 * padding == dilation * (kernel - 1) for kernel, stride, padding, dilation in sizes)
