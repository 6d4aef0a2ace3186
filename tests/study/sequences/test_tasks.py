import math

import pytest
import torch
import torch.nn.functional as F

from headwater.errors import InputError
from headwater.study.sequences.tasks import ASKED, LETTERS, adding, copying


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_sum_is_that_of_the_two_marked_numbers():
    inputs, sums = adding(20).draw(300, generator())
    values, marks = inputs[:, :, 0], inputs[:, :, 1]
    assert inputs.shape == (20, 300, 2) and sums.shape == (300, 1)
    assert (marks.sum(0) == 2).all()
    assert (marks[:10].sum(0) == 1).all()  # one in each half
    torch.testing.assert_close((values * marks).sum(0), sums[:, 0])


def test_always_answering_one_costs_a_sixth_and_nothing_constant_costs_less():
    task = adding(10)
    _, sums = task.draw(200_000, generator())
    losses = {answer: float(task.loss(torch.full_like(sums, answer), sums)) for answer in (0.9, 1.0, 1.1)}
    assert task.baseline == pytest.approx(1 / 6)
    assert losses[1.0] == pytest.approx(task.baseline, rel=0.01)
    assert min(losses, key=losses.get) == 1.0


def test_the_letters_are_asked_for_after_the_sign():
    task = copying(7)
    inputs, answers = task.draw(50, generator())
    symbols = inputs.argmax(2)
    assert inputs.shape == (7 + 2 * ASKED, 50, LETTERS + 2)
    assert (symbols[:ASKED] == answers[-ASKED:]).all()
    assert (symbols[:ASKED] < LETTERS).all()
    assert ((symbols == LETTERS + 1).nonzero()[:, 0] == ASKED + 7 - 1).all()
    assert (answers[:-ASKED] == LETTERS).all()


def test_the_copy_task_s_baseline_knows_when_but_not_what():
    task = copying(12)
    _, answers = task.draw(100, generator())
    logits = torch.full((task.steps, 100, LETTERS + 1), -1e4)
    logits[:-ASKED, :, LETTERS] = 0.0
    logits[-ASKED:, :, :LETTERS] = 0.0
    assert float(task.loss(logits, answers)) == pytest.approx(task.baseline, rel=1e-5)
    by_hand = F.cross_entropy(logits.view(-1, LETTERS + 1), answers.view(-1), reduction="none").sum() / answers.numel()
    assert float(by_hand) == pytest.approx(10 * math.log(8) / 32, rel=1e-5)


def test_a_seed_gives_its_sequences():
    first, again, other = (copying(5).draw(9, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_lag_that_leaves_no_room_is_refused():
    with pytest.raises(InputError, match="at least 4 steps, got 3"):
        adding(3)
    with pytest.raises(InputError, match="at least 1 steps, got 0"):
        copying(0)
