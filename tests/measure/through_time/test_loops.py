from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from headwater.graph import owners, walk
from headwater.measure.layers import uses
from headwater.measure.structure import structure
from headwater.measure.through_time.loops import Loop, loop_profile, loops, probe_loop
from headwater.measure.trace import backward, itemise, parameter_names
from headwater.records import Trace

STEPS, BATCH, INPUTS, UNITS = 12, 5, 3, 8


class Loops(nn.Module):
    """A loop of each kind that people write; `h` keeps the states of the last pass."""

    def __init__(self, kind: str, *, every: bool = False) -> None:
        super().__init__()
        self.kind, self.every, self.h = kind, every, [torch.zeros(0)]
        if kind.endswith("Cell"):
            self.cell = getattr(nn, kind)(INPUTS, UNITS)
        elif kind == "joined":
            self.W = nn.Linear(INPUTS + UNITS, UNITS)
        elif kind == "parameters":
            self.u = nn.Parameter(torch.randn(INPUTS, UNITS) / 3)
            self.w = nn.Parameter(torch.randn(UNITS, UNITS) / 5)
        else:
            self.U, self.W = nn.Linear(INPUTS, UNITS), nn.Linear(UNITS, UNITS, bias=False)
        self.head = nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(BATCH, UNITS)
        self.h = []
        for step in x:
            if self.kind == "LSTMCell":
                h, c = self.cell(step, (h, c))
            elif self.kind.endswith("Cell"):
                h = self.cell(step, h)
            elif self.kind == "joined":
                h = torch.tanh(self.W(torch.cat([step, h], 1)))
            elif self.kind == "parameters":
                h = torch.tanh(step @ self.u + h @ self.w)
            else:
                h = torch.tanh(self.U(step) + self.W(h))
            h.retain_grad()
            self.h.append(h)
        return torch.stack([self.head(h) for h in (self.h if self.every else self.h[-1:])])


def _traced(model: nn.Module, x: Tensor) -> tuple[Trace, tuple[Loop, ...]]:
    with owners(model) as learned:
        loss = (model(x) - 1).square().mean()
    graph = walk(loss)
    trace = itemise(graph, backward(loss, graph), 1.0, parameter_names(model), learned)
    shape = structure(trace)
    return trace, loops(trace, shape, uses(trace, shape), learned.classes, ())


KINDS = ["RNNCell", "LSTMCell", "GRUCell", "by hand", "joined", "parameters"]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_states_of_a_loop_have_the_gradient_that_autograd_gives_them(kind: str, every: bool) -> None:
    torch.manual_seed(0)
    model = Loops(kind, every=every)
    trace, found = _traced(model, torch.randn(STEPS, BATCH, INPUTS))
    (loop,) = found
    assert loop.everywhere is every
    profile = loop_profile(loop, trace)
    assert (profile.length, profile.needed, profile.gated) == (
        STEPS,
        None if every else STEPS - 1,
        kind in ("LSTMCell", "GRUCell"),
    )
    expected = [math.log(float(h.grad.norm())) for h in model.h[:-1] if h.grad is not None]
    assert profile.steps == tuple(range(STEPS - 1))
    assert profile.log_gradient == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_probe_of_a_loop_is_its_jacobian(kind: str) -> None:
    torch.manual_seed(0)
    model, x = Loops(kind, every=True), torch.randn(STEPS, BATCH, INPUTS)
    trace, (loop,) = _traced(model, x)
    loss = (model(x) - 1).square().mean()
    profile = probe_loop(loop, walk(loss), trace, torch.Generator().manual_seed(3))
    assert profile is not None and profile.probe == "jacobian"
    loss.backward()  # the probe has freed nothing
    vector = torch.randn((BATCH, UNITS), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    vector = (vector / vector.norm(dim=1, keepdim=True)).float()
    model(x)
    gradients = torch.autograd.grad(model.h[-2], model.h[:-1], vector)
    assert profile.log_gradient == pytest.approx([math.log(float(g.norm())) for g in gradients], abs=1e-5)


def test_another_graph_is_not_probed() -> None:
    model = Loops("RNNCell", every=True)
    trace, (loop,) = _traced(model, torch.randn(STEPS, BATCH, INPUTS))
    loss = model(torch.randn(STEPS + 1, BATCH, INPUTS)).sum()
    assert probe_loop(loop, walk(loss), trace, torch.Generator()) is None


class Depth(nn.Module):
    """A weight that is shared between the layers of a deep network: no loop over time."""

    def __init__(self, residual: bool) -> None:
        super().__init__()
        self.first, self.shared, self.residual = nn.Linear(INPUTS, UNITS), nn.Linear(UNITS, UNITS), residual

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x[0])
        for _ in range(12):
            h = h * float(self.residual) + torch.relu(self.shared(h))
        return h


class Siamese(nn.Module):
    """A weight that is applied to many inputs side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(INPUTS, UNITS), nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.two(torch.relu(self.one(step))) for step in x])


@pytest.mark.parametrize("make", [lambda: Depth(True), lambda: Depth(False), Siamese])
def test_weights_that_are_shared_otherwise_are_no_loop(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    assert _traced(make(), torch.randn(STEPS, BATCH, INPUTS))[1] == ()
