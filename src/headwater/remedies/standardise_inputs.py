"""Standardise each feature of the data to mean 0 and standard deviation 1.

## What it does

A hook on each layer that reads the data subtracts a mean and divides by a standard deviation,

    x' = (x - mean) / deviation        one pair for each feature (the last axis), or for each channel of a convolution

taken once, from the first batch that comes, and kept with the layer as buffers, so that they are saved and loaded with
the weights. They do not follow later batches: a network that standardises each batch by itself sees another function of
the same sample each time. A feature that is constant in that batch is divided by the mean deviation of the others, so
that it neither becomes NaN nor explodes when it moves. Bytes are read as floating-point numbers.

The layers are hooked and not the model, for what counts is what the weights meet: a model may divide by 255 itself,
add coordinates of its own to the data, or take masks and lengths as further inputs. Where such a layer is no module, or
runs more than once in a pass (a loop over time), the first input of the model is standardised in its place.

## When not

Not where a normalisation follows the first layer, nor for token numbers, which are names and no quantities. Not where
the weights that read the data look trained: they have learnt to read it as it is. Sparse data
loses its zeros. When the training set can be read beforehand, its own mean and deviation are better than those of one
batch: compute them once, and standardise in the data loader.

## Safety

Safe: the first layer can undo it, weight by weight, so that the network computes the same functions as before. Inputs
of mean 0 and variance 1 are what every initialisation assumes.

## References

- LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", in Neural Networks: Tricks of the Trade
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.records import Change, Code, InputRecord
from headwater.remedies.fresh import trained
from headwater.remedies.plain import shaped_as_saved, source
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import named

_CODE = "standardise-inputs"

_READERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)
"""Layers whose first input is the data alone, with features on a known axis."""
_NEAR = 2.0
"""Root mean squares this far from 1 are left: He's and Xavier's initialisation differ by nearly as much."""


def standardise(module: nn.Module, inputs: tuple[Tensor, ...], axis: int = -1) -> tuple[Tensor, ...]:
    """Gives each feature mean 0 and standard deviation 1, by the first batch that comes."""
    x = inputs[0] if inputs[0].is_floating_point() else inputs[0].float()
    known_mean, known_deviation = module.get_buffer("input_mean"), module.get_buffer("input_deviation")
    if known_mean.dim() == 0:
        values = x.detach().float()
        across = [d for d in range(values.dim()) if values.dim() == 1 or d != axis % values.dim()]
        mean = values.mean(across, keepdim=True)
        mean = mean + (values - mean).mean(across, keepdim=True)  # rounding: means may be a million deviations large
        deviation = (values - mean).square().mean(across, keepdim=True).sqrt()
        varies = values.amax(across, keepdim=True) > values.amin(across, keepdim=True)
        usual = deviation[varies].mean() if varies.any() else torch.ones_like(mean)
        known_mean.resize_as_(mean).copy_(mean)
        known_deviation.resize_as_(mean).copy_(torch.where(varies, deviation, usual))
    return (((x.float() - known_mean) / known_deviation).to(x.dtype), *inputs[1:])


def standardised(module: nn.Module, axis: int = -1) -> None:
    """Lets a module standardise what it reads, by numbers that are saved and loaded with its weights."""
    names = ("input_mean", "input_deviation")
    for name in names:  # single numbers until the first batch comes
        module.register_buffer(name, torch.zeros((), device=next(module.parameters(), torch.empty(0)).device))
    module.register_load_state_dict_pre_hook(partial(shaped_as_saved, names=names))
    module.register_forward_pre_hook(partial(standardise, axis=axis))


def _refusal(training: Training) -> str | None:
    records = [record for record in training.measurement.inputs if not record.normalised]
    if not training.measurement.inputs:
        return "no layer reads floating-point data"
    if not records:
        return "the data is normalised behind the first layer"
    if all(map(_standard, records)):
        return f"the data has mean {records[0].mean:.2g} and root mean square {records[0].rms:.2g}: it is standardised"
    if not trained(training).isdisjoint(record.layer for record in records):
        return "the weights that read the data look trained: they have learnt to read it as it is"
    return None


def _standard(record: InputRecord) -> bool:
    return 1 / _NEAR <= record.rms <= _NEAR and abs(record.mean) <= record.rms / _NEAR


def _apply(training: Training) -> Change:
    places = _places(training)
    if not places:
        raise RemedyError("Standardising the inputs found no layer that reads floating-point data.")
    lines = [source(shaped_as_saved, standardise, standardised)]
    for path, axis in places.items():
        standardised(training.model.get_submodule(path), axis)
        module = f"{{model}}.get_submodule({path!r})" if path else "{model}"
        lines.append(f"standardised({module}, axis={axis})")
    imports = (
        "from functools import partial",
        "from typing import Any",
        "import torch",
        "from torch import Tensor, nn",
    )
    return Change(
        remedy=_CODE,
        says=f"the data that enters {', '.join(path or 'the model' for path in places)} has mean 0 and standard "
        "deviation 1 in each feature",
        places=tuple(places),
        code=Code(before="\n".join(lines), imports=imports),
    )


def _places(training: Training) -> dict[str, int]:
    """Paths of the modules that get the hook, and the axis of their features."""
    calls = {layer.name: layer.calls for layer in training.measurement.layers}
    modules = dict(named(training.model))
    found: dict[str, int] = {}
    for record in training.measurement.inputs:
        if record.normalised:
            continue
        path = record.layer
        while path not in modules:  # the path of a weight of its module
            path = path.rpartition(".")[0]
        module = modules[path]
        fits = isinstance(module, _READERS) and (calls.get(record.layer, 1) == 1 or isinstance(module, nn.RNNBase))
        convolves = isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        found[path if fits else ""] = 1 if convolves else -1
    return found


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
