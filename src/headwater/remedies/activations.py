"""Other activations in the place of hidden ones: what two remedies share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headwater.errors import RemedyError
from headwater.graph import class_of
from headwater.graph.frames import is_users
from headwater.records import Code, ReplaceCall, SourceLine, UnitsRecord
from headwater.remedies.code import picked
from headwater.remedies.fresh import kept_for_trained
from headwater.remedies.remedy import Training
from headwater.remedies.restated import with_activation
from headwater.remedies.rewrite import Calls, named, redirect, replace_modules


@dataclass(frozen=True)
class Activation:
    """An activation that can take the place of another.

    Attributes:
        words: its name in a sentence.
        kind: as `UnitsRecord` has it.
        module, function: as PyTorch has it.
        written: full name of the function.
    """

    words: str
    kind: str
    module: type[nn.Module]
    function: Callable[[Tensor], Tensor]
    written: str


REPLACEMENTS = {
    "relu": Activation("ReLU", "relu", nn.ReLU, torch.relu, "torch.relu"),
    "leaky-relu": Activation("leaky ReLU", "leakyrelu", nn.LeakyReLU, F.leaky_relu, "torch.nn.functional.leaky_relu"),
    "elu": Activation("ELU", "elu", nn.ELU, F.elu, "torch.nn.functional.elu"),
    "gelu": Activation("GELU", "gelu", nn.GELU, F.gelu, "torch.nn.functional.gelu"),
    "selu": Activation("SELU", "selu", nn.SELU, torch.selu, "torch.selu"),
    "tanh": Activation("tanh", "tanh", nn.Tanh, torch.tanh, "torch.tanh"),
}
"""By variant of a remedy."""

_SPELLINGS: dict[str, tuple[tuple[type[nn.Module], ...], tuple[str, ...]]] = {
    "sigmoid": ((nn.Sigmoid,), ("sigmoid", "sigmoid_", "expit", "special_expit")),
    "hardsigmoid": ((nn.Hardsigmoid,), ("hardsigmoid",)),
    "tanh": ((nn.Tanh,), ("tanh", "tanh_")),
    "relu": ((nn.ReLU,), ("relu", "relu_")),
    "hardtanh": ((nn.ReLU6, nn.Hardtanh), ("relu6", "hardtanh", "hardtanh_")),
}
"""Classes and functions that make units of each kind."""

TRAINED = "the weights that feed its activations look trained: it would be another network"
"""Why none of them is replaced."""


@dataclass(frozen=True)
class Sites:
    """Where hidden activations stand that can be replaced.

    Attributes:
        units: as measured.
        modules: those that are modules, by path.
        calls: those that are calls of a function: kind and line.
        written: whether the line that built each module is known, and builds none that must stay.
        spared: whether some were left because the weights that feed them, or some above these, look trained.
    """

    units: tuple[UnitsRecord, ...]
    modules: dict[str, nn.Module]
    calls: frozenset[tuple[str, SourceLine]]
    written: bool
    spared: bool

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that feed them."""
        return tuple(dict.fromkeys(name for units in self.units for name in units.layers))

    @property
    def places(self) -> tuple[str, ...]:
        """Paths of the modules, and of those that call functions."""
        return tuple(dict.fromkeys([*self.modules, *(path_of(units) for units in self.units)]))


def sites(training: Training, kinds: Collection[str]) -> Sites:
    """Finds the hidden activations of these kinds that serve as nothing else.

    A module, or a line, that also makes a gate or an output is left alone, and so is what a library's code calls, and
    what follows a layer that looks trained or lies below such.
    """
    paths, units, kept = dict(named(training.model, every=True)), training.measurement.units, kept_for_trained(training)
    stays = [each for each in units if each.role != "hidden" or kept.intersection(each.layers)]
    hidden = [each for each in units if each.role == "hidden" and each.kind in kinds]
    may_go = [each for each in hidden if not kept.intersection(each.layers)]
    fixed = {id(module) for each in stays if (module := _module(paths, each)) is not None}
    lines = {(each.kind, each.file, each.line) for each in stays}
    modules: dict[str, nn.Module] = {}
    calls: set[tuple[str, SourceLine]] = set()
    found: list[UnitsRecord] = []
    for each in may_go:
        module = _module(paths, each)
        if module is not None and id(module) not in fixed:
            modules[path_of(each)] = module
            found.append(each)
        elif module is None and each.file and (each.kind, each.file, each.line) not in lines and _users(paths, each):
            calls.add((each.kind, SourceLine(each.file, each.line or 0)))
            found.append(each)
    built = {each.built for each in found if path_of(each) in modules}
    safe = None not in built and built.isdisjoint(each.built for each in stays)
    return Sites(tuple(found), modules, frozenset(calls), safe, len(may_go) < len(hidden))


def path_of(units: UnitsRecord) -> str:
    """Path of the module that is, or calls, an activation."""
    return units.name.partition("#")[0]


def _module(paths: Mapping[str, nn.Module], units: UnitsRecord) -> nn.Module | None:
    module = paths.get(path_of(units))
    classes, _ = _SPELLINGS.get(units.kind, ((), ()))
    return module if module is not None and class_of(module) in classes else None


def _users(paths: Mapping[str, nn.Module], units: UnitsRecord) -> bool:
    """Whether the code that calls the function is the user's own."""
    owner: Any = class_of(paths.get(path_of(units), paths[""]))
    code = getattr(inspect.unwrap(owner.forward), "__code__", None)
    return code is not None and is_users(code.co_filename)


@dataclass(frozen=True)
class Swapped:
    """Other activations as source: `Change.edits`, `Change.instead`, and what belongs to `Change.code`."""

    edits: tuple[ReplaceCall, ...]
    instead: Code = field(default_factory=Code)
    code: Code = field(default_factory=Code)


def swap(training: Training, found: Sites, to: Activation) -> Swapped:
    """Puts another activation in their place.

    Returns:
        The change as calls at the user's lines, and as plain PyTorch where all of them are modules. Beside functions,
        which only their lines can change, modules whose lines cannot be changed are plain PyTorch too.

    Raises:
        RemedyError: there are none.
    """
    if not found.units:
        raise RemedyError(
            "No hidden activation was found that can be replaced: they are gates, outputs or a library's."
        )
    loop = _loop(training.model, found, to) if found.modules else Code()
    if found.modules:
        meant = {id(module) for module in found.modules.values()}
        replace_modules(training.model, lambda _, module: _new(module, to) if id(module) in meant else None)
    for kind in {kind for kind, _ in found.calls}:
        lines = frozenset(line for each, line in found.calls if each == kind)
        for owner in _owners(training.model, found, kind):
            redirect(owner, Calls(lines, frozenset(_SPELLINGS[kind][1]), to.function))
    training.measurement = with_activation(training.measurement, found.units, to.kind)
    if not found.calls:
        return Swapped(_edits(found, to) if found.written else (), loop)
    if found.written:
        return Swapped(_edits(found, to))
    calls = tuple(each for each in found.units if path_of(each) not in found.modules)
    return Swapped(_edits(replace(found, units=calls), to), code=loop)


def _owners(model: nn.Module, found: Sites, kind: str) -> list[nn.Module]:
    """The modules whose code calls a function, and others of their classes, which may not have run.

    The model itself may never be called: a script may call its parts.
    """
    paths = dict(named(model, every=True))
    calling = {path_of(each) for each in found.units if each.kind == kind} - set(found.modules)
    classes = {type(paths.get(path, model)) for path in calling}
    return [module for _, module in named(model) if type(module) in classes]


def _new(module: nn.Module, to: Activation) -> nn.Module:
    made = to.module()
    if hasattr(module, "inplace") and hasattr(made, "inplace"):
        cast(Any, made).inplace = cast(Any, module).inplace
    return made


def _edits(found: Sites, to: Activation) -> tuple[ReplaceCall, ...]:
    inplace = ("inplace",) if hasattr(to.module(), "inplace") else ()
    edits: list[ReplaceCall] = []
    for units in found.units:
        module = found.modules.get(path_of(units))
        if module is not None and units.built is not None:
            callee, written, at = class_of(module).__name__, f"torch.nn.{to.module.__name__}", units.built
        else:
            callee, written, at = units.kind, to.written, SourceLine(units.file or "", units.line or 0)
        keep = inplace if module is not None or written.startswith("torch.nn.functional") else ()
        edits.append(ReplaceCall(at, callee, written, keep))
    return tuple(edits)


def _loop(model: nn.Module, found: Sites, to: Activation) -> Code:
    """A loop over the modules that puts the new ones in place."""
    new = f"torch.nn.{to.module.__name__}"
    everything = dict(named(model, every=True))
    meant = {id(module) for module in found.modules.values()}
    names = [name for name, module in everything.items() if id(module) in meant]
    return Code(
        before=f"""\
for name, module in list({{model}}.named_modules(remove_duplicate=False)):
    if {picked(everything, names, "module")}:
        parent, _, child = name.rpartition(".")
        setattr({{model}}.get_submodule(parent), child, {new}())
""",
        imports=("import torch",),
    )
