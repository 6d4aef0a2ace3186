"""From the steps of a probation to one measurement: medians over the judged steps."""

from __future__ import annotations

import itertools
import math
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.optim import Optimizer

import headwater
from headwater.graph import class_of
from headwater.measure.norms import frobenius
from headwater.measure.optimizers import rate_of
from headwater.measure.prediction import predicted
from headwater.measure.probe import SETTLED, Passes
from headwater.measure.profile import summarise
from headwater.measure.updates import Updates
from headwater.records import (
    LOSS_RISES,
    GainParts,
    Layer,
    Measurement,
    OptimizerRecord,
    ParameterRecord,
    PrecisionRecord,
    Profile,
    ProfilePoint,
    StepRecord,
)


def judged(steps: Sequence[StepRecord]) -> list[int]:
    """Returns the numbers of the steps that are judged: all but the first three, and at least half of them.

    Nothing is judged from the step on in which the loss blows up, unless it is the first: the cause shows before.
    """
    calm = [record.step for record in itertools.takewhile(lambda record: not _blown_up(record, steps[0]), steps)]
    return calm[min(SETTLED, len(calm) // 2) :] or [steps[0].step]


def _blown_up(record: StepRecord, first: StepRecord) -> bool:
    return bool(record.non_finite) or 0 < LOSS_RISES * first.loss < record.loss


def measurement(
    model: nn.Module,
    result: Passes,
    updates: Updates,
    optimizer: OptimizerRecord,
    held: frozenset[str],
    *,
    batch_size: int,
    batches: int,
    steps: Sequence[int] | None = None,
) -> Measurement:
    """Puts the record together.

    Args:
        model: as it is now.
        result: the passes.
        updates: what the optimizer did in the steps between them.
        optimizer: described before the steps.
        held: names of the parameters that the optimizer's groups hold.
        batch_size: samples in a batch.
        batches: how many different ones there were.
        steps: numbers of the passes that are judged; ``None``: as `judged` chooses.
    """
    steps = judged(result.steps) if steps is None else steps
    parameters = tuple(_parameter(name, p, result, updates, held, len(steps)) for name, p in model.named_parameters())
    found = _with_updates(_median_layers(result, steps), parameters, updates, len(steps))
    found = _with_predictions(found, result, steps)
    first = next(model.parameters())
    return Measurement(
        model=class_of(model).__name__,
        parameters_total=sum(p.numel() for p in model.parameters()),
        batch_size=batch_size,
        batches=batches,
        judged_steps=tuple(steps),
        steps=tuple(result.steps),
        layers=found,
        profile=_median_profile([result.profiles[i] for i in steps]),
        parameters=parameters,
        units=result.units.records(),
        spreads=result.signals.spreads(found),
        inputs=result.signals.inputs(),
        head=result.head,
        optimizer=optimizer,
        attention=result.attention,
        device=str(first.device),
        versions={
            "headwater": headwater.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        precision=result.precision.record(steps) if result.precision is not None else PrecisionRecord(),
        through_time=result.through_time.records(steps, result.batches),
        magnitudes=result.magnitudes.records(found),
    )


def optimizer_record(optimizer: Optimizer, model: nn.Module, *, given: bool) -> OptimizerRecord:
    """Describes an optimizer before its steps."""
    known = {id(p) for p in model.parameters()}
    held = [p for group in optimizer.param_groups for p in group["params"]]
    rates = tuple(rate for group in optimizer.param_groups if (rate := rate_of(group)) is not None)
    return OptimizerRecord(type(optimizer).__name__, rates, given, sum(id(p) not in known for p in held))


def held_names(optimizer: Optimizer, model: nn.Module) -> frozenset[str]:
    """Returns the names of the model's parameters that the optimizer's groups hold."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return frozenset(name for name, p in model.named_parameters() if id(p) in held)


def _middle(values: Sequence[float]) -> int:
    """Index of the lower median: a step that was really seen, so that the parts of its gain multiply to it."""
    return sorted(range(len(values)), key=lambda i: values[i])[(len(values) - 1) // 2]


def _median_layers(result: Passes, steps: Sequence[int]) -> tuple[Layer, ...]:
    seen: dict[str, list[Layer]] = {}
    for step in steps:
        for layer in result.layers[step]:
            seen.setdefault(layer.name, []).append(layer)
    at_first = {layer.name: layer for layer in result.layers[0]}
    medians = [_median_layer(several, at_first.get(name)) for name, several in seen.items()]
    return tuple(sorted(medians, key=lambda layer: layer.depth))


def _median_layer(several: list[Layer], at_first: Layer | None) -> Layer:
    by_signal = several[_middle([layer.signal or 0.0 for layer in several])]
    with_gain = [layer for layer in several if layer.gain is not None]
    by_gain = with_gain[_middle([layer.gain or 0.0 for layer in with_gain])] if with_gain else by_signal
    moved_on = bool(by_signal.signal) or by_signal.branch
    return replace(
        by_gain,
        signal=by_signal.signal,
        stream=by_signal.stream,
        underflow=by_signal.underflow,
        zero_initialised=at_first is not None and at_first.zero_initialised and moved_on,
        file=at_first.file if at_first else None,
        line=at_first.line if at_first else None,
        called_inside=at_first.called_inside if at_first else None,
    )


def _with_updates(
    found: tuple[Layer, ...],
    parameters: tuple[ParameterRecord, ...],
    updates: Updates,
    last: int,
) -> tuple[Layer, ...]:
    """Adds what the optimizer did to each layer's weight."""
    named = {p.name: p for p in parameters}
    weights = {layer.name: named.get(layer.weight) for layer in found}
    known = {name: weight for name, weight in weights.items() if weight is not None}
    uses = Counter(weight.name for weight in known.values())  # layers share the decrease of a weight that ties them
    decreases = {name: _part(updates.decrease(w.name, last), uses[w.name]) for name, w in known.items()}
    total = sum(abs(d) for d in decreases.values() if d is not None)
    trained: list[Layer] = []
    for layer in found:
        weight, decrease = weights[layer.name], decreases.get(layer.name)
        if weight is None:
            trained.append(layer)
            continue
        share = decrease / total if decrease is not None and total > 0 else None
        trained.append(
            replace(
                layer,
                trainable=weight.trainable,
                update_ratio=weight.update_ratio,
                loss_share=share if weight.trainable else None,
                weight_norm=weight.norm,
                shape=weight.shape,
            )
        )
    return tuple(trained)


def _part(value: float | None, of: int) -> float | None:
    return None if value is None else value / of


def _with_predictions(found: tuple[Layer, ...], result: Passes, steps: Sequence[int]) -> tuple[Layer, ...]:
    """Adds what theory expects, from the last step at or before the judged ones that was watched."""
    watched = max(step for step in result.expected if step <= steps[-1])
    paths = result.expected[watched]
    return tuple(
        _predicted(layer, predicted(paths[layer.name])) if layer.gain is not None and layer.name in paths else layer
        for layer in found
    )


def _predicted(layer: Layer, parts: GainParts) -> Layer:
    gain = parts.activation * parts.weights * parts.normalisation * parts.other
    return replace(layer, predicted_gain=gain, predicted_parts=parts) if math.isfinite(gain) else layer


def _parameter(
    name: str, parameter: nn.Parameter, result: Passes, updates: Updates, held: frozenset[str], last: int
) -> ParameterRecord:
    module = name.rpartition(".")[0]
    return ParameterRecord(
        name=name,
        shape=tuple(parameter.shape),
        module=module,
        trainable=parameter.requires_grad,
        gradient=updates.gradient(name),
        called=module in result.called,
        in_optimizer=name in held,
        norm=frobenius(parameter),
        update_ratio=updates.ratio(name, last),
        identical_units=name in result.identical,
        equal_at_start=name in result.equal_at_start,
        epsilon_share=updates.epsilon_share(name),
    )


def _median_profile(profiles: list[Profile]) -> Profile:
    """Median of the signal at each point, with slope and attenuation of the medians."""
    points = tuple(
        _median_point([p for profile in profiles for p in profile.points if p.name == point.name])
        for point in profiles[-1].points
    )
    lost = next((p.underflow_at for p in profiles if p.underflow_at), None)
    recurrent = any(p.recurrent for p in profiles)
    return summarise(replace(profiles[-1], points=points, recurrent=recurrent, underflow_at=lost))


def _median_point(several: list[ProfilePoint]) -> ProfilePoint:
    return several[_middle([p.signal for p in several])]
