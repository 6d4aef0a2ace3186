from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headwater.errors import InputError
from headwater.theory import initialisation
from headwater.theory.initialisations import names

DRAWN = {
    "default": lambda layer: None,
    "xavier": lambda layer: nn.init.xavier_uniform_(layer.weight),
    "lecun": lambda layer: nn.init.normal_(layer.weight, std=layer.in_features**-0.5),
    "orthogonal": lambda layer: nn.init.orthogonal_(layer.weight),
    "he": lambda layer: nn.init.kaiming_normal_(layer.weight),
}


@pytest.mark.parametrize("name", DRAWN)
def test_variances_are_those_that_torch_draws(name):
    torch.manual_seed(0)
    layer = nn.Linear(600, 600)
    DRAWN[name](layer)
    known = initialisation(name, width=600)
    assert float(layer.weight.detach().var()) * 600 == pytest.approx(known.weight_variance, rel=0.02)
    if name == "default":
        assert float(layer.bias.detach().var()) == pytest.approx(known.bias_variance, rel=0.15)
    else:
        assert known.bias_variance == 0.0


def test_all_names_are_tested():
    assert set(names()) == set(DRAWN)


def test_a_convolution_draws_as_a_linear_layer_does():
    torch.manual_seed(0)
    weight = nn.Conv2d(64, 64, 3).weight.detach()
    assert float(weight.var()) * 64 * 9 == pytest.approx(initialisation("default").weight_variance, rel=0.02)


def test_a_pair_holds_standard_deviations():
    known = initialisation((1.5, 0.2))
    assert (known.weight_variance, known.bias_variance) == (2.25, pytest.approx(0.04))
    assert known.name == "(1.5, 0.2)"


@pytest.mark.parametrize(("asked", "name"), [("Kaiming_normal_", "he"), ("glorot", "xavier"), ("HE", "he")])
def test_other_names_for_the_same(asked, name):
    assert initialisation(asked).name == name


def test_errors_name_the_nearest_and_what_came():
    with pytest.raises(InputError, match=r"called 'xaver'. Nearest: xavier"):
        initialisation("xaver")
    for wrong in ((1.0,), (1.0, 2.0, 3.0), (-1.0, 0.0), (math.nan, 0.0), (math.inf, 0.0), 3, ("a", "b")):
        with pytest.raises(InputError, match=r"pair \(sigma_w, sigma_b\)"):
            initialisation(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="width"):
        initialisation("default", width=0)
