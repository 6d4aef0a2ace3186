"""The operation that makes the model's output, taken away or exchanged: what remedies of the output share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from torch import Tensor, nn

from headwater.records import Code, HeadOp, HeadRecord, ReplaceCall, SourceLine, UnitsRecord
from headwater.records.head_ops import LIMITS, elements
from headwater.remedies.remedy import Training
from headwater.remedies.rewrite import Calls, named, redirect, replace_modules


@dataclass(frozen=True)
class _Kind:
    """One kind of operation: its name in a sentence, the classes and the functions that make it."""

    words: str
    modules: tuple[type[nn.Module], ...]
    functions: tuple[str, ...]


_SOFTMAX = _Kind("softmax", (nn.Softmax, nn.Softmax2d), ("softmax",))
_KINDS = {
    "Softmax": _SOFTMAX,
    "SafeSoftmax": _SOFTMAX,
    "Sigmoid": _Kind("sigmoid", (nn.Sigmoid,), ("sigmoid", "sigmoid_", "expit")),
    "Hardsigmoid": _Kind("hard sigmoid", (nn.Hardsigmoid,), ("hardsigmoid",)),
    "Tanh": _Kind("tanh", (nn.Tanh,), ("tanh", "tanh_")),
    "Relu": _Kind("ReLU", (nn.ReLU,), ("relu", "relu_")),
}


@dataclass(frozen=True)
class Swap:
    """What was put in the place of an operation.

    Attributes:
        place: path of the module, or line of the call.
        edits, instead: as in `Change`.
    """

    place: str
    edits: tuple[ReplaceCall, ...]
    instead: Code = field(default_factory=Code)


def words(op: HeadOp) -> str:
    """The operation's name in a sentence."""
    return _KINDS[op.kind].words


def output_operation(head: HeadRecord, kinds: Collection[str]) -> HeadOp | None:
    """Returns the operation of one of these kinds that makes the model's output, but for its layout.

    An operation of the loss, which is no remedy's to change, has another shape or other values than the output.
    """
    return next((op for op in head.ops if op.kind in kinds and _makes_output(head, op)), None)


def _makes_output(head: HeadRecord, op: HeadOp) -> bool:
    if head.output_shape is None or head.output_min is None or head.output_max is None:
        return False
    low, high = LIMITS.get(op.kind, LIMITS["Softmax"])
    within = low <= head.output_min and head.output_max <= high + 1e-6  # rounding
    return within and elements(op.shape) == elements(head.output_shape)


def refusal(training: Training, op: HeadOp) -> str | None:
    """Says why an operation cannot be replaced; ``None`` when it can."""
    if own_module(training, op) is not None:
        return None
    if op.line is None:
        return f"the line that calls {words(op)} is not known"
    if op.shared_line or any(
        (units.file, units.line, units.kind) == (op.file, op.line, op.kind.lower()) for units in _hidden(training)
    ):
        return f"{op.file}:{op.line} calls {words(op)} for hidden layers as well: give the output a line of its own"
    return None


def _hidden(training: Training) -> list[UnitsRecord]:
    return [units for units in training.measurement.units if units.role != "output"]


def own_module(training: Training, op: HeadOp) -> nn.Module | None:
    """The module that does nothing but this operation; ``None`` where a call does it, of a function or of a module."""
    shared = op.shared_module or any(units.name == op.module for units in _hidden(training))
    return None if shared else _module(training, op)


def _module(training: Training, op: HeadOp) -> nn.Module | None:
    found = training.model.get_submodule(op.module)
    return found if isinstance(found, _KINDS[op.kind].modules) else None


def removed(training: Training, op: HeadOp) -> Swap:
    """Takes the operation away, so that what it was applied to becomes the output."""
    if own_module(training, op) is not None:
        return exchanged(training, op, nn.Identity())
    here, functions = SourceLine(op.file or "", op.line or 0), _KINDS[op.kind].functions
    shared = _module(training, op) is not None
    redirect(training.model, Calls(frozenset([here]), frozenset(functions), _same, by_modules=shared))
    callee = op.module.rpartition(".")[2] if shared else functions[0]
    return Swap(f"{here.file}:{here.line}", (ReplaceCall(here, callee, ""),))


def _same(x: Tensor) -> Tensor:
    return x


def exchanged(training: Training, op: HeadOp, new: nn.Module, **arguments: int) -> Swap:
    """Puts another module in the place of the one that does the operation, wherever that is held.

    Args:
        training: is changed.
        op: whose module is replaced.
        new: one of PyTorch's own modules.
        arguments: that `new` was built with.
    """
    old, name = own_module(training, op), type(new).__name__
    paths = [path for path, module in named(training.model, every=True) if module is old]
    replace_modules(training.model, lambda _, module: new if module is old else None)
    written = {key: str(value) for key, value in arguments.items()}
    built = f"nn.{name}({', '.join(f'{key}={value}' for key, value in written.items())})"
    lines = "\n".join(f"{{model}}.set_submodule({path!r}, {built})" for path in paths)
    instead = Code(before=lines, imports=("from torch import nn",))
    if op.built is None or any(units.built == op.built for units in _hidden(training)):
        return Swap(op.module, (), instead)
    return Swap(op.module, (ReplaceCall(op.built, type(old).__name__, f"torch.nn.{name}", (), written),), instead)
