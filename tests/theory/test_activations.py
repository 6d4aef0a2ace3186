from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from headwater.errors import InputError
from headwater.theory import Activation, activation
from headwater.theory.named import NAMED

TORCH = {
    "linear": lambda z: z * 1.0,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "relu6": F.relu6,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "erf": torch.erf,
    "sin": torch.sin,
}
POINTS = np.linspace(-9.013, 9.017, 401)


def test_every_name_has_a_reference():
    assert set(TORCH) == set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_activation_and_its_derivative_are_those_of_torch(name):
    known = activation(name)
    z = torch.tensor(POINTS, requires_grad=True)
    out = TORCH[name](z)
    (derivative,) = torch.autograd.grad(out.sum(), z)
    np.testing.assert_allclose(known.function(POINTS), out.detach().numpy(), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(known.derivative(POINTS), derivative.numpy(), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("asked", "name"), [("ReLU", "relu"), ("LeakyRelu", "leaky_relu"), ("leaky-relu", "leaky_relu"), ("Swish", "silu")]
)
def test_names_are_read_generously(asked, name):
    assert activation(asked).name == name


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(InputError, match=r"no activation called 'gelo'. Nearest: .*gelu"):
        activation("gelo")
    with pytest.raises(InputError, match="got int"):
        activation(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "what", [nn.LeakyReLU(0.2), nn.ReLU(inplace=True), nn.PReLU(), nn.ELU(1.7), torch.cos, lambda z: z.clamp(min=-0.3)]
)
def test_any_module_or_function_is_differentiated(what):
    known = activation(what)
    reference = what.double() if isinstance(what, nn.Module) else what
    z = torch.tensor(POINTS, requires_grad=True)
    out = reference(z * 1.0)
    (derivative,) = torch.autograd.grad(out.sum(), z)
    np.testing.assert_allclose(known.function(POINTS), out.detach().numpy())
    np.testing.assert_allclose(known.derivative(POINTS), derivative.numpy())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_does_not_matter_that_the_caller_wants_no_gradients(mode):
    with mode():
        assert activation(nn.ELU(1.7)).derivative(np.array([0.5, 1.0])).tolist() == [1.0, 1.0]


def test_the_module_is_left_as_it_was():
    module = nn.PReLU().train()
    activation(module).derivative(POINTS)
    assert module.training
    assert module.weight.dtype == torch.float32
    assert module.weight.grad is None


def test_an_activation_comes_back_as_it_is():
    known = Activation("twice", lambda z: 2 * z, lambda z: 2 + 0 * z)
    assert activation(known) is known


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (nn.Softmax(dim=0), "elementwise"),
        (nn.Linear(4, 4), "Linear raised|elementwise"),
        (nn.LayerNorm(4), "LayerNorm raised|elementwise"),
        (lambda z: z.sum(), "shape"),
        (lambda z: z.detach(), "no gradient"),
        (lambda z: torch.ones_like(z, requires_grad=True), "does not depend"),
        (np.tanh, "tanh"),
        (nn.Dropout(0.5), "in training Dropout draws"),
        (nn.Sequential(nn.ReLU(), nn.AlphaDropout(0.01)), "in training Sequential draws"),
        (nn.ReLU, r"got the class ReLU. Make one of it: ReLU\(\)"),
    ],
)
def test_what_is_no_activation_is_refused(what, said):
    with pytest.raises(InputError, match=said):
        activation(what)
