"""What has learnt to read its input as it is, is left: remedies that change what weights read, on trained ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.remedies import Training, remedy
from tests.remedies.trainings import case, training


def learn(*weights: Tensor) -> None:
    """Adds what training adds: a matrix of low rank, as large as the draw."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in weights:
            learnt = torch.outer(torch.randn(weight.shape[0]), torch.randn(weight[0].numel())).view_as(weight)
            weight += weight.norm() * learnt / learnt.norm()


def raw() -> tuple[nn.Sequential, Training]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 2))
    return model, training(model, (80 + 30 * torch.randn(32, 12), torch.randn(32, 2)), F.mse_loss)


@pytest.mark.parametrize(("layer", "left"), [(0, True), (2, False)])
def test_data_that_trained_weights_read_stays_as_it_is(layer: int, left: bool) -> None:
    model, found = raw()
    assert remedy("standardise-inputs").refusal(found) is None
    learn(model[layer].weight)
    assert ("trained" in (remedy("standardise-inputs").refusal(found) or "")) == left


@pytest.mark.parametrize("root", [True, False])
def test_trained_layers_of_a_transformer_keep_their_stream(root: bool) -> None:
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    model = block if root else nn.Sequential(nn.Linear(16, 16), block, nn.Linear(16, 16))
    found = training(model, (torch.randn(8, 5, 16), torch.randn(8, 5, 16)), F.mse_loss)
    assert remedy("pre-norm").refusal(found) is None
    if not root:
        learn(model.get_parameter("2.weight"))  # what stands behind it may have learnt
        assert remedy("pre-norm").refusal(found) is None
    learn(block.linear1.weight)
    assert "trained" in (remedy("pre-norm").refusal(found) or "")


@pytest.mark.parametrize("key", ["scale-logits", "normalise-queries"])
def test_a_trained_attention_is_sharp_because_it_has_learnt_to_be(key: str) -> None:
    _, sharp = case("stream-in-large-units")
    assert remedy(key).refusal(sharp) is None
    names = [name for name, _ in sharp.model.named_parameters() if "key" in name or ".k" in name]
    learn(*(weight for name in names if (weight := sharp.model.get_parameter(name)).dim() > 1))
    assert names and "trained" in (remedy(key).refusal(sharp) or "")
