"""Claims about what a number format, and Adam's epsilon, take from a step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from headwater.measure.precision.epsilon import epsilon_effect
from headwater.remedies.wide_step import KahanStep, StochasticStep
from headwater.study.literature.claim import Bounds, Claim, Near, Quantities
from headwater.study.literature.rounding import Rounding, moves, parabola
from headwater.study.literature.trainings import deep, digits
from headwater.study.training import batches

_STEPS, _RATE = 2000, 1e-3
_EXACT = (1.0 - _RATE) ** _STEPS
_DIGITS = "the digits, some hundred steps: only the order is compared."
_ADAM_STEPS = 10
_GRADIENTS = (1e-7, 1e-8, 1e-9, 1e-10)
_EPSILON = 1e-8
"""The paper's, and PyTorch's."""


def descent(seed: int, quick: bool) -> Quantities:
    """Where gradient descent on a parabola ends, by how weights of two bytes are rounded."""
    del quick
    ways: dict[str, Rounding] = {"nearest": "nearest", "stochastic": "stochastic", "Kahan": "kahan"}
    return {name: parabola(how, steps=_STEPS, rate=_RATE, seed=seed) for name, how in ways.items()}


_BELOW, _ABOVE = "moved by 0.99 of 2^-9", "moved by 1.01 of 2^-8"


def unmoved(seed: int, quick: bool) -> Quantities:
    """Share of bfloat16 weights that move when each is to shrink by a share of itself."""
    del quick
    weights = 2 ** torch.rand(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    shares = {_BELOW: 0.99 * 2.0**-9, _ABOVE: 1.01 * 2.0**-8}
    return {name: float(moves(torch.bfloat16, share, weights).double().mean()) for name, share in shares.items()}


def trained(seed: int, quick: bool) -> Quantities:
    """Final losses of a network that is kept in bfloat16, by how its optimizer rounds, over that of float32."""
    del quick
    wide = _trained(SGD, torch.float32, seed)
    ways: dict[str, type[Optimizer]] = {"nearest": SGD, "stochastic": _Stochastic, "Kahan": _Kahan}
    return {name: _trained(kind, torch.bfloat16, seed) / wide for name, kind in ways.items()}


class _Stochastic(StochasticStep, SGD):
    """Gradient descent whose weights are rounded at random."""


class _Kahan(KahanStep, SGD):
    """Gradient descent that carries over what rounding took."""


def _trained(kind: type[Optimizer], dtype: torch.dtype, seed: int) -> float:
    data = digits()
    network = deep(nn.ReLU, depth=2, width=100, seed=seed).to(dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of stochastic rounding
        optimizer = kind(network.parameters(), lr=0.01)  # type: ignore[call-arg]
        for inputs, labels in batches(data, 600, seed=seed):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs.to(dtype)).float(), labels).backward()
            optimizer.step()
    with torch.no_grad():
        return float(F.cross_entropy(network(data.inputs.to(dtype)).float(), data.labels))


def left_by_epsilon(seed: int, quick: bool) -> Quantities:
    """What is left of Adam's step at constant gradients of several sizes: the step, and Headwater's measurement."""
    del seed, quick
    found: Quantities = {}
    for size in _GRADIENTS:
        w = nn.Parameter(torch.zeros(4, 4, dtype=torch.float64))
        optimizer = Adam([w], lr=1.0, eps=_EPSILON)
        for _ in range(_ADAM_STEPS):
            w.grad = torch.full_like(w, size)
            optimizer.step()
        effect = epsilon_effect(optimizer, optimizer.param_groups[0], w)
        found[f"step, g = {size:g}"] = float(-w.detach().mean()) / _ADAM_STEPS
        found[f"Headwater, g = {size:g}"] = effect[1] if effect else 0.0
    return found


_ZAMIRAI = 'Zamirai, Zhang, Aberger, De Sa 2020, "Revisiting bfloat16 training"'

CLAIMS = (
    Claim(
        key="bfloat16, lost steps",
        source=_ZAMIRAI,
        says="Rounding to the nearest cancels updates that are small beside the weight: with eight significant bits "
        "all below 2^-9 of it, and none above 2^-8.",
        setting="100,000 weights, each to shrink by the same share of itself.",
        measure=unmoved,
        judge=Bounds("the format is what it is", {_ABOVE: 1.0}, {_BELOW: 0.0}),
    ),
    Claim(
        key="bfloat16, a parabola",
        source='Gupta, Agrawal, Gopalakrishnan, Narayanan 2015, "Deep learning with limited numerical precision", '
        f"section 3; {_ZAMIRAI}",
        says="Weights of few bits that are rounded to the nearest do not move under small steps; rounded at random, or "
        "with the rest carried over (Kahan), they go where exact ones go.",
        numbers={"nearest": 1.0, "stochastic": _EXACT, "Kahan": _EXACT},
        setting=f"w^2 / 2 from w = 1, {_STEPS} steps at {_RATE:g}; exactly it ends at {_EXACT:.4f}.",
        measure=descent,
        judge=Near(0.02, "the last step's rounding: neighbours in bfloat16 are up to 0.8 % apart"),
    ),
    Claim(
        key="bfloat16, a training",
        source=_ZAMIRAI,
        says="Training in bfloat16 alone ends at a higher loss than in float32; stochastic rounding or Kahan summation "
        "of the weight updates closes the gap.",
        setting="Digits, 2 layers of 100 ReLUs, 600 steps of gradient descent at 0.01; Headwater's own remedies. "
        "Losses over the training set, as multiples of the loss of float32.",
        measure=trained,
        judge=Bounds(
            "three seeds of float32 differ by about a twentieth",
            {"nearest": 1.5},
            {"stochastic": 1.1, "Kahan": 1.1},
        ),
        only=f"A small network on {_DIGITS}",
        cost=(6.0, 6.0),
    ),
    Claim(
        key="Adam's epsilon",
        source='Kingma, Ba 2015, "Adam: a method for stochastic optimization", algorithm 1',
        says="Along a constant gradient g a step of Adam is the rate times g / (g + eps).",
        numbers={
            f"{who}, g = {size:g}": size / (size + _EPSILON) for size in _GRADIENTS for who in ("step", "Headwater")
        },
        setting="eps = 1e-8; the mean of ten steps in float64, and what Headwater's diagnosis says is left.",
        measure=left_by_epsilon,
        judge=Near(1e-5, "single precision, in which the diagnosis reads the moments"),
        seeds=1,
    ),
)
