"""Put ReLU, leaky ReLU, GELU, SELU or tanh in the place of a hidden sigmoid or tanh.

## What it does

A sigmoid's slope is a quarter at most, a tanh's one at most: of the gradient that passes L layers of sigmoid at best
``4^-L`` is left. The hidden activations of the kind at fault are replaced, whether they are modules or calls of a
function, and the weights are drawn for the new ones as `init-matched:he` does: with the old ones a ReLU loses 59 % a
layer.

| variant | what it keeps |
| --- | --- |
| `relu` | slope one for half of the inputs; the default choice (Nair, Hinton 2010) |
| `leaky-relu` | a slope of 0.01 on the other side, so that no unit dies (Maas, Hannun, Ng 2013) |
| `gelu` | a smooth ReLU (Hendrycks, Gimpel 2016) |
| `selu` | mean and variance of the signal without a normalisation (Klambauer et al. 2017) |
| `tanh` | a bounded output around zero, with a slope of one there (LeCun et al. 1998); in a loop over time too |

## When not

Never where the range is meant: gates, outputs, attention. A module, or a line of code, that serves such a place as well
is left. In a recurrent loop an unbounded activation lets the state explode: there only tanh is put. Gates, weights and
deviations are known by what they multiply or divide; other probabilities and bounded values inside of a network are
hidden to every measurement: look at the diff.

A pretrained network would be another one after the swap: weights that look trained are not drawn anew, and what follows
them, or lies below them, is left. Where nothing else is there, it is refused.

## Safety

Unsafe: the network computes another function, which has no bounds any more (but for `tanh`).

## References

- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- Nair, Hinton 2010, "Rectified linear units improve restricted Boltzmann machines", ICML
- Hendrycks, Gimpel 2016, "Gaussian error linear units", arXiv 1606.08415
- Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-normalizing neural networks", NeurIPS, arXiv 1706.02515
- LeCun, Bottou, Orr, Mueller 1998, "Efficient backprop"
"""

from __future__ import annotations

from functools import partial

from headwater.records import Change, Code
from headwater.records.numbers import count
from headwater.remedies.activations import REPLACEMENTS, TRAINED, Sites, sites, swap
from headwater.remedies.code import joined, run
from headwater.remedies.draw import bias_zero, loops, matched
from headwater.remedies.fresh import begun, drawable
from headwater.remedies.remedy import Remedy, Training

_CODE = "activation-swap"
_SIGMOIDS, _TANH = ("sigmoid", "hardsigmoid"), ("tanh",)
_VARIANTS = ("relu", "leaky-relu", "gelu", "selu", "tanh")


def _found(training: Training, variant: str) -> Sites:
    """The hidden sigmoids; where there are none, the hidden tanh."""
    sigmoids = sites(training, _SIGMOIDS)
    found = sigmoids if sigmoids.units or variant == "tanh" else sites(training, _TANH)
    return found if found.units or not sigmoids.spared else sigmoids


def _refusal(variant: str, training: Training) -> str | None:
    if why := begun(training):
        return why
    found = _found(training, variant)
    if not found.units:
        return TRAINED if found.spared else "it has no hidden sigmoid or tanh that serves as nothing else"
    looped = {layer.name for layer in training.measurement.layers if layer.calls > 1}
    if variant != "tanh" and training.measurement.profile.recurrent and looped.intersection(found.layers):
        return "in a loop an unbounded activation lets the state explode"
    return None


def _apply(variant: str, training: Training) -> Change:
    found, to = _found(training, variant), REPLACEMENTS[variant]
    before = " and ".join(dict.fromkeys(units.kind for units in found.units))
    swapped = swap(training, found, to)
    drawn = {name: (matched(layer, training), *bias_zero(training, name)) for name, layer in drawable(training).items()}
    code = loops(training, drawn) if drawn else Code()
    run(code, training)
    says = f"{to.words} in place of {before} after {count(len(found.layers), 'layer')}"
    says += f", {count(len(drawn), 'layer')} with weights drawn for it" if drawn else ""
    return Change(f"{_CODE}:{variant}", says, found.places, swapped.edits, swapped.instead, joined(swapped.code, code))


REMEDIES = tuple(
    Remedy(_CODE, variant, "unsafe", 3, partial(_refusal, variant), partial(_apply, variant), __doc__ or "")
    for variant in _VARIANTS
)
