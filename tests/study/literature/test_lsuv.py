import pytest
import torch
from torch import nn

from headwater.study.literature.gains import stack
from headwater.study.literature.lsuv import lsuv_


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_every_layer_s_output_has_variance_one(activation):
    torch.manual_seed(0)
    network = stack([nn.Linear(40, 40) for _ in range(6)], activation())
    inputs = 3.0 * torch.randn(200, 40)
    said = lsuv_(network, inputs, tolerance=1e-4)
    x = inputs
    measured = []
    with torch.no_grad():
        for module in network:
            x = module(x)
            if isinstance(module, nn.Linear):
                measured.append(float(x.var(correction=0)))
    assert measured == pytest.approx([1.0] * 6, abs=2e-4)
    assert said == pytest.approx(measured)


def test_weights_stay_orthogonal_but_for_their_scale():
    network = stack([nn.Linear(30, 30) for _ in range(2)], nn.Tanh())
    lsuv_(network, torch.randn(100, 30, generator=torch.Generator().manual_seed(1)))
    for layer in (network[0], network[2]):
        product = layer.weight.detach() @ layer.weight.detach().T
        torch.testing.assert_close(product / product[0, 0], torch.eye(30), atol=1e-4, rtol=0)
        assert not layer.bias.any()
