"""Reproduces reference numbers on attention: entropy of a softmax, rank collapse, what queries and keys receive.

    python -m benchmarks.transformers

Writes docs/benchmarks/transformers.md. Returns 1 when a number misses its reference by more than the stated error.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.tables import markdown, write
from headwater.graph import owners, walk
from headwater.measure.attention import Attention
from headwater.measure.trace import backward, itemise, parameter_names
from headwater.records import AttentionRecord

WIDTH, HEADS, TOKENS, DEPTH, BATCH = 256, 4, 32, 24, 4


@dataclass(frozen=True)
class Number:
    """A reference and what was measured; `factor`: how far apart they may be, as a ratio."""

    what: str
    reference: float
    measured: float
    factor: float

    @property
    def kept(self) -> bool:
        floor = 1e-300
        return abs(math.log(max(self.measured, floor) / self.reference)) <= math.log(self.factor)


class Blocks(nn.Module):
    """PyTorch's encoder layers, all matrices Xavier normal; `deep`: DeepNorm (Wang et al. 2022) on post-norm layers."""

    def __init__(self, *, pre: bool, deep: bool = False):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=pre)
            for _ in range(DEPTH)
        )
        self.alpha = (2 * DEPTH) ** 0.25 if deep else 1.0
        beta = (8 * DEPTH) ** -0.25 if deep else 1.0
        for layer in self.layers:
            query_key_value = layer.self_attn.in_proj_weight.data.chunk(3)  # one matrix, drawn as three
            others = (layer.self_attn.out_proj.weight, layer.linear1.weight, layer.linear2.weight)
            for weight in (*query_key_value, *others):
                nn.init.xavier_normal_(weight)
            query_key_value[2].mul_(beta)
            for linear in (layer.self_attn.out_proj, layer.linear1, layer.linear2):
                linear.weight.data *= beta

    def forward(self, x: Tensor) -> list[Tensor]:
        found = [x]
        for layer in self.layers:
            if self.alpha == 1.0:
                x = layer(x)
            else:
                x = layer.norm1(self.alpha * x + layer.self_attn(x, x, x, need_weights=False)[0])
                x = layer.norm2(self.alpha * x + layer.linear2(layer.linear1(x).relu()))
            found.append(x)
        return found


@dataclass(frozen=True)
class Seen:
    """What one pass through the blocks shows.

    Attributes:
        gradients: norm of the gradient at the input of each block, and at the output.
        cosine: between positions at the output.
        queries: by layer, norm of the gradient to the weights of queries and keys.
        shares: the same over that to the weights of the values.
        attention: what Headwater records.
    """

    gradients: list[float]
    cosine: float
    shares: list[float]
    queries: list[float]
    attention: tuple[AttentionRecord, ...]


def look(model: Blocks) -> Seen:
    """One pass with a random gradient at the output, in float64."""
    model = model.double()
    x = torch.randn(BATCH, TOKENS, WIDTH, dtype=torch.float64, requires_grad=True)
    with owners(model) as learned:
        states = model(x)
    for state in states:
        state.retain_grad()
    loss = (states[-1] * torch.randn_like(states[-1])).sum()
    graph = walk(loss)
    attention = Attention(graph)
    norms = backward(loss, graph, attention.observe)
    trace = itemise(graph, norms, float(loss.detach()), parameter_names(model), learned)
    gradients = [float(state.grad.norm()) for state in states]
    weights = [layer.self_attn.in_proj_weight.grad for layer in model.layers]
    queries = [float(weight[: 2 * WIDTH].norm()) for weight in weights]
    shares = [q / float(weight[2 * WIDTH :].norm()) for q, weight in zip(queries, weights, strict=True)]
    return Seen(gradients, _cosine(states[-1].detach()), shares, queries, attention.records(trace, norms, {}))


def _cosine(states: Tensor) -> float:
    """Mean cosine between two positions of a sample."""
    unit = nn.functional.normalize(states, dim=-1)
    products = unit @ unit.mT
    return float((products.sum() - products.diagonal(dim1=-2, dim2=-1).sum()) / (products.numel() * (1 - 1 / TOKENS)))


def _alike(cosine: float) -> float:
    """Spread between positions of equal length at this mean cosine: ``|h - mean|^2 / |h|^2 = 1 - cosine``."""
    return math.sqrt(max(0.0, 1.0 - cosine) * (1 - 1 / TOKENS))


def depth() -> list[Number]:
    """24 layers, post-norm, pre-norm and DeepNorm."""
    torch.manual_seed(0)
    post, pre, deep = look(Blocks(pre=False)), look(Blocks(pre=True)), look(Blocks(pre=False, deep=True))
    return [
        Number("post-norm: gain per layer", 0.968, (post.gradients[0] / post.gradients[-1]) ** (1 / DEPTH), 1.02),
        Number("post-norm: cosine between positions", 1.0, post.cosine, 1.001),
        Number(
            "post-norm: gradient to the weights of queries and keys, first over last",
            4e5,
            post.queries[0] / post.queries[-1],
            10.0,
        ),
        Number("post-norm: gradient to W_Q and W_K over W_V, last layer", 4e-7, post.shares[-1], 10.0),
        Number("pre-norm: gradient, first over last", 3.74, pre.gradients[0] / pre.gradients[-1], 1.15),
        Number("pre-norm: cosine between positions", 0.877, pre.cosine, 1.1),
        Number(
            "post-norm: spread of the values, last layer",
            _alike(post.cosine),
            post.attention[-1].token_spread or 0.0,
            3.0,
        ),
        Number("DeepNorm: gain per layer", 1.0, (deep.gradients[0] / deep.gradients[-1]) ** (1 / DEPTH), 1.02),
    ]


def entropy() -> list[Number]:
    """Rows of a softmax over 64 random logits, and the Frobenius norm of its Jacobian, root mean square over rows."""
    torch.manual_seed(0)
    found: list[Number] = []
    for deviation, nats, jacobian in ((3, 1.77, 0.31), (10, 0.42, None), (30, 0.14, 0.080), (100, 0.054, 0.033)):
        # At 100 few rows carry all of the mean, and the reference is from few rows.
        near = 1.15 if deviation < 100 else 1.5
        p = (deviation * torch.randn(20000, 64, dtype=torch.float64)).softmax(-1)
        found.append(Number(f"logits {deviation}: entropy", nats, float(-torch.xlogy(p, p).sum(-1).mean()), near))
        if jacobian is not None:
            square = p.square().sum(-1) - 2 * p.pow(3).sum(-1) + p.square().sum(-1).square()
            found.append(Number(f"logits {deviation}: |J|", jacobian, float(square.clamp(min=0).sqrt().mean()), near))
        if deviation == 10:
            found.append(Number("logits 10: one-hot rows", 0.29, float((p.amax(-1) > 0.99).double().mean()), 1.05))
    return found


def rank() -> list[Number]:
    """Pure attention: relative spread between positions after each layer; with skips, after twelve."""
    torch.manual_seed(0)
    states = torch.randn(TOKENS, WIDTH, dtype=torch.float64)
    found = [
        Number(f"pure attention: spread after {i} layers", reference, spread, factor)
        for i, (reference, spread, factor) in enumerate(
            zip((0.82, 0.042, 1.5e-6), _spreads(states, 3, skip=0.0), (1.5, 6.0, 100.0), strict=True), 1
        )
    ]
    return [*found, Number("with skips: spread after 12 layers", 0.14, _spreads(states, 12, skip=1.0)[-1], 2.0)]


def _spreads(x: Tensor, layers: int, *, skip: float) -> list[float]:
    found: list[float] = []
    for _ in range(layers):
        q, k, v = (x @ torch.randn(WIDTH, WIDTH, dtype=torch.float64) / WIDTH**0.5 for _ in range(3))
        x = skip * x + (q @ k.mT / WIDTH**0.5).softmax(-1) @ v
        found.append(float((x - x.mean(0)).norm() / x.norm()))
    return found


def _yes(kept: bool) -> str:
    return "yes" if kept else "NO"


def main() -> int:
    """Measures all and writes the table."""
    torch.set_num_threads(1)
    parts: tuple[Callable[[], list[Number]], ...] = (entropy, rank, depth)
    numbers = [number for part in parts for number in part()]
    rows = [
        (n.what, f"{n.reference:.3g}", f"{n.measured:.3g}", f"x {n.factor:g}", "yes" if n.kept else "NO")
        for n in numbers
    ]
    table = markdown(("number", "reference", "measured", "within", "kept"), rows)
    print(table)
    write("transformers", "Attention against reference numbers", "python -m benchmarks.transformers", table)
    return int(not all(n.kept for n in numbers))


if __name__ == "__main__":
    sys.exit(main())
