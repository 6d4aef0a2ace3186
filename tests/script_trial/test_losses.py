"""What counts as the loss of a step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from headwater.remedies.reading import Reading
from headwater.script_trial.losses import Losses


class Scaler:
    _scale = torch.tensor(1024.0)


def heard(losses: Losses, value: float) -> None:
    weight = torch.tensor(value, requires_grad=True)
    loss: Tensor = weight * 1
    losses.before_backward((loss,), None)
    losses.after_backward(True)


def test_the_mean_of_accumulated_passes() -> None:
    losses = Losses()
    for values in ([1.0, 3.0], [5.0]):
        for value in values:
            heard(losses, value)
        losses.stepped(0)
    assert losses.of[0] == [2.0, 5.0]


def test_each_optimizer_takes_its_own() -> None:
    losses = Losses()
    for generator, discriminator in [(1.0, 10.0), (2.0, 20.0)]:
        heard(losses, discriminator)
        losses.stepped(1)
        heard(losses, generator)
        losses.stepped(0)
    assert losses.of[0] == [1.0, 2.0]


def test_two_optimizers_that_share_one_pass() -> None:
    losses = Losses()
    for value in (4.0, 3.0):
        heard(losses, value)
        losses.stepped(1)
        losses.stepped(0)
    assert losses.of[0] == losses.of[1] == [4.0, 3.0]


def test_the_scale_is_taken_out_and_a_step_that_is_left_out_is_none() -> None:
    losses = Losses()
    heard(losses, 3.0 * 1024)
    losses.before_scaled_step(None, Scaler)
    losses.after_scaled_step(None)  # an infinity: the optimizer was not called
    heard(losses, 2.0 * 1024)
    losses.before_scaled_step(None, Scaler)
    losses.stepped(0)
    losses.after_scaled_step(None)
    assert losses.of[0] == [2.0]


def test_what_is_not_heard_is_no_step() -> None:
    losses = Losses()
    losses.stepped(0)
    assert not losses.of


@pytest.mark.parametrize("parts", [1, 4])
def test_a_likelihood_without_a_logarithm_is_heard_of_what_the_outputs_say(parts: int) -> None:
    outputs, targets = torch.randn(6, 3, requires_grad=True), torch.tensor([0, 1, 2, 0, -100, 1])
    losses = Losses(Reading("", lambda x: x.log_softmax(1)))
    loss = F.nll_loss(outputs, targets, torch.tensor([1.0, 2.0, 3.0])) / parts
    losses.before_backward((loss,), None)
    losses.stepped(0)
    meant = F.cross_entropy(outputs, targets, torch.tensor([1.0, 2.0, 3.0])) / parts
    assert losses.of[0] == pytest.approx([meant.item()])


def test_any_other_loss_is_heard_as_it_is() -> None:
    losses = Losses(Reading("", lambda x: x.log_softmax(1)))
    outputs = torch.randn(6, 3, requires_grad=True)
    loss = F.nll_loss(outputs, torch.zeros(6, dtype=torch.int64)) + outputs.square().mean()
    losses.before_backward((loss,), None)
    losses.stepped(0)
    assert losses.of[0] == [loss.item()]
