import math

import pytest
import torch
from torch import nn

from headwater.errors import InputError
from headwater.study.convolutions.images import laid_out
from headwater.study.convolutions.networks import VARIANTS, Block, cnn
from headwater.study.convolutions.start import start
from headwater.study.data import Dataset


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("name", VARIANTS)
def test_depth_counts_the_convolutions(name):
    network = cnn(name, depth=7, side=8)
    assert len(convolutions(network)) == 7
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert norms == (6 if VARIANTS[name].normalised else 0)


def test_large_images_are_halved_twice():
    assert laid_out(torch.arange(784.0)[None]).shape == (1, 1, 14, 14)
    assert laid_out(torch.arange(64.0)[None]).shape == (1, 1, 8, 8)
    assert float(laid_out(torch.arange(784.0)[None])[0, 0, 0, 0]) == (0 + 1 + 28 + 29) / 4
    assert cnn("plain", depth=1, side=14)[:2](torch.randn(1, 1, 14, 14)).shape[-1] == 7


def test_he_and_default_variances():
    for name, scale in (("plain", 1 / 3), ("plain-he", 2.0)):
        weight = convolutions(cnn(name, depth=3, side=8, channels=64))[1].weight.detach()
        assert float(weight.var()) == pytest.approx(scale / (64 * 9), rel=0.05)


def test_a_residual_block_whose_branch_is_zero_passes_on_what_is_positive():
    block = Block(4, VARIANTS["residual"])
    nn.init.zeros_(block.norm2.weight)
    x = torch.randn(3, 4, 5, 5)
    assert torch.equal(block(x), x.relu())


def test_the_seed_decides_and_the_global_state_stays():
    state = torch.get_rng_state()
    first, again, other = (cnn("residual", depth=3, side=8, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_an_even_number_of_convolutions_is_refused():
    with pytest.raises(InputError, match="odd number of convolutions"):
        cnn("plain", depth=4, side=8)


def test_the_start_is_what_autograd_says():
    torch.manual_seed(0)
    data = Dataset("noise", "noise", torch.randn(90, 1, 8, 8), torch.randint(10, (90,)), *[torch.empty(0)] * 2)
    network = cnn("plain", depth=5, side=8)
    found = start(network, data, seed=3)
    rows = torch.randint(90, (64,), generator=torch.Generator().manual_seed(3))
    outputs = []
    for module in [*convolutions(network), network[-1]]:
        module.register_forward_hook(lambda _m, _i, out: outputs.append(out) or out.retain_grad())
    nn.functional.cross_entropy(network(data.inputs[rows].double()), data.labels[rows]).backward()
    norms = [float(out.grad.norm()) for out in outputs]
    assert [point.signal for point in found.points] == pytest.approx(norms, rel=1e-9)
    assert found.attenuation == pytest.approx(norms[0] / norms[-1])
    assert math.isfinite(found.gain)
