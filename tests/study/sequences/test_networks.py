import pytest
import torch
from scipy import stats

from headwater.study.sequences.networks import KINDS, recurrent
from headwater.study.sequences.tasks import adding, copying


def rows(tensor, gate, width):
    return tensor[gate * width : (gate + 1) * width].detach()


def test_orthogonal_recurrence_is_orthogonal_and_leaves_the_inputs():
    layer = recurrent("rnn-orthogonal", adding(10), width=32, seed=0).rnn
    weight = layer.weight_hh_l0.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(32), atol=1e-5, rtol=0)
    assert torch.equal(layer.weight_ih_l0, recurrent("rnn", adding(10), width=32, seed=0).rnn.weight_ih_l0)


def test_an_irnn_starts_with_the_identity_and_small_inputs():
    layer = recurrent("irnn", adding(10), width=2000, seed=0).rnn
    assert layer.nonlinearity == "relu"
    assert torch.equal(layer.weight_hh_l0.detach(), torch.eye(2000))
    assert float(layer.weight_ih_l0.detach().std()) == pytest.approx(0.001, rel=0.05)
    assert not layer.bias_ih_l0.any() and not layer.bias_hh_l0.any()


def test_the_forget_bias_is_one():
    layer = recurrent("lstm-forget-bias", adding(10), width=16, seed=0).rnn
    total = rows(layer.bias_ih_l0, 1, 16) + rows(layer.bias_hh_l0, 1, 16)
    assert torch.equal(total, torch.ones(16))


def test_chrono_draws_time_scales_evenly_up_to_the_length():
    """b_f = ln U[1, T - 1], b_i = -b_f: Tallec and Ollivier 2018, equation 16."""
    task, width = copying(80), 3000
    layer = recurrent("lstm-chrono", task, width=width, seed=0).rnn
    forget = rows(layer.bias_ih_l0, 1, width) + rows(layer.bias_hh_l0, 1, width)
    enter = rows(layer.bias_ih_l0, 0, width) + rows(layer.bias_hh_l0, 0, width)
    torch.testing.assert_close(enter, -forget)
    longest = task.steps - 1
    assert longest == 99
    even = stats.uniform(1, longest - 1).cdf
    assert stats.kstest(forget.exp().numpy(), even).pvalue > 0.01
    assert stats.kstest(forget.numpy(), even).pvalue < 1e-6  # the test can fail


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_answers_both_tasks(name):
    for task in (adding(6), copying(3)):
        network = recurrent(name, task, width=8, seed=0)
        inputs, targets = task.draw(4, torch.Generator().manual_seed(0))
        loss = task.loss(network(inputs), targets)
        loss.backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_seed_decides_and_the_global_state_stays():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (recurrent("lstm-chrono", adding(9), width=8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.rnn.weight_hh_l0, other.rnn.weight_hh_l0)
