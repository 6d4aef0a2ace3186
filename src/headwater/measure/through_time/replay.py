"""d loss/d h_t inside fused recurrent layers, exactly: the module is run again, alone, step by step.

What a fused layer hands back is its outputs, and their gradient holds the direct path only: under a loss on the last
step it is exactly zero before that step, however well the gradient travels through the states. So the saved input is
run through the cells once more (`cells`), and the gradients that really reached the module's outputs are sent back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from headwater.measure.through_time.cells import CELLS, State, Weights

_END = 0.1
"""Share of the steps that counts as the end of a sequence: a loss may read the mean of the last few."""
_NOTHING = 1e-9
"""A gradient this small beside the largest one is none."""


@dataclass(frozen=True)
class Call:
    """One call of a recurrent module, time first, in float64.

    Attributes:
        inputs: (T, B, inputs).
        lengths: of the sequences, (B,); ``None`` when all have T steps.
        states: initial h, and c for an LSTM, (layers x directions, B, units) each.
        masks: dropout's mask behind each layer but the last, (T, B, directions x P); ``None`` without dropout.
    """

    inputs: torch.Tensor
    lengths: torch.Tensor | None
    states: State
    masks: tuple[torch.Tensor | None, ...]


@dataclass(frozen=True)
class Gradients:
    """Gradients that reached a call's outputs: of the output (T, B, directions x P), and of the final states."""

    output: torch.Tensor
    states: State


@dataclass(frozen=True)
class Scan:
    """One layer in one direction after its replay; first axes (T, B), in the order of time.

    Attributes:
        layer, reverse: which one.
        total: d loss/d h_t, zero behind the end of a sequence.
        probe: v^T d h_T/d h_t for one random unit vector a sequence; ``None`` where the loss reads the last states
            only, so that `total` itself shows what the steps let through.
    """

    layer: int
    reverse: bool
    total: torch.Tensor
    probe: torch.Tensor | None


@dataclass(frozen=True)
class _Run:
    """The forward half: outputs in the order of time, and what each step kept, in the order of the scan."""

    weights: Weights
    order: tuple[int, ...]
    kept: list[State]
    outputs: torch.Tensor


@torch.no_grad()
def replay(module: nn.RNNBase, call: Call, gradients: Gradients, generator: torch.Generator) -> tuple[Scan, ...]:
    """Returns the gradient at every step of every layer and direction, the layer nearest the input first.

    Args:
        module: an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``, with the weights that the call used.
        call: what it was called with.
        gradients: what reached its outputs.
        generator: draws the probe's vectors, on the CPU.
    """
    directions = 2 if module.bidirectional else 1
    alive = _alive(call)
    runs = _all_forward(module, call, directions, alive)
    scans: list[Scan] = []
    reaching = gradients.output
    for layer in reversed(range(module.num_layers)):
        mask = call.masks[layer - 1] if layer else None
        below = torch.zeros(())
        for d, run in enumerate(runs[layer]):
            final = tuple(each[layer * directions + d] for each in gradients.states)
            total, inner = _backward(module.mode, run, reaching.chunk(directions, 2)[d], final, alive, onward=layer > 0)
            read = range(directions) if layer < module.num_layers - 1 else [d]
            hidden = not _reads_last(gradients, read, directions, reverse=d == 1, lengths=call.lengths)
            scans.append(Scan(layer, d == 1, total, _jacobian(module.mode, run, alive, generator) if hidden else None))
            below = below + inner @ run.weights.inner if inner is not None else below
        reaching = below if mask is None else below * mask
    return tuple(sorted(scans, key=lambda scan: (scan.layer, scan.reverse)))


def by_lag(values: torch.Tensor, lengths: torch.Tensor | None, *, reverse: bool, nothing: float = 0.0) -> torch.Tensor:
    """Lays (T, B) out by lag: row k is k steps before the last step that the layer took; `nothing` where none was."""
    if reverse:
        return values
    if lengths is None:
        return values.flip(0)
    lags = torch.arange(len(values), device=values.device)[:, None]
    steps = lengths.to(values.device)[None, :] - 1 - lags
    return values.gather(0, steps.clamp_min(0)).masked_fill(steps < 0, nothing)


def _all_forward(module: nn.RNNBase, call: Call, directions: int, alive: torch.Tensor | None) -> list[list[_Run]]:
    runs: list[list[_Run]] = []
    signal = call.inputs
    for layer in range(module.num_layers):
        runs.append([_forward(module, call, signal, layer, d, alive) for d in range(directions)])
        signal = torch.cat([run.outputs for run in runs[-1]], 2)
        mask = call.masks[layer] if layer < module.num_layers - 1 else None
        signal = signal if mask is None else signal * mask
    return runs


def _jacobian(mode: str, run: _Run, alive: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
    """Sends one random unit vector for each sequence back from the last state."""
    vector = torch.randn(run.outputs[0].shape, generator=generator, dtype=run.outputs.dtype).to(run.outputs.device)
    vector = vector / vector.square().sum(-1, keepdim=True).sqrt()
    units = run.weights.recurrent.shape[0] // 4
    ends = (vector, vector.new_zeros(len(vector), units)) if mode == "LSTM" else (vector,)
    return _backward(mode, run, torch.zeros_like(run.outputs), ends, alive, onward=False)[0]


def _reads_last(
    gradients: Gradients, read: Sequence[int], directions: int, *, reverse: bool, lengths: torch.Tensor | None
) -> bool:
    """Whether the loss reads the module's states at the end of this scan only, and reads them at all."""
    halves = gradients.output.chunk(directions, 2)
    seen = torch.stack([halves[d].square().sum(2) for d in read]).sum(0)
    norms = by_lag(seen, lengths, reverse=reverse).sum(1).sqrt()
    ends = torch.stack([gradients.states[0][d::directions].square().sum().sqrt() for d in range(directions)])
    elsewhere = ends[int(not reverse)] if directions > 1 and len(read) > 1 else ends.new_zeros(())
    largest = max(float(norms.max()), float(ends[int(reverse)]), float(elsewhere))
    early = norms[max(1, round(_END * len(norms))) :]
    return largest > 0 and max(float(early.max()) if len(early) else 0.0, float(elsewhere)) <= _NOTHING * largest


def _alive(call: Call) -> torch.Tensor | None:
    """Whether each sequence still runs at each step, (T, B, 1)."""
    if call.lengths is None:
        return None
    steps = torch.arange(len(call.inputs), device=call.inputs.device)[:, None]
    return (steps < call.lengths.to(call.inputs.device)[None, :])[:, :, None]


def _forward(
    module: nn.RNNBase, call: Call, signal: torch.Tensor, layer: int, direction: int, alive: torch.Tensor | None
) -> _Run:
    weights = _weights(module, layer, direction, signal)
    order = tuple(range(len(signal))) if direction == 0 else tuple(reversed(range(len(signal))))
    index = layer * (2 if module.bidirectional else 1) + direction
    state = tuple(each[index] for each in call.states)
    step = CELLS[module.mode].forward
    inner = signal @ weights.inner.t() + weights.bias_inner
    kept: list[State] = []
    outputs: dict[int, torch.Tensor] = {}
    for t in order:
        after, saved = step(inner[t], state, weights)
        state = after if alive is None else _choose(alive[t], after, state)
        outputs[t] = state[0]
        kept.append(saved)
    stacked = torch.stack([outputs[t] for t in range(len(signal))])
    return _Run(weights, order, kept, stacked if alive is None else stacked * alive)


def _backward(
    mode: str, run: _Run, direct: torch.Tensor, final: State, alive: torch.Tensor | None, *, onward: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The gradient at every h_t, and (`onward`) that of ``W_ih x_t + b_ih``, both in the order of time."""
    step = CELLS[mode].backward
    total = torch.empty_like(direct)
    inner: dict[int, torch.Tensor] = {}
    gradient = final
    for t, kept in zip(reversed(run.order), reversed(run.kept), strict=True):
        gradient = (gradient[0] + direct[t], *gradient[1:])
        active = gradient if alive is None else tuple(each * alive[t] for each in gradient)
        total[t] = active[0]
        before, inner[t] = step(kept, active, run.weights)
        # behind its end a sequence keeps its state, and so does the gradient
        gradient = before if alive is None else _choose(alive[t], before, gradient)
    return total, torch.stack([inner[t] for t in range(len(direct))]) if onward else None


def _choose(alive: torch.Tensor, then: State, otherwise: State) -> State:
    return tuple(torch.where(alive, a, b) for a, b in zip(then, otherwise, strict=True))


def _weights(module: nn.RNNBase, layer: int, direction: int, like: torch.Tensor) -> Weights:
    suffix = f"_l{layer}" + ("_reverse" if direction else "")

    def read(name: str) -> torch.Tensor:
        return getattr(module, name + suffix).detach().to(like.device, like.dtype)

    inner, recurrent = read("weight_ih"), read("weight_hh")
    zeros = inner.new_zeros(len(inner))
    biases: Sequence[torch.Tensor] = (read("bias_ih"), read("bias_hh")) if module.bias else (zeros, zeros)
    return Weights(inner, recurrent, *biases, read("weight_hr") if module.proj_size else None)
