"""HW601 disconnected-parameter: parameters that ask for a gradient, ran, and are not connected to the loss.

Autograd reaches a parameter only through tensors. A `.detach()`, `.data`, `.item()`, a trip through numpy, or a
choice by `argmax` ends the path: what lies below gets no gradient at all (`grad is None`), and no optimizer will ever
move it.

## What it means

No gradient is not a zero gradient. Zero says that the loss does not change with the parameter at this point; none
says that autograd does not know of any connection. The network runs and the loss may even fall, since the parts above
the cut learn, on top of a frozen random part.

## How it is measured

Over the whole probation, for every parameter with `requires_grad`:

    gradient is none     in no step did a gradient arrive
    called               its module ran in the forward pass

## Thresholds

| what | severity | reason |
| --- | --- | --- |
| they hold over half of all trainable numbers | error | most of the network cannot learn |
| the first module that ran is among them, or they hold at least 5 % | warning | a cut on the way from the input |
| later in the model, under 5 %, or module not called | info | parts that this loss does not use, by design |

The 5 % are chosen: the pooler that many pretrained encoders carry and run, whether it is used or not, holds less in
all but toy sizes. Modules that did not run are unused by design until shown otherwise, and are never more than an
info. So are spare parameters: under 5 %, in a module that passes a gradient on through others.

## What to do

Follow the path from the named module to the loss and keep it in tensors. In custom code look for `torch.no_grad()`
around a forward pass, for `torch.tensor(x)` made from a tensor, and for in-place writes to `.data`. Where a choice
must be discrete, use a soft one or a straight-through estimator. If the part is meant to be frozen, say so with
`requires_grad_(False)`: this finding then goes away, and memory is saved.

## What not to do

Do not silence it with `find_unused_parameters=True` in data-parallel training before you know why they are unused.

## References

- PyTorch documentation, "Autograd mechanics": how the graph is recorded and what ends it
"""

from __future__ import annotations

from headwater.records import Finding, Measurement, ParameterRecord, Severity
from headwater.rules.common import amount, at_layer, count, listed, modules_of, percent, trainable
from headwater.rules.rule import Rule
from headwater.rules.thresholds import MOST_NUMBERS

CODE, NAME = "HW601", "disconnected-parameter"

SMALL = 0.05
"""Share below which a part that stands late in the model may simply be unused, like a pooler."""


def check(measurement: Measurement) -> Finding | None:
    """Looks for trainable parameters that no gradient ever reached."""
    asking = trainable(measurement)
    lost = [p for p in asking if p.gradient == "none"]
    if not lost:
        return None
    ran = [p for p in lost if p.called and not _spare(p, asking)]
    shown = ran or lost
    share = count(ran) / max(count(asking), 1)
    modules = modules_of(shown)
    severity = _severity(ran, asking, share)
    return Finding(
        code=CODE,
        name=NAME,
        severity=severity,
        where=at_layer(measurement, modules[0], modules, tuple(p.name for p in shown)),
        message=f"No gradient reaches {amount(len(shown), 'parameter')} of {listed(modules)}, "
        f"{percent(count(shown) / max(count(asking), 1))} of all trainable numbers.",
        cause=_cause(severity, bool(ran)),
        evidence={"parameters": len(shown), "numbers": count(shown), "share that ran": share},
        remedies=() if severity == "info" else ("reconnect",),
    )


def _spare(parameter: ParameterRecord, asking: tuple[ParameterRecord, ...]) -> bool:
    """Whether a gradient reaches others of its module, or below it: then the module has no use for this one.

    A large one is not put by as a spare, and the whole model is below its root: there only neighbours count.
    """
    if count([parameter]) >= SMALL * count(asking):
        return False
    alive = [p for p in asking if p.gradient != "none"]
    if not parameter.module:
        return any(not p.module for p in alive)
    return any(p.name.startswith(parameter.module + ".") for p in alive)


def _severity(ran: list[ParameterRecord], asking: tuple[ParameterRecord, ...], share: float) -> Severity:
    if share > MOST_NUMBERS:
        return "error"
    first = next((p for p in asking if p.called), None)
    from_the_input = any(p is first for p in ran)
    return "warning" if ran and (from_the_input or share >= SMALL) else "info"


def _cause(severity: Severity, ran: bool) -> str:
    if not ran:
        return "This forward pass has no use for them: parts that did not run, or spare parameters."
    if severity == "info":
        return "Their modules ran, but the loss does not use what they computed."
    return (
        "Their modules ran, yet autograd knows no path from them to the loss: something between leaves the graph "
        "(detach, .data, .item(), numpy, argmax, no_grad), or the loss does not use what they computed."
    )


RULE = Rule(CODE, NAME, check, __doc__ or "")
