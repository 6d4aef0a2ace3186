"""A measurement after a change of the network: what the next remedy of a combination reads of it.

The numbers stay those of the original; which activation follows a layer, and where it stands, is as it is now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from headwater.records import Measurement, UnitsRecord


def with_activation(measurement: Measurement, swapped: Collection[UnitsRecord], kind: str) -> Measurement:
    """Returns it with another kind of activation in the place of some."""
    fed = {name for units in swapped for name in units.layers}
    layers = (replace(each, activation=kind) if each.name in fed else each for each in measurement.layers)
    units = (replace(each, kind=kind) if each in swapped else each for each in measurement.units)
    return replace(measurement, layers=tuple(layers), units=tuple(units))


def with_paths(measurement: Measurement, moved: Mapping[str, str]) -> Measurement:
    """Returns it with layers, and what names them, under the paths to which their modules moved."""

    def now(name: str) -> str:
        return moved.get(name, name)

    def parameter(name: str) -> str:
        owner, _, last = name.rpartition(".")
        return f"{now(owner)}.{last}" if owner else name

    layers = (
        replace(
            each,
            name=now(each.name),
            toward=each.toward and now(each.toward),
            weight=parameter(each.weight),
        )
        for each in measurement.layers
    )
    parameters = (replace(each, name=parameter(each.name), module=now(each.module)) for each in measurement.parameters)
    units = (
        replace(each, name=now(each.name), layer=each.layer and now(each.layer), layers=tuple(map(now, each.layers)))
        for each in measurement.units
    )
    return replace(measurement, layers=tuple(layers), parameters=tuple(parameters), units=tuple(units))
