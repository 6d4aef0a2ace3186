"""Transformers whose attention cannot learn, and those that only look so (HW104, HW303)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.detection import data as d
from benchmarks.detection.nets_attention import LibrarySequencer, Reader, Sequencer
from benchmarks.detection.problem import Case, Factory, Family, Problem, adam, adamw, fit, sgd

TOKENS, LENGTH = 10, 8
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "sequencer": Sequencer,
    "library": LibrarySequencer,
    "reader": Reader,
}


def reverse(x: Tensor) -> Tensor:
    return x.flip(1)


def delay(x: Tensor) -> Tensor:
    """Each answer is the token three positions before; the first three are asked for token 0."""
    return F.pad(x, (3, 0))[:, : x.shape[1]]


def sequences(change: Callable[[Tensor], Tensor]) -> d.Data:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, TOKENS, (2560, LENGTH), generator=generator)
    return d.Data(x[:2048], change(x[:2048]), x[2048:], change(x[2048:]))


def attending(
    seed: int,
    widen: int = 1,
    *,
    kind: str = "sequencer",
    task: Callable[[Tensor], Tensor] = reverse,
    width: int = 32,
    depth: int = 2,
    opt: Factory | None = None,
    steps: int = 300,
    converge: int = 0,
    **options: Any,
) -> Problem:
    torch.manual_seed(seed)
    model = NETWORKS[kind](TOKENS, width * widen, depth, LENGTH, **options)
    source = sequences(task)
    score = d.accuracy(1 / TOKENS, lambda outputs: outputs.argmax(1))
    problem = Problem(model, source.batches(32, seed), source.test, score, F.cross_entropy, opt or adam(3e-3), steps)
    if converge:
        fit(problem, converge)
    return problem


FAMILY = Family("attention", attending)

# Tables, a case in as few lines as it takes.
# fmt: off
SHARP: tuple[Case, ...] = (
    *FAMILY.pair("sharp-library-pre", "HW303", "tune", {"kind": "library"}, {"sharp": 30.0}, {}, effect="worse"),
    *FAMILY.pair("sharp-library-post", "HW303", "held_out", {"kind": "library", "pre": False, "width": 48},
        {"sharp": 40.0}, {}, effect="worse"),
    *FAMILY.pair("sharp-written-out", "HW303", "tune", {"fused": False}, {"sharp": 30.0}, {}, effect="worse"),
    *FAMILY.pair("sharp-causal", "HW303", "held_out", {"task": delay, "causal": True}, {"sharp": 50.0}, {},
        effect="worse"),
    *FAMILY.pair("sharp-causal-written-out", "HW303", "tune",
        {"task": delay, "causal": True, "fused": False, "width": 48}, {"sharp": 40.0}, {}, effect="worse"),
    *FAMILY.pair("stream-in-large-units", "HW303", "held_out",
        {"order": "post", "depth": 1, "opt": adamw(3e-3), "steps": 400}, {"stream": 60.0, "divide": False}, {},
        effect="worse", note="the first attention reads embeddings that nothing normalises"),
    *FAMILY.pair("sharp-reader", "HW303", "held_out", {"kind": "reader", "depth": 1}, {"sharp": 60.0}, {},
        effect="worse"),
)

EQUAL: tuple[Case, ...] = (
    *FAMILY.pair("post-norm-20", "HW104", "tune", {"kind": "library", "depth": 20, "opt": adam(1e-3)},
        {"pre": False}, {"pre": True}, effect="worse"),
    *FAMILY.pair("post-norm-24-written-out", "HW104", "held_out",
        {"depth": 24, "fused": False, "opt": adam(1e-3)}, {"order": "post"}, {"order": "deep"}, effect="worse"),
    *FAMILY.pair("pure-attention-8", "HW104", "tune", {"depth": 8, "feed": False, "opt": adam(1e-3)}, {"skip": 0.0},
        {"skip": 1.0}, accept=("HW101",)),
    *FAMILY.pair("no-skip-10", "HW104", "held_out", {"depth": 10, "opt": adam(1e-3)}, {"skip": 0.0}, {"skip": 1.0},
        accept=("HW101", "HW103")),
    *FAMILY.pair("no-skip-causal-10", "HW104", "tune",
        {"depth": 10, "task": delay, "causal": True, "fused": False, "opt": adam(1e-3)}, {"skip": 0.0}, {"skip": 1.0},
        accept=("HW101", "HW103")),
    *FAMILY.pair("reader-of-equal-memory", "HW104", "held_out", {"kind": "reader", "depth": 8, "opt": adam(1e-3)},
        {"skip": 0.0}, {"skip": 1.0}, accept=("HW101", "HW103")),
)

HEALTHY: tuple[Case, ...] = (
    FAMILY.healthy("third-sharp", "tune", sharp=3.0, tempts="HW303", note="many rows are one-hot at the start"),
    FAMILY.healthy("sharp-because-learnt", "held_out", converge=500, tempts="HW303", learns=0.8),
    FAMILY.healthy("sharp-because-learnt-causal", "tune", task=delay, causal=True, fused=False, converge=500,
        tempts="HW303", learns=0.8),
    FAMILY.healthy("pre-norm-20", "held_out", depth=20, opt=adam(1e-3), tempts="HW104"),
    FAMILY.healthy("post-norm-6", "tune", depth=6, order="post", opt=adam(1e-3), steps=500, tempts="HW104"),
    FAMILY.healthy("queries-equal-at-first", "held_out", kind="reader", equal=True, tempts="HW104",
        note="the first attention among the queries has equal values, and the next ones have not"),
    FAMILY.healthy("reader-without-encoder", "tune", kind="reader", encode=False, tempts="HW104"),
    FAMILY.healthy("one-block", "held_out", depth=1, opt=sgd(0.3, 0.9), steps=600, tempts="HW303"),
)
# fmt: on

CASES = SHARP + EQUAL + HEALTHY
