from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwater.remedies import remedy
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training, training, twins

REMEDY = remedy("standardise-targets")


@pytest.mark.parametrize(
    ("name", "code"),
    [("targets-of-1e5", "HW605"), ("targets-of-1e5-sgd", "HW605")],
)
def test_targets_are_no_longer_found_and_the_code_does_the_same(name: str, code: str) -> None:
    problem, raw = case(name)
    assert code in codes(raw.findings)
    assert REMEDY.refusal(raw) is None
    written, _ = twins(problem.model)
    change = REMEDY.apply(raw)
    live, _ = twins(problem.model)
    assert same_training(live, executed(change, written), problem)
    assert code not in codes(diagnosed(problem))


@pytest.mark.parametrize(
    ("loss_fn", "degree"),
    [(F.mse_loss, 2), (F.l1_loss, 1), (lambda o, y: ((o - y) ** 2).mean(), 2), (lambda o, y: (o - y).abs().sum(), 1)],
)
def test_gradients_are_those_of_standardised_targets(loss_fn, degree: int) -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 1)
    x = torch.randn(256, 6)
    y = 4e4 + 3e3 * torch.randn(256, 1)
    found = training(copy.deepcopy(model), [(x, y)], loss_fn)
    REMEDY.apply(found)
    loss_fn(found.model(x), y).backward()
    mean, deviation = float(f"{y.mean():.6g}"), float(f"{y.std():.6g}")
    loss_fn(model(x), (y - mean) / deviation).backward()  # the usual way: targets standardised in the data
    for ours, theirs in zip(found.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=2e-3, atol=1e-5)
    torch.testing.assert_close(found.model(x), mean + deviation * model(x))


@pytest.mark.parametrize(("loss_fn", "power"), [(F.mse_loss, 2), (F.l1_loss, 1), (F.huber_loss, 1)])
@pytest.mark.parametrize("last", [torch.abs, torch.square])
def test_the_power_is_that_of_the_loss_whatever_the_model_ends_with(last, loss_fn, power: int) -> None:
    class Ends(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return last(super().forward(input))

    torch.manual_seed(0)
    found = training(Ends(4, 1), [spread(90 + torch.randn(64, 1))], loss_fn)
    assert REMEDY.refusal(found) is None
    assert f"power={power})" in REMEDY.apply(found).code.before


def test_behind_a_sigmoid_targets_with_tails_are_standardised_once_it_is_gone() -> None:
    _, raw = case("sigmoid-on-regression-output")
    assert "drop its activation first" in (REMEDY.refusal(raw) or "")
    remedy("remove-output-activation").apply(raw)
    raw.applied.append("remove-output-activation")
    assert REMEDY.refusal(raw) is None
    head = raw.measurement.head
    says = REMEDY.apply(raw).says
    assert f"{head.target_std:.6g}" in says and f"{head.target_mean:.6g}" in says


def test_behind_a_sigmoid_the_ends_meet() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    x, y = torch.randn(64, 4), torch.linspace(-3, 9, 64)[:, None]
    found = training(model, [(x, y)], F.mse_loss)
    REMEDY.apply(found)
    with torch.no_grad():
        model[0].weight.zero_()
        for bias, reached in ((-200.0, -3.0), (0.0, 3.0), (200.0, 9.0)):
            model[0].bias.fill_(bias)
            assert float(model(x)[0]) == pytest.approx(reached)


def spread(y: Tensor) -> tuple[Tensor, Tensor]:
    return torch.randn(64, 4), y


@pytest.mark.parametrize(
    ("model", "y", "loss_fn", "why"),
    [
        (nn.Linear(4, 3), torch.randint(0, 3, (64,)), F.cross_entropy, "real targets"),
        (nn.Linear(4, 1), torch.rand(64, 1).round(), F.binary_cross_entropy_with_logits, "real targets"),
        (nn.Sequential(nn.Linear(4, 1), nn.ReLU()), 90 + torch.randn(64, 1), F.mse_loss, "bounded below"),
        (nn.Linear(4, 1), torch.full((64, 1), 5.0), F.mse_loss, "the same"),
        (nn.Linear(4, 1), torch.linspace(-1.5, 1.5, 64)[:, None], F.mse_loss, "standardised"),
        (nn.Linear(4, 1), 90 + torch.randn(64, 1), lambda o, y: F.mse_loss(o, y).sqrt(), "real targets"),
        (nn.Linear(4, 1), 90 + torch.randn(64, 1), lambda o, y: F.mse_loss(o, y) ** 0.5, "exponent"),
        (nn.Linear(4, 1), 90 + torch.randn(64, 1), lambda o, y: ((o - y).abs() ** 3).mean(), "exponent"),
        (nn.Linear(4, 10), torch.randint(0, 10, (64,)), lambda o, y: F.mse_loss(o, F.one_hot(y, 10).float()), "real"),
    ],
)
def test_other_losses_and_targets_are_left(model: nn.Module, y: Tensor, loss_fn, why: str) -> None:
    torch.manual_seed(0)
    assert why in (REMEDY.refusal(training(model, [spread(y)], loss_fn)) or "")
