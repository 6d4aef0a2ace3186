import pytest
import torch

from headwater.study.sequences.tasks import adding
from headwater.study.sequences.training import follow


def test_a_gated_network_learns_a_short_lag_and_is_looked_at_on_the_way():
    looks = follow(adding(5), "gru", width=16, steps=400, looks=4, seed=0, rate=0.01)
    assert [look.step for look in looks] == [0, 100, 200, 300, 400]
    assert looks[0].error > 1.0
    assert looks[-1].error < 0.3
    assert all(look.error == pytest.approx(6 * look.loss) for look in looks)
    assert all(look.memory.horizon > 0 for look in looks)


def test_a_seed_gives_its_training_and_looking_changes_nothing():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    often, seldom, other = (
        follow(adding(4), "rnn", width=8, steps=12, looks=looks, seed=seed) for looks, seed in ((6, 1), (1, 1), (1, 2))
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert often[-1] == seldom[-1] != other[-1]
