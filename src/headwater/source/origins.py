"""Where the modules of a model were built: as it was recorded, or as the source of their classes tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from torch import nn

from headwater.graph import class_of
from headwater.graph.frames import is_librarys, is_users
from headwater.records import Measurement, SourceLine
from headwater.source.assignments import Assignment, assignment, base_call
from headwater.source.items import item
from headwater.source.recording import Built, recorded

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def with_origins(measurement: Measurement, model: nn.Module) -> Measurement:
    """Returns the measurement with the lines that built its layers, its activations and its head, where they are known.

    Args:
        measurement: of a copy of the model; copies keep the modules' paths.
        model: the user's own.
    """
    known, head = dict[str, Built](), measurement.head

    def at(path: str) -> Built:
        if path not in known:
            known[path] = built(model, path)
        return known[path]

    layers = [replace(e, built=at(e.name).own, built_inside=at(e.name).inside) for e in measurement.layers]
    units = [replace(e, built=at(e.name).own) if _is_leaf(model, e.name) else e for e in measurement.units]
    ops = [replace(e, built=_alone(model, e.module, at)) if _is_leaf(model, e.module) else e for e in head.ops]
    return replace(measurement, layers=tuple(layers), units=tuple(units), head=replace(head, ops=tuple(ops)))


def _alone(model: nn.Module, path: str, at: Callable[[str], Built]) -> SourceLine | None:
    """The line that built a module; ``None`` where it builds another one of the class as well."""
    line, module = at(path).own, model.get_submodule(path)
    named = cast("Iterator[tuple[str, nn.Module]]", model.named_modules())
    others = (name for name, other in named if name and other is not module and class_of(other) is class_of(module))
    return None if any(at(name).own == line for name in others) else line


def built(model: nn.Module, path: str) -> Built:
    """Returns where the module, or the parameter, at a path was built.

    What was recorded is certain. Else the path is followed downward through the source: the class of each module tells
    the line that assigns the next one. The deepest line of the user's counts, and the deepest of a library below it.
    """
    found, container = recorded(model) or Built(), None
    module: nn.Module | None = model
    for name in path.split("."):
        if module is None:
            break
        child = _children(module).get(name)
        container = _step(module, container, name, child)
        seen = recorded(child) if child is not None else None
        if seen is not None:
            found = seen
        elif container is not None:
            found = _deeper(found, container.place)
        module = child
    return found


def _step(module: nn.Module, container: Assignment | None, name: str, child: nn.Module | None) -> Assignment | None:
    """The expression that makes what `name` holds in a module, itself made by the expression `container`."""
    kind = class_of(child).__name__ if child is not None else "Parameter"
    if not isinstance(module, _CONTAINERS):
        return assignment(class_of(module), name, kind)
    container = container if class_of(module) in _CONTAINERS else base_call(class_of(module)) or container
    if container is None:
        return None
    position = list(_children(module)).index(name) if child is not None else 0
    return item(container, name, position, kind)


def _deeper(found: Built, place: SourceLine) -> Built:
    if is_users(place.file):
        return Built(place)
    return Built(found.own, place) if is_librarys(place.file) else found


def _is_leaf(model: nn.Module, path: str) -> bool:
    """Whether a module and not a function called in one stands there."""
    module: nn.Module | None = model
    for name in path.split("."):
        module = _children(module).get(name) if module is not None else None
    return module is not None and not _children(module)


def _children(module: nn.Module) -> dict[str, nn.Module | None]:
    """All of them: `named_children` leaves out the second name of a shared one."""
    return cast(Any, module)._modules
