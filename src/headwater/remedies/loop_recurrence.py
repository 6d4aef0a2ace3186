"""Start the square weights that a loop over time applies orthogonal.

## What it does

A recurrent network that its author wrote as a loop multiplies its state by the same weights at every step, and the
gradient on its way back. Singular values above one saturate the units or let the gradient explode, those below one let
it vanish, each with the power of the number of steps. Orthogonal weights have the singular value

    1, or 4 before a sigmoid, whose largest slope is 1/4

only. Drawn anew are the square weights of linear layers that run more than once in a pass. The others of the loop,
which read the input, are drawn from ``Normal(0, 1 / fan_in)`` where they are more than twice as wide; biases stay.

## When not

Not on weights that look trained, nor on those that are frozen or tied to others. For long lags a layer with gates
holds a state better (`gated-recurrence`).

## Safety

Safe: no function of the network changes, only where its weights start.

## References

- Saxe, McClelland, Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
  networks", ICLR, arXiv 1312.6120
- Henaff, Szlam, LeCun 2016, "Recurrent orthogonal networks and long-memory tasks", ICML, arXiv 1602.06662
"""

from __future__ import annotations

from collections import Counter

from torch import nn

from headwater.errors import RemedyError
from headwater.records import Change, Code, Measurement
from headwater.remedies.code import run
from headwater.remedies.fresh import begun, looks_trained
from headwater.remedies.remedy import Remedy, Training
from headwater.remedies.rewrite import named

_CODE, _VARIANT = "orthogonal-recurrence", "loop"
_GAINS = {"sigmoid": 4.0, "hardsigmoid": 6.0}
"""One over the largest slope."""
_WIDE = 2.0
"""So many times ``1 / sqrt(fan_in)`` saturate: inputs of variance one then make sums of variance four."""


def _refusal(training: Training) -> str | None:
    if why := begun(training):
        return why
    if any("orthogonal" in draw for draw in _found(training).values()):
        return None
    return "no loop over time applies a square weight, or those that it does look trained, are frozen or tied to others"


def _found(training: Training) -> dict[str, str]:
    """Paths of the layers, and the call that draws their weight."""
    if not training.measurement.profile.recurrent:
        return {}
    modules = dict(named(training.model))
    uses = Counter(id(module.weight) for module in modules.values() if isinstance(module, nn.Linear))
    found: dict[str, str] = {}
    for layer in training.measurement.layers:
        module = modules.get(layer.name)
        if not isinstance(module, nn.Linear) or layer.calls < 2 or uses[id(module.weight)] > 1:
            continue
        drawn = _drawn(module, _gain(training.measurement))
        if drawn is not None and module.weight.requires_grad and not looks_trained(module.weight):
            found[layer.name] = drawn
    return found


def _drawn(module: nn.Linear, gain: float) -> str | None:
    fan_in, weight = module.in_features, module.weight.detach()
    if fan_in == module.out_features:
        return f"nn.init.orthogonal_({{}}.weight, gain={gain:g})"
    wide = float(weight.square().mean()) > _WIDE**2 / fan_in
    return f"nn.init.normal_({{}}.weight, std={fan_in**-0.5:.4g})" if wide else None


def _gain(measurement: Measurement) -> float:
    """For the activation of the loop: the sum that enters it is filed under one of the layers that run there."""
    looped = {layer.name for layer in measurement.layers if layer.calls > 1}
    kinds = [units.kind for units in measurement.units if looped.intersection(units.layers)]
    return max((_GAINS.get(kind, 1.0) for kind in kinds), default=1.0)


def _apply(training: Training) -> Change:
    found = _found(training)
    if not found:
        raise RemedyError("Looked for weights that a loop applies, and found none that may be drawn anew.")
    lines = [draw.format(f"{{model}}.get_submodule({path!r})") for path, draw in found.items()]
    code = Code(before="\n".join(lines), imports=("from torch import nn",))
    run(code, training)
    return Change(f"{_CODE}:{_VARIANT}", f"{', '.join(found)} start orthogonal", tuple(found), code=code)


REMEDIES = (Remedy(_CODE, _VARIANT, "safe", 1, _refusal, _apply, __doc__ or ""),)
