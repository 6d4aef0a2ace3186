"""Ten of the models of benchmarks/zoo, as shipped: diagnosed without an error and not called vanishing or exploding."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from benchmarks.tables import DOCS
from benchmarks.zoo.outcome import fingerprint, run
from benchmarks.zoo.run import ENTRIES

# Looked up and not imported: an import takes seconds, also of a test run that chooses other tests.
needs_the_libraries = pytest.mark.skipif(
    not all(map(find_spec, ("timm", "transformers", "peft"))), reason="needs timm, transformers and peft (extra: test)"
)

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


@needs_the_libraries
@pytest.mark.filterwarnings("ignore")  # of the libraries' own
@pytest.mark.parametrize("name", NAMES)
def test_a_model_as_shipped(name: str) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == name)
    result = run(entry, steps=4)
    assert not result.error
    assert not result.changed
    assert not result.fatal
    assert result.layers > 3


def test_the_table_in_the_docs_is_of_these_models() -> None:
    rows = [line.split(" | ") for line in (DOCS / "zoo.md").read_text().splitlines()]
    shown = [row[1] for row in rows if row[0] in ("| timm", "| transformers", "| special")]
    assert shown == [entry.name for entry in ENTRIES]


def test_a_fingerprint_sees_each_kind_of_change() -> None:
    def changed(model: nn.Module) -> set[str]:
        before = fingerprint(model)
        with torch.no_grad():
            model[0].weight[0, 0] = -model[0].weight[0, 0] * 0.0 - 0.0  # only the sign of a zero
        model[1].running_mean += 1.0
        model[2].eval()
        model[0].bias.grad = torch.ones(3)
        torch.rand(1)
        after = fingerprint(model)
        return {key for key in after if before[key] != after[key]}

    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout())
    with torch.no_grad():
        model[0].weight[0, 0] = 0.0
    expected = {"0.weight", "1.running_mean", "mode of 2", "gradient of 0.bias", "random numbers"}
    assert changed(model) == expected
