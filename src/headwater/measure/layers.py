"""From one trace to its layers: the signal that reaches each, its gain to the next, and the parts of that gain."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from headwater.graph.kinds import ACTIVATIONS, LOOKUPS
from headwater.measure.structure import Structure, is_layer
from headwater.records import Edge, GainParts, Layer, Op, Trace

_KINDS = {"Convolution": "Conv", "MkldnnRnnLayer": "LSTM", "CudnnRnn": "RNN", "MiopenRnn": "RNN"}
_NAMESAKES = {"SELU": "Selu", "ReLU6": "Relu6"}


@dataclass(frozen=True)
class Use:
    """One application of a weight: the operation, the name of its layer and that of the weight."""

    op: int
    layer: str
    weight: str


def uses(trace: Trace, structure: Structure) -> tuple[Use, ...]:
    """Names the layer of every operation that applies a weight, from the loss toward the input.

    A layer is named for the module that owns the weight; for the weight itself when that module owns several; for the
    module that runs it when a tied weight is applied in two different ways (an embedding that is also the output).
    """
    weights = {op.index: _weight(op) for op in trace.ops if is_layer(op)}
    owned: dict[str, set[str]] = {}
    for weight in weights.values():
        owned.setdefault(_owner(weight), set()).add(weight)
    kinds: dict[str, dict[str, str]] = {}
    found: list[Use] = []
    for op in (trace.ops[index] for index in weights):
        weight = weights[op.index]
        name = _owner(weight) if len(owned[_owner(weight)]) == 1 and _owner(weight) else weight
        if weight.startswith("["):
            name = f"{op.kind} {structure.depth[op.index]} {weight}"
        tied = kinds.setdefault(weight, {})
        if op.kind not in tied:
            tied[op.kind] = name if op.kind in LOOKUPS or not op.module else op.module
        found.append(Use(op.index, tied[op.kind] if len(_all_kinds(trace, weights, weight)) > 1 else name, weight))
    return tuple(found)


def _all_kinds(trace: Trace, weights: Mapping[int, str], weight: str) -> set[str]:
    return {trace.ops[index].kind for index, other in weights.items() if other == weight}


def _weight(op: Op) -> str:
    """The matrix among the parameters of an operation; biases are called so."""
    matrices = [name for name in op.parameters if not name.rpartition(".")[2].startswith("bias")]
    return (matrices or list(op.parameters))[0]


def _owner(parameter: str) -> str:
    """The module that a parameter belongs to, also when torch.nn.utils.parametrize keeps it in a list of its own."""
    return (
        parameter.partition(".parametrizations.")[0]
        if ".parametrizations." in parameter
        else parameter.rpartition(".")[0]
    )


def layers(
    trace: Trace,
    structure: Structure,
    used: tuple[Use, ...],
    *,
    classes: Mapping[str, str] | None = None,
    zero_parameters: Collection[str] = (),
) -> tuple[Layer, ...]:
    """Returns the layers of one trace, input to output.

    Args:
        trace: the itemised backward pass.
        structure: its shape.
        used: the uses of its weights. A layer that is used several times is described at its use nearest the loss.
        classes: class names of the modules, by path.
        zero_parameters: names of parameters whose elements are all zero.
    """
    names = {use.op: use.layer for use in used}
    weights = {use.layer: use.weight for use in used}
    calls: dict[str, int] = {}
    nearest: dict[str, int] = {}
    for use in used:
        calls[use.layer] = calls.get(use.layer, 0) + 1
        nearest.setdefault(use.layer, use.op)
    cut = cut_off(trace, structure, zero_parameters)
    followers = activations(trace, structure, names, classes or {})
    joining = last_of_branches(trace, structure, names)
    found = [
        replace(
            _layer(trace, structure, names, index, classes or {}),
            weight=weights[name],
            calls=calls[name],
            activation=followers.get(name),
            rejoins=name in joining,
            zero_initialised=cut[index],
        )
        for name, index in nearest.items()
    ]
    order = {name: -index for name, index in nearest.items()}
    return tuple(sorted(found, key=lambda layer: (layer.depth, order[layer.name])))


def activations(
    trace: Trace, structure: Structure, names: Mapping[int, str], classes: Mapping[str, str]
) -> dict[str, str]:
    """Returns the kind of the activation that follows each layer nearest, and before its output is added to another.

    To autograd a SELU is an ELU, and a ReLU6 a hardtanh: their classes tell.
    """
    found: dict[str, str] = {}
    for op in reversed(trace.ops):
        path = path_to_next_layer(trace, structure, op.index) if op.kind in ACTIVATIONS else []
        if path and not any(_joins(trace, structure, index) for index in path[:-1]):
            kind = _NAMESAKES.get(classes.get(op.module, ""), op.kind)
            found.setdefault(names[path[-1]], kind.lower())
    return found


def last_of_branches(trace: Trace, structure: Structure, names: Mapping[int, str]) -> frozenset[str]:
    """Returns the layers in branches that are the first met on the way down from a sum of two signals."""
    sums = (op for op in trace.ops if op.kind == "Add" and _joins(trace, structure, op.index))
    tops = (edge.to for op in sums if all(trace.ops[edge.to].norm_out for edge in op.edges) for edge in op.edges)
    paths = (path_to_next_layer(trace, structure, top) if top not in names else [top] for top in tops)
    return frozenset(names[path[-1]] for path in paths if path and structure.bypassed[path[-1]])


def _joins(trace: Trace, structure: Structure, index: int) -> bool:
    return sum(structure.depth[edge.to] > 0 for edge in trace.ops[index].edges) > 1


def cut_off(trace: Trace, structure: Structure, zero_parameters: Collection[str]) -> list[bool]:
    """Whether the gradient of each operation is zero only because a parameter of zeros above it lets nothing pass."""
    cut = [False] * len(trace.ops)
    for op in trace.ops:
        if op.norm_in == 0.0 and structure.sources[op.index]:
            sources = [trace.ops[source] for source, _ in structure.sources[op.index]]
            blocked = [
                cut[s.index] or (s.norm_out == 0.0 and not set(s.parameters).isdisjoint(zero_parameters))
                for s in sources
            ]
            cut[op.index] = any(blocked)
    return cut


def _layer(
    trace: Trace, structure: Structure, names: Mapping[int, str], index: int, classes: Mapping[str, str]
) -> Layer:
    op = trace.ops[index]
    chain = path_to_next_layer(trace, structure, index)
    parts = gain_parts(trace, structure, chain) if chain else None
    rejoin = structure.rejoin[index]
    name = names[index]
    return Layer(
        name=name,
        kind=classes.get(name) or classes.get(_owner(name)) or _KINDS.get(op.kind, op.kind),
        depth=structure.depth[index],
        signal=op.norm_in,
        gain=parts.activation * parts.weights * parts.normalisation * parts.other if parts else None,
        gain_parts=parts,
        toward=names[chain[-1]] if chain else None,
        branch=structure.bypassed[index],
        stream=trace.ops[rejoin].norm_in if rejoin is not None else None,
        underflow=op.underflow,
        file=op.file,
        line=op.line,
        called_inside=op.inside,
    )


def path_to_next_layer(trace: Trace, structure: Structure, index: int) -> list[int]:
    """Returns the operations from a layer to the next one toward the input; nothing when there is none.

    The path is the longest that a gradient reaches: around a branch that a weight of zeros still cuts off.
    """

    def preference(edge: Edge) -> tuple[int, int, float]:
        return structure.live_depth[edge.to], structure.depth[edge.to], edge.norm

    path = [index]
    while True:
        edges = [edge for edge in trace.ops[path[-1]].edges if structure.depth[edge.to] > 0]
        if not edges:
            return []
        path.append(max(edges, key=preference).to)
        if is_layer(trace.ops[path[-1]]):
            return path


def gain_parts(trace: Trace, structure: Structure, path: list[int]) -> GainParts | None:
    """Factors of ``norm_in(last) / norm_in(first)`` along a path; ``None`` when no gradient reaches its start.

    Each operation contributes ``edge norm / norm_in``, under its role. Where several edges meet, the gradient that they
    sum to divided by that of the path's own edge is a factor too; it counts as ``other`` unless all of them come from
    one role (the two edges of a hand-written normalisation). Beyond an exact zero nothing is lost any more.
    """
    if not trace.ops[path[0]].norm_in > 0:
        return None
    parts = {"activation": 1.0, "weights": 1.0, "normalisation": 1.0, "other": 1.0}
    for here, there in itertools.pairwise(path):
        op, below = trace.ops[here], trace.ops[there]
        carried = max((edge.norm for edge in op.edges if edge.to == there), default=0.0)
        if op.norm_in > 0:
            parts[op.role] *= carried / op.norm_in
        if carried > 0:
            roles = {trace.ops[source].role for source, _ in structure.sources[there]}
            parts[roles.pop() if len(roles) == 1 else "other"] *= below.norm_in / carried
        elif below.norm_in > 0:  # what arrives below came by other ways: the gain of this path stays zero
            break
    return GainParts(**parts)


def width(op: Op) -> int:
    """Number of units of a layer's output: channels of a convolution, features otherwise."""
    if not op.shape:
        return 1
    return op.shape[1 if op.kind.endswith("Convolution") and len(op.shape) > 1 else -1]
