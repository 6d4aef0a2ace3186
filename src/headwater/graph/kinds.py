"""What autograd's operations do to the signal: a table of names, and nothing else.

Names are those of PyTorch's `derivatives.yaml` without the ``Backward0`` suffix.
"""

from __future__ import annotations

import re
from functools import cache

WEIGHTED = frozenset(
    "Addmm Mm Bmm Baddbmm Addbmm Addmv Mv Linear MkldnnLinear Convolution ConvolutionOverrideable SlowConv3D "
    "MkldnnConvolution Embedding EmbeddingBag Trilinear "
    "MkldnnRnnLayer CudnnRnn MiopenRnn".split()
)
"""Operations that apply a weight when one of their operands is a parameter."""

RECURRENT = frozenset("MkldnnRnnLayer CudnnRnn MiopenRnn".split())
"""Fused recurrent kernels: one node for all time steps."""

LOOKUPS = frozenset("Embedding EmbeddingBag".split())
"""Operations that read a weight by integer indices: the signal ends there."""

ACTIVATIONS = frozenset(
    "Relu Sigmoid Tanh Gelu Silu Mish Elu Selu Celu LeakyRelu RreluWithNoise Hardtanh Hardswish Hardsigmoid Softplus "
    "Threshold PreluKernel Prelu LogSigmoid Glu Hardshrink Softshrink Softsign Sin Cos Erf".split()
)

NORMALISATIONS = frozenset(
    "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm BatchNorm NativeLayerNorm LayerNorm NativeGroupNorm "
    "FusedRmsNorm RmsNorm".split()
)

ISOMETRIES = frozenset(
    "View UnsafeView Reshape ReshapeAlias T Transpose Permute Squeeze Unsqueeze Clone Alias ViewAs Movedim Flatten "
    "Unflatten".split()
)
"""Operations that only lay the same numbers out anew: the norm of the gradient is the same on both sides."""

DATA_SLOT: dict[str, int] = {
    "Addmm": 1,
    "Mm": 0,
    "Bmm": 0,
    "Baddbmm": 1,
    "Addbmm": 1,
    "Addmv": 1,
    "Mv": 1,
    "Linear": 0,
    "MkldnnLinear": 0,
    "Convolution": 0,
    "ConvolutionOverrideable": 0,
    "SlowConv3D": 0,
    "MkldnnConvolution": 0,
    "MkldnnRnnLayer": 0,
    "CudnnRnn": 0,
    "MiopenRnn": 0,
    "Trilinear": 0,
}
"""The operand that is the signal where the signature tells it: ``F.linear(x, w)`` calls ``addmm(bias, x, w.T)``."""

ALWAYS_DATA = frozenset(DATA_SLOT) - {"Mm", "Bmm", "Addbmm", "Mv", "Addmv"} | LOOKUPS
"""Operations that people apply to data only; a product of two parameters (``B @ A``) uses the others."""

SAVED_INPUT: dict[str, str] = {
    "Addmm": "_saved_mat1",
    "Mm": "_saved_self",
    "Bmm": "_saved_self",
    "Baddbmm": "_saved_batch1",
    "Linear": "_saved_input",
    "Convolution": "_saved_input",
    "MkldnnRnnLayer": "_saved_input",
    "CudnnRnn": "_saved_input",
}
"""Where the node keeps the tensor that its weight was applied to."""

_NORMALISATION_CLASS = re.compile(r"norm(alization|alisation)?(\d+d|2dact|act\w*)?$", re.IGNORECASE)
_ACTIVATION_CLASS = re.compile(
    r"(activation|relu\d?|gelu\w*|silu|swish|mish|elu|selu|celu|sigmoid|tanh|softplus|softsign|hardtanh)$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"Backward\d*$")


@cache
def kind_of(node_name: str) -> str:
    """Returns the operation's name: ``"AddmmBackward0"`` gives ``"Addmm"``."""
    return _SUFFIX.sub("", node_name.rsplit("::", 1)[-1])


@cache
def role_of(kind: str, *, has_weight: bool, module_class: str = "") -> str:
    """Returns what an operation does to the signal.

    Args:
        kind: name of the operation.
        has_weight: whether one of its operands is a parameter with at least two dimensions.
        module_class: class of the module that ran it; tells hand-written normalisations and activations, which
            autograd sees as products and sums.

    Returns:
        ``"weights"``, ``"activation"``, ``"normalisation"`` or ``"other"``.
    """
    if has_weight and kind in WEIGHTED:
        return "weights"
    if kind in NORMALISATIONS or _NORMALISATION_CLASS.search(module_class):
        return "normalisation"
    if kind in ACTIVATIONS or _ACTIVATION_CLASS.search(module_class):
        return "activation"
    return "other"
