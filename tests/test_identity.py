"""Watching changes no bit of a training: some rows of `benchmarks/identity`, which compares them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.identity.compare import compare
from benchmarks.identity.design import CHOICES, Configuration, configurations
from benchmarks.identity.training import train

PLAIN = Configuration("MLP", "Adam", "float32", "none", "no", "no", 1, False, False, 0.0)
STEPS = 12
CHOSEN = (
    replace(PLAIN, optimizer="AdamW fused", precision="float16 scaled", clipping="norm", dropout=0.2),
    replace(PLAIN, model="CNN", optimizer="SGD", checkpointing=True, scheduler=True, dropout=0.2),
    replace(PLAIN, model="residual CNN", optimizer="RMSprop", precision="bfloat16", accumulation=3),
    replace(PLAIN, model="LSTM", optimizer="Adagrad", clipping="value", dropout=0.2),
    replace(PLAIN, model="transformer", precision="bfloat16", checkpointing=True, accumulation=3, dropout=0.2),
    replace(PLAIN, model="GRU", optimizer="SGD", precision="float16 scaled", scheduler=True),
    replace(PLAIN, model="CNN", optimizer="LBFGS", clipping="norm", accumulation=3),
    replace(PLAIN, model="MLP", compiled="eager", clipping="value", dropout=0.2),
)


@pytest.mark.parametrize("configuration", CHOSEN, ids=str)
def test_watching_changes_no_bit(configuration: Configuration) -> None:
    outcome = compare(configuration, steps=STEPS)
    assert outcome.faults == ()
    assert (outcome.differs, outcome.differs_at_default) == ((), ())
    assert outcome.probes >= STEPS // 2 and outcome.verdicts > 0 and outcome.probes_at_default > 0


def test_the_comparison_sees_a_single_random_number() -> None:
    one, other = (train(replace(PLAIN, dropout=dropout), None, steps=1).state for dropout in (0.0, 0.2))
    assert set(one) == set(other)
    different = {name for name in one if one[name] != other[name]}
    assert {"/random/torch", "/loss"} <= different and "/random/python/1/0" not in different


def test_each_two_choices_that_go_together_occur_together() -> None:
    found = configurations()
    assert len(found) >= 60 and len(set(found)) == len(found)
    for name, values in CHOICES.items():
        for other, others in CHOICES.items():
            pairs = {(getattr(each, name), getattr(each, other)) for each in found}
            impossible = {(a, b) for a in values for b in others} - pairs if name != other else set()
            assert not impossible - NEVER, (name, other, impossible - NEVER)


NEVER = {
    pair
    for a, b in (
        ("LBFGS", "float16 scaled"),
        ("LBFGS", "FSDP2"),
        *((kind, "FSDP2") for kind in ("eager", "aot_eager")),
    )
    for pair in ((a, b), (b, a))
}
