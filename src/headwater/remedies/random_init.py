"""Draw weights at random where all units of a layer start alike.

## What it does

Units with equal weights and equal gradients stay equal for ever: a layer of 512 of them is a layer of one. Every weight
whose rows are all the same is drawn anew: by the `reset_parameters` of its module, where that is one of PyTorch's, else
from PyTorch's own default, ``U(+-1/sqrt(fan_in))``, or, where its rows are added or looked up and multiply nothing
(positions, tokens), ``Normal(0, 1)`` as in `nn.Embedding`. In a deep network `init-matched` is the better draw.

## When not

Weights that are zero by design stay: the last layer, the last weight of a residual branch, an adapter. So do biases and
scales of normalisations, which have nothing to break. Nothing is drawn once the training has begun.

## Safety

Safe: the network can compute what it could, and only its start is another.

## References

- Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
- Zhang, Dauphin, Ma 2019, "Fixup initialization", ICLR, arXiv 1901.09321 (where zeros are right)
"""

from __future__ import annotations

from torch import Tensor, nn

from headwater.errors import RemedyError
from headwater.graph import class_of
from headwater.records import Change, Code
from headwater.records.numbers import count
from headwater.remedies.code import run
from headwater.remedies.draw import loops
from headwater.remedies.fresh import begun
from headwater.remedies.remedy import Remedy, Training

_CODE = "random-init"


def _refusal(training: Training) -> str | None:
    return begun(training) or (None if _alike(training) else "no layer has units that all start alike")


def _alike(training: Training) -> dict[str, nn.Parameter]:
    """Names of the matrices that are drawn anew.

    Those that the diagnosis found to stay alike or to start so, and all other constants but zero beside them.
    """
    found = {p.name for p in training.measurement.parameters if p.trainable and (p.identical_units or p.equal_at_start)}
    if not found:
        return {}
    parameters = dict(training.model.named_parameters())
    applied = {layer.weight for layer in training.measurement.layers if not layer.zero_initialised}
    found |= {name for name in applied & set(parameters) if parameters[name].any()}
    return {name: p for name, p in parameters.items() if name in found and p.requires_grad and _equal_rows(p.detach())}


def _equal_rows(matrix: Tensor) -> bool:
    return matrix.dim() > 1 and len(matrix) > 1 and bool((matrix == matrix[:1]).all())


def _apply(training: Training) -> Change:
    found = _alike(training)
    if not found:
        raise RemedyError("Looked for weights whose rows are all the same, and found none.")
    owners = list(dict.fromkeys(name.rpartition(".")[0] for name in found))
    resettable = [path for path in owners if _resettable(training.model.get_submodule(path))]
    raw = [name for name in found if name.rpartition(".")[0] not in resettable]
    drawn = loops(training, dict.fromkeys(resettable, ("layer.reset_parameters()",))) if resettable else Code()
    applied = {layer.weight for layer in training.measurement.layers}
    lines = [_drawn(f'{{model}}.get_parameter("{name}")', is_applied=name in applied) for name in raw]
    code = Code(before=drawn.before + "".join(lines), imports=("import torch",))
    run(code, training)
    return Change(
        _CODE,
        f"weights drawn at random in {count(len(owners), 'layer')} whose units were alike",
        tuple(found),
        code=code,
    )


def _drawn(parameter: str, *, is_applied: bool) -> str:
    """A weight that multiplies what comes in, or a table whose rows are added or looked up (positions, tokens)."""
    drawn = f"kaiming_uniform_({parameter}, a=5**0.5)" if is_applied else f"normal_({parameter})"
    return f"torch.nn.init.{drawn}\n"


def _resettable(module: nn.Module) -> bool:
    """Only PyTorch's own: that of a user's class may be what made the weights alike."""
    return class_of(module).__module__.startswith("torch.nn.") and hasattr(module, "reset_parameters")


REMEDIES = (Remedy(_CODE, "", "safe", 1, _refusal, _apply, __doc__ or ""),)
