"""The shape of the graph behind a trace: depth, the places that the gradient must pass, and what lies in a branch.

Words of graph theory, read from the loss toward the input: operation m *dominates* n when every path from the loss to
n passes m. A chain is a network in which each operation dominates the next; a residual stream is what still dominates
when branches lead around. The immediate dominator of n is the dominator nearest to it (Cooper, Harvey, Kennedy 2001,
"A Simple, Fast Dominance Algorithm"; one pass is enough here, because the graph has no cycle).
"""

from __future__ import annotations

from dataclasses import dataclass

from headwater.records import Op, Trace

_ROOT = 0


@dataclass(frozen=True)
class Structure:
    """What the edges of a trace tell, by operation index.

    Attributes:
        sources: the operations that hand gradient to each operation, with the norm of what they hand over.
        depth: number of layers on the longest path from the input up to and including the operation.
        live_depth: the same over the operations that a gradient reaches.
        dominator: immediate dominator; the loss is its own.
        bypassed: whether a path leads around the operation to something below it: it lies in a branch.
        rejoin: for a bypassed operation, the nearest dominator from which another path leads around it.
    """

    sources: tuple[tuple[tuple[int, float], ...], ...]
    depth: tuple[int, ...]
    live_depth: tuple[int, ...]
    dominator: tuple[int, ...]
    bypassed: tuple[bool, ...]
    rejoin: tuple[int | None, ...]

    def trunk(self, index: int) -> list[int]:
        """Returns the dominators of an operation, itself first and the loss last."""
        path = [index]
        while path[-1] != _ROOT:
            path.append(self.dominator[path[-1]])
        return path


def is_layer(op: Op) -> bool:
    """Whether the operation applies a weight."""
    return op.role == "weights"


def structure(trace: Trace) -> Structure:
    """Analyses the edges of a trace in time linear in their number (times the depth of the dominator tree)."""
    sources: list[list[tuple[int, float]]] = [[] for _ in trace.ops]
    for op in trace.ops:
        for edge in op.edges:
            sources[edge.to].append((op.index, edge.norm))
    dominator, level = _dominators(sources)
    bypassed, rejoin = _branches(trace, dominator, level)
    return Structure(
        sources=tuple(map(tuple, sources)),
        depth=tuple(_depths(trace)),
        live_depth=tuple(_depths(trace, live=True)),
        dominator=tuple(dominator),
        bypassed=tuple(bypassed),
        rejoin=tuple(rejoin),
    )


def _depths(trace: Trace, *, live: bool = False) -> list[int]:
    depth = [0] * len(trace.ops)
    for op in reversed(trace.ops):
        if live and not op.norm_in > 0:
            continue
        below = max((depth[edge.to] for edge in op.edges), default=0)
        depth[op.index] = below + is_layer(op)
    return depth


def _dominators(sources: list[list[tuple[int, float]]]) -> tuple[list[int], list[int]]:
    """Immediate dominator and level in the dominator tree. Every source of an operation has a smaller index."""
    dominator, level = [_ROOT] * len(sources), [0] * len(sources)
    for index in range(1, len(sources)):
        common: int | None = None
        for source, _ in sources[index]:
            common = source if common is None else _meet(common, source, dominator, level)
        dominator[index] = common or _ROOT
        level[index] = level[dominator[index]] + 1
    return dominator, level


def _meet(a: int, b: int, dominator: list[int], level: list[int]) -> int:
    while a != b:
        if level[a] >= level[b]:
            a = dominator[a]
        else:
            b = dominator[b]
    return a


def _branches(trace: Trace, dominator: list[int], level: list[int]) -> tuple[list[bool], list[int | None]]:
    """An operation is bypassed when something below it has an immediate dominator above it."""
    highest = list(level)  # least level of the dominators of anything below
    nearest = [-1] * len(level)  # greatest level, less than the operation's own, among them
    for op in reversed(trace.ops):
        for edge in op.edges:
            above = level[dominator[edge.to]]
            highest[op.index] = min(highest[op.index], above, highest[edge.to])
            for candidate in (above, nearest[edge.to]):
                if candidate < level[op.index]:
                    nearest[op.index] = max(nearest[op.index], candidate)
    bypassed = [highest[i] < level[i] for i in range(len(level))]
    rejoin = [_ancestor(i, nearest[i], dominator, level) if bypassed[i] else None for i in range(len(level))]
    return bypassed, rejoin


def _ancestor(index: int, at_level: int, dominator: list[int], level: list[int]) -> int:
    while level[index] > max(at_level, 0):
        index = dominator[index]
    return index
