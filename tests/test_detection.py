"""A fast part of the detection benchmark: each code on small networks, and the healthy twins and traps beside them."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.detection.cases import BY_NAME, CASES
from benchmarks.detection.outcome import diagnose_case
from headwater.rules import RULES

CODES = [rule.code for rule in RULES]
# One small case of each code, from both halves.
FAULTS = [
    "tiny-init-6x64-momentum",
    "normal-init-8x128-sgd",
    "layernorm-of-one-feature",
    "pure-attention-8",
    "quiet-lstm-closed-gates",
    "quiet-lstm-normal",
    "dead-bias-3x64",
    "sigmoid-shifted-2x64",
    "sharp-written-out",
    "rate-1e-6-mlp-adam",
    "rate-1-mlp-adam",
    "level-linear-adam",
    "bfloat16-weights-sgd",
    "small-loss-float16",
    "tiny-loss-adamw",
    "adam-decays-small-gradients",
    "clip-of-a-hundredth",
    "detach-mlp",
    "sign-mlp",
    "relu-on-regression-output",
    "broadcast-mse-mlp",
    "targets-of-1e5",
    "optimizer-over-head-mlp",
    "constant-3x64",
    "root-of-zero",
]
HEALTHY = [
    "sigmoid-2x64-adam",
    "converged-3x64-adam",
    "batch-8",
    "rezero-20",
    "gru-rows",
    "pixels-lstm",
    "tied-embeddings",
    "unused-branch",
    "warm-up-from-zero",
    "embedding-bag-padding",
    "log-softmax-then-cross-entropy",
    "bfloat16-weights-converged",
    "float16-autocast-untouched-rows",
    "adam-converged-to-1e-6",
    "adam-with-strong-decay",
    "clip-always-with-its-rate",
]


@pytest.mark.parametrize("name", FAULTS)
def test_report_leads_with_the_fault(name: str) -> None:
    outcome = diagnose_case(name, seed=0)
    assert not outcome.error
    assert outcome.leading == BY_NAME[name].expect, outcome.findings


@pytest.mark.parametrize("name", [*(f"{name}/healthy" for name in FAULTS), *HEALTHY])
def test_report_is_silent_on_a_network_that_learns(name: str) -> None:
    outcome = diagnose_case(name, seed=0)
    assert not outcome.error
    assert outcome.healthy, outcome.findings


def test_faults_above_cover_every_code() -> None:
    assert [BY_NAME[name].expect for name in FAULTS] == CODES


@pytest.mark.parametrize("half", ["tune", "held_out"])
def test_each_half_holds_every_code(half: str) -> None:
    counts = Counter(case.expect for case in CASES if case.half == half)
    assert all(counts[code] >= 2 for code in CODES), counts
