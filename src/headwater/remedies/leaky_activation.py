"""Put leaky ReLU, ELU or GELU in the place of a ReLU whose units are dead.

## What it does

A ReLU that is off on every sample passes no gradient, and nothing brings it back. All hidden ReLU and ReLU6 of
a network in which some are dead are replaced: a leaky ReLU (Maas, Hannun, Ng 2013) has a slope of 0.01 there, an ELU
(Clevert, Unterthiner, Hochreiter 2016) ``exp(z)``, a GELU a slope a little below zero only. Weights stay.

## When not

Where sparsity is meant, and where a unit died of a step that was too long: a lower rate keeps it alive. Far below zero
ELU and GELU are as flat as a ReLU. Gates and outputs, and modules or lines that serve such a place too, are left. What
is called by a library's code cannot be replaced. A pretrained network would be another one: what follows weights that
look trained, or lies below such, is left.

## Safety

Unsafe: the network computes another function; with a leaky ReLU it differs by a hundredth of the negative part.

## References

- Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models", ICML workshop
- Clevert, Unterthiner, Hochreiter 2016, "Fast and accurate deep network learning by exponential linear units", ICLR,
  arXiv 1511.07289
- Lu, Shin, Su, Karniadakis 2020, "Dying ReLU and initialization: theory and numerical examples", arXiv 1903.06733
"""

from __future__ import annotations

from functools import partial

from headwater.records import Change
from headwater.records.numbers import count
from headwater.remedies.activations import REPLACEMENTS, TRAINED, Sites, sites, swap
from headwater.remedies.remedy import Remedy, Training

_CODE = "leaky-activation"
_KINDS = ("relu", "hardtanh")


def _found(training: Training) -> Sites:
    return sites(training, _KINDS)


def _refusal(training: Training) -> str | None:
    found = _found(training)
    if not found.units and found.spared:
        return TRAINED
    dead = any(units.dead for units in found.units)
    return None if dead else "it has no hidden ReLU with dead units that can be replaced"


def _apply(variant: str, training: Training) -> Change:
    found, to = _found(training), REPLACEMENTS[variant]
    swapped = swap(training, found, to)
    dead, units = sum(each.dead for each in found.units), sum(each.units for each in found.units)
    says = f"{to.words} after {count(len(found.layers), 'layer')}, where {dead} of {units} units were dead"
    return Change(f"{_CODE}:{variant}", says, found.places, swapped.edits, swapped.instead, swapped.code)


REMEDIES = tuple(
    Remedy(_CODE, variant, "unsafe", 3, _refusal, partial(_apply, variant), __doc__ or "")
    for variant in ("leaky-relu", "elu", "gelu")
)
