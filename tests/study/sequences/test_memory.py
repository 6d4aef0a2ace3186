import math

import pytest
import torch
from torch import nn

from headwater.study.sequences.memory import FARTHEST, memory, profile
from headwater.study.sequences.networks import recurrent
from headwater.study.sequences.tasks import adding, copying


def scaled_identity(factor):
    """``h' = relu(factor h + x)`` on positive inputs: the gradient changes by `factor` a step, exactly."""
    layer = nn.RNN(1, 4, nonlinearity="relu", bias=False).double()
    with torch.no_grad():
        layer.weight_hh_l0.copy_(factor * torch.eye(4, dtype=torch.float64))
        layer.weight_ih_l0.fill_(1.0)
    inputs = torch.ones(30, 3, 1, dtype=torch.float64)
    return layer, lambda: layer(inputs)[0][-1].sum()


@pytest.mark.parametrize("factor", [0.5, 0.9, 0.99])
def test_the_horizon_of_a_scaled_identity_is_known(factor):
    found = memory(*scaled_identity(factor))
    assert found.gain == pytest.approx(factor, rel=1e-9)
    assert found.horizon == pytest.approx(-1 / math.log(factor), rel=1e-6)


@pytest.mark.parametrize("factor", [0.9999, 1.0, 1.2])
def test_what_does_not_fall_reaches_as_far_as_can_be_said(factor):
    assert memory(*scaled_identity(factor)).horizon == FARTHEST


def test_a_layer_that_hands_nothing_on_has_no_memory():
    found = memory(*scaled_identity(0.0))
    assert (found.gain, found.horizon) == (None, 0.0)


def test_the_profile_is_that_of_autograd_through_unrolled_cells():
    task = adding(12)
    network = recurrent("lstm-chrono", task, width=6, seed=0).double()
    inputs, sums = (each.double() for each in task.draw(16, torch.Generator().manual_seed(0)))
    found = profile(network.rnn, lambda: task.loss(network(inputs), sums))
    cell = nn.LSTMCell(2, 6).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in network.rnn.state_dict().items()})
    h = c = torch.zeros(16, 6, dtype=torch.float64)
    states = []
    for step in inputs:
        h, c = cell(step, (h, c))
        h.retain_grad()
        states.append(h)
    task.loss(network.head(h), sums).backward()
    expected = [math.log(float(state.grad.norm())) for state in states]
    assert found.log_gradient == pytest.approx(expected, abs=1e-8)


def test_a_loss_on_every_step_is_probed():
    task = copying(5)
    network = recurrent("rnn", task, width=8, seed=0)
    inputs, answers = task.draw(4, torch.Generator().manual_seed(0))
    assert profile(network.rnn, lambda: task.loss(network(inputs), answers)).probe == "jacobian"
