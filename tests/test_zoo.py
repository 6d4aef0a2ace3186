"""Ten of the models of benchmarks/zoo, as shipped: diagnosed without an error and not called vanishing or exploding."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks.zoo.run import ENTRIES, run

pytestmark = [
    pytest.mark.skipif(not (find_spec("timm") and find_spec("transformers")), reason="needs the test extra"),
    pytest.mark.filterwarnings("ignore"),  # of the libraries' own
]

NAMES = [
    "resnet18",
    "convnext_atto",
    "nf_regnet_b0",
    "lcnet_050",
    "Llama causal",
    "Mixtral causal",
    "Bert classifier",
    "T5 seq2seq",
    "LoRA on GPT2",
    "ReZero, unused layer",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_as_shipped(name: str) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == name)
    result = run(entry, steps=4)
    assert not result.error
    assert not result.changed
    assert not result.fatal
    assert result.layers > 3
