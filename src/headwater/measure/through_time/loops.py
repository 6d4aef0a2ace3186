"""The gradient through time in loops that users write: cells called step after step, or weights applied by hand.

No module says that it is recurrent there. The graph does: a weight is applied again and again, each time to what its
last application has led to, while something new comes in at every step (a loop over depth has no new input).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch.autograd.graph import GradientEdge

from headwater.graph import Graph
from headwater.graph.kinds import RECURRENT
from headwater.measure.layers import Use
from headwater.measure.norms import frobenius
from headwater.measure.structure import Structure, is_layer
from headwater.measure.through_time.summary import time_profile
from headwater.records import TimeProfile, Trace

LEAST_STEPS = 4
"""Applications of one weight, each on what the last one led to, that make a loop."""

_CELLS = {"RNNCell": "RNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}


@dataclass(frozen=True)
class Loop:
    """A weight that carries a state from step to step.

    Attributes:
        name: the module that owns the weight, or the weight.
        kind: class of that module.
        uses: operations that apply the weight, first step first.
        states: operations that made the states which it was applied to, first step first.
        everywhere: whether the loss reads most of these states by another way than the next one.
    """

    name: str
    kind: str
    uses: tuple[int, ...]
    states: tuple[int, ...]
    everywhere: bool


def loops(
    trace: Trace, structure: Structure, used: Sequence[Use], classes: Mapping[str, str], replayed: Collection[str]
) -> tuple[Loop, ...]:
    """Finds the loops over time in one trace; one for each state, that of its first weight.

    Args:
        trace: the itemised backward pass.
        structure: its shape.
        used: the uses of its weights.
        classes: class names of the modules, by path.
        replayed: paths of the fused modules whose steps are known already.
    """
    by_weight: dict[str, list[int]] = {}
    for use in used:
        by_weight.setdefault(use.weight, []).append(use.op)
    several = {name: sorted(ops, reverse=True) for name, ops in by_weight.items() if len(ops) >= LEAST_STEPS}
    found: list[Loop] = []
    taken: set[int] = set()
    for weight, ops in several.items():
        module = weight.rpartition(".")[0]
        states = None if module in replayed else _states(trace, ops)
        if states is None or taken & set(states) or not _fed(trace, ops, states, several):
            continue
        taken |= set(states)
        found.append(
            Loop(module or weight, classes.get(module, ""), tuple(ops), states, _read(trace, structure, states))
        )
    return tuple(found)


def loop_profile(loop: Loop, trace: Trace) -> TimeProfile:
    """The gradient of the loss at the states of a loop; what the backward pass's dtype has rounded away is left out.

    A state that the weight is not applied to any more, the last one, is not among them.
    """
    ops = [trace.ops[index] for index in loop.states]
    logs = [math.log(op.norm_in) if op.norm_in > 0 and not op.underflow else -math.inf for op in ops]
    return _profile(loop, logs, trace, probe="loss", needed=None if loop.everywhere else len(loop.uses) - 1)


def probe_loop(loop: Loop, graph: Graph, trace: Trace, generator: torch.Generator) -> TimeProfile | None:
    """Sends a random unit vector for each sequence back from the last state, before the real backward pass.

    Args:
        loop: as found in `trace`, the last pass.
        graph: of this pass; ``None`` is returned unless it has the same operations.
        trace: the last pass.
        generator: draws the vectors, on the CPU.
    """
    if [op.kind for op in graph.ops] != [op.kind for op in trace.ops]:
        return None
    edges = [GradientEdge(graph.ops[index].node, 0) for index in loop.states]
    op = graph.ops[loop.states[-1]]
    vector = torch.randn(op.shape, generator=generator, dtype=torch.float64)
    vector = (vector / vector.square().sum(-1, keepdim=True).sqrt()).to(op.node._input_metadata[0].device, op.dtype)
    # allow_unused leaves None where a detached state cuts the loop, which torch's annotation does not say
    gradients = cast(
        "tuple[torch.Tensor | None, ...]",
        torch.autograd.grad(edges[-1], edges, vector, retain_graph=True, allow_unused=True),
    )
    logs = [-math.inf if each is None else _log_norm(each) for each in gradients]
    return _profile(loop, logs, trace, probe="jacobian", needed=None)


def _log_norm(gradient: torch.Tensor) -> float:
    norm = frobenius(gradient)
    smallest = torch.finfo(gradient.dtype).tiny * math.sqrt(gradient.numel())
    return math.log(norm) if norm > smallest else -math.inf


def _profile(loop: Loop, logs: Sequence[float], trace: Trace, **fields: object) -> TimeProfile:
    op = trace.ops[loop.uses[0]]
    kind = _CELLS.get(loop.kind, loop.kind or "loop")
    gated = kind in ("LSTM", "GRU") or _gates(trace, loop)
    return time_profile(
        logs,
        name=loop.name,
        kind=kind,
        length=len(loop.uses),
        direction="forward",
        gated=gated,
        file=op.file,
        line=op.line,
        **fields,
    )


def _states(trace: Trace, ops: Sequence[int]) -> tuple[int, ...] | None:
    """What each use was applied to, if each use depends on the one before; ops run from the first step to the last.

    The first use is applied to the initial state, which is no operation of the chain.
    """
    states: list[int] = []
    for before, after in itertools.pairwise(ops):
        below = _toward(trace, after, before)
        while below is not None and trace.ops[below].kind == "Cat":  # the state without the inputs joined to it
            below = _toward(trace, below, before)
        if below is None:
            return None
        states.append(below)
    return tuple(states)


def _toward(trace: Trace, start: int, end: int) -> int | None:
    """The next operation on a way from `start` to `end`, toward the input; ``None`` where no way leads there."""
    return next((edge.to for edge in trace.ops[start].edges if end in _below(trace, edge.to, end)), None)


def _below(trace: Trace, start: int, last: int) -> set[int]:
    """Operations that the gradient reaches from `start`, down to the index `last`."""
    seen, stack = {start}, [start]
    while stack:
        for edge in trace.ops[stack.pop()].edges:
            if edge.to <= last and edge.to not in seen:
                seen.add(edge.to)
                stack.append(edge.to)
    return seen


def _fed(trace: Trace, ops: Sequence[int], states: Sequence[int], several: Mapping[str, Sequence[int]]) -> bool:
    """Whether each step takes in something new: another weight applied beside the state, or inputs joined to it."""
    if trace.ops[ops[-1]].kind in RECURRENT:
        return True
    between = _below(trace, ops[-1], len(trace.ops))
    joined = [i for i in between if trace.ops[i].kind == "Cat"]
    if len(joined) >= len(states) - 2:
        return True
    beside = {name for name, uses in several.items() if abs(len(uses) - len(ops)) <= 1 and _states(trace, uses) is None}
    return any(sum(i in between for i in several[name]) >= len(states) - 2 for name in beside)


def _read(trace: Trace, structure: Structure, states: Sequence[int]) -> bool:
    """Whether the loss reads most states, besides the last tenth of them, by another way than the next state."""
    early = list(itertools.pairwise(states))[: max(1, round(0.9 * len(states)) - 1)]
    direct = 0
    for state, after in early:
        inside = _below(trace, after, state)
        direct += any(norm > 0 and source not in inside for source, norm in structure.sources[state])
    return 2 * direct > len(early)


def _gates(trace: Trace, loop: Loop) -> bool:
    """Whether a sigmoid stands between one state and the next."""
    inside = _below(trace, loop.states[-1], loop.states[-2])
    return any(trace.ops[i].kind == "Sigmoid" for i in inside) and not is_layer(trace.ops[loop.states[-1]])
