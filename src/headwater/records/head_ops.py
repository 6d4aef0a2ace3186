"""Reads the operations between the last layer and the loss: what feeds what, and which loss it is."""

from __future__ import annotations

import math

from headwater.records.measurement import HeadOp, HeadRecord

VIEWS = frozenset(
    "View UnsafeView Reshape ReshapeAlias Transpose T Permute Squeeze Unsqueeze Clone Alias Flatten Unflatten Movedim "
    "Select Slice ToCopy Expand Contiguous".split()
)
"""Operations that lay numbers out anew, or copy them."""

SOFTMAX = frozenset("Softmax SafeSoftmax".split())
REGRESSION = frozenset("MseLoss L1Loss SmoothL1Loss HuberLoss".split())
CLASSIFICATION = frozenset(
    "NllLoss NllLoss2D NllLossNd LogSoftmax BinaryCrossEntropy BinaryCrossEntropyWithLogits LogSigmoid SoftMarginLoss "
    "MultiMarginLoss MultilabelMarginLoss CtcLoss".split()
)
LIMITS = {
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Relu": (0.0, math.inf),
}
"""What an activation can put out."""

_REDUCTIONS = frozenset("Mean Sum Div Mul".split())
_DISTANCES = frozenset("Pow Abs Square Mul".split())


def feeder(head: HeadRecord, index: int) -> HeadOp | None:
    """Returns the operation that feeds one, looking through views; `None` when a layer feeds it.

    Meaningful where `is_straight` says so: operations stand in backward order, and only on an unbranched way from the
    loss is the next one in the list surely the next one in the graph.
    """
    return next((op for op in head.ops[index + 1 :] if op.kind not in VIEWS), None)


def is_straight(head: HeadRecord, index: int) -> bool:
    """Whether no operation from the loss down to this one has more than one signal input."""
    return all(len(op.input_shapes) <= 1 for op in head.ops[: index + 1])


def gives_output(head: HeadRecord, op: HeadOp) -> bool:
    """Whether an operation's values fit those that the model returned: same shape, and within [0, 1]."""
    return (
        op.shape == head.output_shape
        and head.output_min is not None
        and head.output_max is not None
        and head.output_min >= 0
        and head.output_max <= 1 + 1e-6
    )


def regression(head: HeadRecord) -> int | None:
    """Returns the index of the operation that compares outputs with real targets; `None` when none does.

    One of PyTorch's regression losses, or by hand: a mean or sum of powers or magnitudes of a difference.
    """
    for index, op in enumerate(head.ops):
        if op.kind in REGRESSION:
            return index
        if op.kind not in _REDUCTIONS | _DISTANCES | VIEWS | {"Sub"}:
            return None
        if op.kind == "Sub" and op.constant_operand and is_straight(head, index):
            above = {other.kind for other in head.ops[:index]}
            return index if above & _DISTANCES and above & {"Mean", "Sum"} else None
    return None


def compares_like(head: HeadRecord, index: int) -> bool:
    """Whether the targets have as many elements as what an operation compares them with.

    Else the loss made something else of them first (one-hot vectors of class numbers), and their range says nothing.
    """
    shapes = head.ops[index].input_shapes
    return bool(shapes) and head.target_shape is not None and elements(shapes[0]) == elements(head.target_shape)


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements of a shape."""
    return math.prod(shape)
