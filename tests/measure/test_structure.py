"""Depth, dominators and branches on graphs drawn by hand, against definitions computed the slow way."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headwater.measure.structure import structure
from headwater.records import Edge, Op, Trace


def graph(edges: dict[int, list[int]], layers: set[int]) -> Trace:
    """A trace with the given edges, from operation 0 (the loss) down."""
    ops = [
        Op(
            index=i,
            kind="Addmm" if i in layers else "Add",
            role="weights" if i in layers else "other",
            norm_in=1.0,
            norm_out=1.0,
            gain=1.0,
            edges=tuple(Edge(to, 1.0) for to in edges.get(i, [])),
            dtype="float32",
            shape=(2, 2),
            numel=4,
            finite=True,
            underflow=False,
        )
        for i in range(1 + max(max(edges, default=0), *(t for to in edges.values() for t in to), 0))
    ]
    return Trace(1.0, tuple(ops))


def test_chain() -> None:
    shape = structure(graph({0: [1], 1: [2], 2: [3]}, {1, 3}))
    assert shape.depth == (2, 2, 1, 1)
    assert shape.trunk(3) == [3, 2, 1, 0]
    assert not any(shape.bypassed)


def test_residual_block_is_bypassed_and_the_stream_is_not() -> None:
    # 0 loss, 1 sum, 2 and 3 the branch, 4 the stream, 5 the first layer
    shape = structure(graph({0: [1], 1: [2, 4], 2: [3], 3: [4], 4: [5]}, {2, 3, 5}))
    assert [i for i, b in enumerate(shape.bypassed) if b] == [2, 3]
    assert shape.rejoin[2] == shape.rejoin[3] == 1
    assert shape.trunk(5) == [5, 4, 1, 0]
    assert shape.depth[1] == 3


def test_two_towers_are_no_branches_of_each_other() -> None:
    shape = structure(graph({0: [1], 1: [2, 3], 2: [4], 3: [5]}, {2, 3, 4, 5}))
    assert not any(shape.bypassed)
    assert shape.trunk(4) == [4, 2, 1, 0]


def test_nested_residual_blocks() -> None:
    # outer block 1..6 holds the inner block 2..4
    shape = structure(graph({0: [1], 1: [2, 6], 2: [3, 4], 3: [4], 4: [5], 5: [6]}, {3, 5, 6}))
    assert [i for i, b in enumerate(shape.bypassed) if b] == [2, 3, 4, 5]
    assert shape.rejoin[3] == 2
    assert shape.rejoin[5] == 1


@st.composite
def _random_edges(draw: st.DrawFn) -> dict[int, list[int]]:
    """A graph in which the loss reaches everything, as in a trace."""
    edges: dict[int, list[int]] = {}
    for i in range(1, draw(st.integers(2, 10))):
        for source in draw(st.sets(st.integers(0, i - 1), min_size=1, max_size=3)):
            edges.setdefault(source, []).append(i)
    return edges


def _paths(edges: dict[int, list[int]], start: int, end: int) -> list[list[int]]:
    if start == end:
        return [[end]]
    return [[start, *rest] for to in edges.get(start, []) for rest in _paths(edges, to, end)]


@given(_random_edges())
def test_against_all_paths(edges: dict[int, list[int]]) -> None:
    shape = structure(graph(edges, set()))
    everything = range(len(shape.depth))
    for index in everything:
        paths = _paths(edges, 0, index)
        must_pass = set.intersection(*map(set, paths))
        assert set(shape.trunk(index)) == must_pass
        below = [d for d in everything if d > index and _paths(edges, index, d)]
        goes_around = any(index not in path for d in below for path in _paths(edges, 0, d))
        assert shape.bypassed[index] == goes_around
        for here, there in pairwise(shape.trunk(index)):
            assert there < here
