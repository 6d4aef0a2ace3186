"""The itemised backward pass as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.records.source import SourceLine


@dataclass(frozen=True)
class Edge:
    """One way by which an operation hands the gradient on toward the input.

    Attributes:
        to: index, in `Trace.ops`, of the operation that receives it.
        norm: Frobenius norm of the gradient on this edge, over the whole batch.
    """

    to: int
    norm: float


@dataclass(frozen=True)
class Op:
    """One operation of the forward pass, as the backward pass saw it.

    Attributes:
        index: position in backward order; 0 is the loss.
        kind: autograd's name of the operation without its suffix, e.g. ``"Addmm"``.
        role: what it does to the signal: ``"weights"``, ``"activation"``, ``"normalisation"`` or ``"other"``.
        norm_in: Frobenius norm of the gradient that reaches it from the loss, summed over all its consumers.
        norm_out: Frobenius norm of the gradient that it hands on along its signal edges, jointly; ``None`` when no
            signal edge leaves it (the input of the network, or a branch that ends in parameters).
        gain: ``norm_out / norm_in``; ``None`` when either is missing or when ``norm_in`` is zero.
        edges: the signal edges, one for each operation that receives a part; edges to parameters are not among them.
        dtype: dtype of the gradient, e.g. ``"float32"``.
        shape: shape of the operation's (first) output.
        numel: number of elements of all its outputs.
        finite: whether every norm on it was finite.
        underflow: whether the gradient that reaches it is exactly zero, or so small that its dtype rounds it
            (root mean square below the smallest normal number), although nothing finite made it zero.
        module: dotted path of the module that ran it (``""`` when unknown or when it is the root module).
        call: number of the call of that module in this forward pass, from 0.
        parameters: names of the parameters on its parameter edges; shapes in brackets when no model was named.
        file: source file of the user's line that made it, when asked for.
        line: line number in that file.
        inside: the line of the library that ran there for the user, when one did.
    """

    index: int
    kind: str
    role: str
    norm_in: float
    norm_out: float | None
    gain: float | None
    edges: tuple[Edge, ...]
    dtype: str
    shape: tuple[int, ...]
    numel: int
    finite: bool
    underflow: bool
    module: str = ""
    call: int = 0
    parameters: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    inside: SourceLine | None = None


@dataclass(frozen=True)
class Trace:
    """One backward pass, itemised.

    Attributes:
        loss: value of the loss.
        ops: the operations that carry the signal, in backward order (the loss first).
        underflow_at: index of the first operation whose incoming gradient underflowed to exactly zero, or ``None``.
            Gains are given up to there.
    """

    loss: float
    ops: tuple[Op, ...]
    underflow_at: int | None = None
