from __future__ import annotations

from importlib.metadata import entry_points

import pytest
import torch
from torch import nn

import headwater
from headwater.testing import assert_gradient_flow
from tests.integrations.problem import batches, network

pytest_plugins = ["pytester"]


def test_a_network_that_cannot_learn_fails_with_the_report() -> None:
    with pytest.raises(AssertionError, match="HW101") as caught:
        assert_gradient_flow(network(), batches(), nn.CrossEntropyLoss())
    assert "activation" in str(caught.value)


def test_a_healthy_one_passes_and_hands_back_its_report() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    assert assert_gradient_flow(model, batches(), nn.CrossEntropyLoss(), fail_on="warning").healthy


def test_codes_can_be_ignored() -> None:
    report = assert_gradient_flow(network(), batches(), nn.CrossEntropyLoss(), ignore={"HW101", "HW103"})
    assert not report.healthy


def test_what_makes_no_sense_is_an_input_error() -> None:
    with pytest.raises(headwater.errors.InputError, match="HW999"):
        assert_gradient_flow(network(), batches(), nn.CrossEntropyLoss(), ignore={"HW999"})
    with pytest.raises(headwater.errors.InputError, match="fail_on"):
        assert_gradient_flow(network(), batches(), nn.CrossEntropyLoss(), fail_on="info")  # type: ignore[arg-type]


def test_pytest_finds_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")  # or what lies in a folder above, be it anybody's, configures it
    pytester.makepyfile(
        """
        import torch

        def test_flow(assert_gradient_flow):
            model = torch.nn.Linear(4, 2)
            assert_gradient_flow(model, (torch.randn(16, 4), torch.randn(16, 2)), torch.nn.MSELoss())
        """
    )
    installed = any(each.name == "headwater" for each in entry_points(group="pytest11"))  # it is found by itself then
    named = () if installed else ("-p", "headwater.integrations.pytest_plugin")
    ran = pytester.runpytest_inprocess(*named, "-p", "no:timeout")
    ran.assert_outcomes(passed=1)
