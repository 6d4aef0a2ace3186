"""What several rules share: how numbers and names are written, and small questions to a measurement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from headwater.records import LOSS_RISES, Layer, Measurement, ParameterRecord, StepRecord, Where
from headwater.records.numbers import number

_MOST_NAMES = 3


def percent(share: float) -> str:
    """A share in per cent: ``14 %``, ``0.0018 %``; from ten on, where that no longer reads well, as a number."""
    return f"{number(100 * share)} %" if abs(share) < 10 else number(share)


def listed(names: Sequence[str]) -> str:
    """The first names: ``a, b, c and 4 more``; numbers, as `nn.Sequential` names layers, are said to be layers."""
    numbered = "layers " if len(names) > 1 else "layer "
    shown = (numbered if all(name.isdecimal() for name in names) else "") + ", ".join(names[:_MOST_NAMES])
    rest = len(names) - _MOST_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def named(name: str) -> str:
    """One name in a sentence: ``encoder.0``, ``layer 0``."""
    return listed((name,))


def amount(number_of: int, what: str) -> str:
    """``1 parameter``, ``2 parameters``."""
    return f"{number_of:,} {what}" + ("" if number_of == 1 else "s")


def steps_in_words(step: int) -> str:
    """When a step came: ``after 3 steps``; the first one came before any."""
    return "at the first step" if step == 0 else "after 1 step" if step == 1 else f"after {step} steps"


def median(values: Iterable[float]) -> float:
    """The median, without numpy's conversion of types. At least one value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])


def count(parameters: Iterable[ParameterRecord]) -> int:
    """Numbers (elements) that the parameters hold."""
    return sum(math.prod(p.shape) for p in parameters)


def trainable(measurement: Measurement) -> tuple[ParameterRecord, ...]:
    """The parameters that ask for a gradient."""
    return tuple(p for p in measurement.parameters if p.trainable)


def layer_named(measurement: Measurement, name: str | None) -> Layer | None:
    """The layer of this name."""
    return next((layer for layer in measurement.layers if layer.name == name), None)


def layer_of(measurement: Measurement, parameter: ParameterRecord) -> Layer | None:
    """The layer that applies a parameter: named for the parameter, or for the module that owns it."""
    return layer_named(measurement, parameter.name) or layer_named(measurement, parameter.module)


def at_layer(
    measurement: Measurement, name: str | None, names: tuple[str, ...] = (), parameters: tuple[str, ...] = ()
) -> Where:
    """Where a layer stands, with its source line when it is known."""
    layer = layer_named(measurement, name)
    names = names or ((name,) if name else ())
    if layer is None:
        return Where(name, names, parameters=parameters)
    lines = (layer.called_inside, layer.built, layer.built_inside)
    return Where(name, names, layer.file, layer.line, parameters, *lines)


def modules_of(parameters: Iterable[ParameterRecord]) -> tuple[str, ...]:
    """The modules that own the parameters, each once; a parameter of the root stands for itself."""
    return tuple(dict.fromkeys(p.module or p.name for p in parameters))


def blows_up(steps: Sequence[StepRecord]) -> StepRecord | None:
    """The first probation step whose loss is not finite or `LOSS_RISES` times the first one."""
    first = steps[0].loss if steps else 0.0
    for step in steps:
        if not is_finite(step) or 0 < LOSS_RISES * first < step.loss:
            return step
    return None


def is_finite(step: StepRecord) -> bool:
    """Whether neither the loss of a step nor anything in its backward pass is NaN or infinite."""
    return not step.non_finite and math.isfinite(step.loss)


def loss_at(step: StepRecord) -> str:
    """What became of the loss at a step: ``the loss is 24 after 3 steps``."""
    when = steps_in_words(step.step)
    if is_finite(step):
        return f"the loss is {number(step.loss)} {when}"
    what = "the gradient" if math.isfinite(step.loss) else "the loss"
    return f"{what} is {'not' if step.step == 0 else 'no longer'} finite {when}"
