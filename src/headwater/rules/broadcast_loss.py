"""HW604 broadcast-loss: outputs and targets of different shape are blown up against each other inside the loss.

With outputs of shape (N, 1) and targets of shape (N,), broadcasting makes their difference an (N, N) table: each
output is compared with the target of *every* sample. The loss is a number as always; it just asks for something else.

## What it means

The mean over the table of (o_i - t_j)^2 is smallest when every output is the mean of all targets. So the network is
taught, with full force and a healthy gradient, to ignore its input. It reaches the score of the best constant and
stays there. PyTorch warns of it in `mse_loss` and its kin, once, and not at all when the difference is written by
hand.

## How it is measured

An operation of the head counts as a broadcast when

- one operand is the network's output as it left the model, and the other one a constant (the targets),
- the result's shape is what broadcasting the output with the targets gives,
- and it has more elements than either of them.

## Thresholds

None: shapes are exact. Not reported are pairwise losses, in which both operands come from the network (ranking,
contrastive), or for which an axis was added on purpose between the model and the loss (`o[:, None] - t[None]`); and
losses that repeat only one side, such as several quantiles against one target.

## What to do

Give both the same shape: `outputs.squeeze(-1)`, or `targets.unsqueeze(-1)`. An assertion `outputs.shape ==
targets.shape` in the loss costs nothing.

## What not to do

Do not tune the learning rate or the network: the loss is minimised correctly, it is the wrong loss. Do not silence
the warning.

## References

- PyTorch documentation, "Broadcasting semantics"
"""

from __future__ import annotations

from headwater.records import Finding, HeadOp, HeadRecord, Measurement, Where
from headwater.records.head_ops import elements
from headwater.rules.rule import Rule

CODE, NAME = "HW604", "broadcast-loss"

_ADDS_AXES = frozenset("Unsqueeze View UnsafeView Reshape ReshapeAlias Unflatten".split())


def check(measurement: Measurement) -> Finding | None:
    """Looks for the operation that makes a table of outputs and targets."""
    head = measurement.head
    if head.target_shape is None:
        return None
    op = next((op for op in head.ops if _blows_up(op, head)), None)
    if op is None:
        return None
    output, target = list(op.input_shapes[0]), list(head.target_shape)
    return Finding(
        code=CODE,
        name=NAME,
        severity="error",
        where=Where(None, (), op.file, op.line),
        message=f"Outputs of shape {output} against targets of shape {target} are broadcast to {list(op.shape)}: every "
        "output is compared with every sample's target.",
        cause="Such a loss is least when all outputs equal the mean target: the network learns to ignore its input.",
        evidence={"output shape": str(output), "target shape": str(target), "broadcast shape": str(list(op.shape))},
        remedies=("match-shapes",),
    )


def _blows_up(op: HeadOp, head: HeadRecord) -> bool:
    target = head.target_shape
    if target is None or len(op.input_shapes) != 1 or not (op.constant_operand or op.kind == "Expand"):
        return False
    signal = op.input_shapes[0]
    if _broadcast(signal, target) != op.shape or elements(op.shape) <= max(elements(signal), elements(target)):
        return False
    return signal == head.output_shape or not any(
        other.kind in _ADDS_AXES and other.shape == signal for other in head.ops
    )


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """Shape of an elementwise operation on shapes `a` and `b`; `None` when they do not fit."""
    size = max(len(a), len(b))
    pairs = zip((1,) * (size - len(a)) + a, (1,) * (size - len(b)) + b, strict=True)
    shape: list[int] = []
    for x, y in pairs:
        if x != y and 1 not in (x, y):
            return None
        shape.append(max(x, y))
    return tuple(shape)


RULE = Rule(CODE, NAME, check, __doc__ or "")
