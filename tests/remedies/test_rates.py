from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from torch import nn
from torch.optim import SGD, Adam, Optimizer, Rprop
from torch.optim.lr_scheduler import StepLR

from headwater.errors import RemedyError
from headwater.records import RateRecord
from headwater.remedies import answering, remedy
from tests.builders import measurement
from tests.remedies.rewriting import executed, network, same_by_code, trained, training

FACTORS = {
    "lower-rate:third": 1 / 3,
    "lower-rate:tenth": 0.1,
    "lower-rate:hundredth": 0.01,
    "raise-rate:threefold": 3,
    "raise-rate:tenfold": 10,
    "raise-rate:hundredfold": 100,
    "raise-rate:thousandfold": 1000,
}
SCHEDULES = [each.key for each in answering("decaying-rate")] + ["lower-rate:warm-up"]


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.04, momentum=0.9)


def grouped(model: nn.Module) -> Optimizer:
    first, *others = model.parameters()
    return Adam([{"params": [first], "lr": 0.003}, {"params": others}], lr=0.0002)


@pytest.mark.parametrize(("key", "factor"), FACTORS.items())
def test_every_rate_is_multiplied(key: str, factor: float) -> None:
    live = training(grouped)
    change = remedy(key).apply(live)
    rates = [group["lr"] for group in live.optimizer.param_groups]
    assert rates == pytest.approx([0.003 * factor, 0.0002 * factor], rel=5e-3)  # three digits are written
    assert str(rates[0])[:4] in change.code.after
    assert change.edits == ()


@pytest.mark.parametrize("key", FACTORS)
def test_one_rate_for_all_is_an_argument_of_the_call(key: str) -> None:
    live = training(sgd)
    (edit,) = remedy(key).apply(live).edits
    assert (edit.callee, edit.to, edit.keep) == ("SGD", "torch.optim.SGD", None)
    assert edit.arguments == {"lr": repr(live.optimizer.param_groups[0]["lr"])}


@pytest.mark.parametrize("rate", [0.0, 1e-7])
def test_a_rate_far_too_low_becomes_the_usual_one(rate: float) -> None:
    for make, usual in (
        (lambda m: SGD(m.parameters(), lr=rate), 1e-2),
        (lambda m: Adam(m.parameters(), lr=rate), 1e-3),
    ):
        live = training(make)
        assert remedy("raise-rate:usual").refusal(live) is None
        change = remedy("raise-rate:usual").apply(live)
        assert live.optimizer.param_groups[0]["lr"] == usual
        assert remedy("raise-rate:usual").refusal(live) is not None
        assert same_by_code(change, make, live)
    live = training(grouped)
    for group, low in zip(live.optimizer.param_groups, (3e-6, 1e-6), strict=True):
        group["lr"] = low
    remedy("raise-rate:usual").apply(live)
    assert [group["lr"] for group in live.optimizer.param_groups] == [1e-3, 3.33e-4]


@pytest.mark.parametrize("key", FACTORS)
def test_no_factor_makes_a_rate_of_zero_a_rate(key: str) -> None:
    live = training(lambda m: SGD(m.parameters(), lr=0.0))
    assert "above 0" in (remedy(key).refusal(live) or "")
    with pytest.raises(RemedyError, match="above 0"):
        remedy(key).apply(live)


def test_an_optimizer_without_rates_is_left_alone() -> None:
    class Free(Rprop):
        def __init__(self, params: object) -> None:
            super().__init__(params)  # type: ignore[arg-type]
            for group in self.param_groups:
                del group["lr"]

    live = training(lambda model: Free(model.parameters()))
    for key in (*FACTORS, *SCHEDULES, "raise-rate:usual"):
        assert remedy(key).refusal(live) is not None


@pytest.mark.parametrize("key", [key for key in SCHEDULES if not key.endswith("plateau")])
@pytest.mark.parametrize("make", [sgd, grouped])
def test_the_hook_steps_the_schedule_as_a_trial_does(key: str, make: object) -> None:
    live = training(make, steps=6)  # type: ignore[arg-type]
    change = remedy(key).apply(live)
    assert same_by_code(change, make, live)  # type: ignore[arg-type]


def rates_over(key: str, steps: int) -> list[float]:
    live = training(sgd, steps=steps)
    change = remedy(key).apply(live)
    model = network()
    optimizer = executed(change.code, model, sgd(model))
    seen: list[float] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(optimizer.param_groups[0]["lr"]))
    trained(model, optimizer, steps=steps + 1)
    return seen


def test_the_rate_falls_as_the_page_says() -> None:
    cosine, linear = rates_over("decaying-rate:cosine", 30), rates_over("decaying-rate:linear", 30)
    step, exponential = rates_over("decaying-rate:step", 30), rates_over("decaying-rate:exponential", 30)
    assert cosine[15] == pytest.approx(0.02)
    assert linear[10] == pytest.approx(0.04 * 2 / 3)
    assert cosine[30] == pytest.approx(0, abs=1e-9)
    assert linear[30] == pytest.approx(0, abs=1e-9)
    assert [step[i] for i in (0, 9, 10, 19, 20)] == pytest.approx([0.04, 0.04, 0.004, 0.004, 0.0004])
    assert [exponential[i] for i in (0, 15, 30)] == pytest.approx([0.04, 0.004, 0.0004], rel=1e-3)


def test_the_warm_up_takes_a_tenth_of_the_steps() -> None:
    rates = rates_over("lower-rate:warm-up", 100)
    assert rates[:11] == pytest.approx([0.04 * (0.01 + 0.99 * i / 10) for i in range(11)])
    assert set(rates[10:]) == {rates[10]}


def test_on_a_plateau_the_rate_falls_tenfold() -> None:
    live = training(sgd, steps=100)
    change = remedy("decaying-rate:on-plateau").apply(live)
    scheduler = live.scheduler
    assert scheduler is not None
    for _ in range(7):  # a first loss, a patience of five steps, and one more
        scheduler.step(1.0)
    assert live.optimizer.param_groups[0]["lr"] == pytest.approx(0.004)
    optimizer = executed(change.code, live.model, sgd(live.model))
    trained(live.model, optimizer, steps=9)
    assert optimizer.param_groups[0]["lr"] == 0.04
    assert (
        "rate_schedule.step(loss.item())" in change.code.after and "rate_schedule.step(loss.item())" in change.by_hand
    )


@pytest.mark.parametrize("key", SCHEDULES)
def test_one_schedule_is_enough(key: str) -> None:
    scheduled = measurement(rate=RateRecord(0.04, scheduled=0.4))
    assert remedy(key).refusal(training(sgd, found=scheduled)) is not None
    live = training(sgd)
    assert remedy(key).refusal(live) is None
    remedy("decaying-rate:cosine").apply(live)
    assert remedy(key).refusal(live) is not None


@pytest.mark.parametrize("key", ["decaying-rate:cosine", "lower-rate:warm-up"])
def test_a_schedule_of_the_users_own_multiplies_with_it(key: str) -> None:
    live = training(sgd, steps=6)
    remedy(key).apply(live)
    alone = training(sgd, steps=6)
    remedy(key).apply(alone)
    users = StepLR(live.optimizer, step_size=2, gamma=0.5)
    seen: list[tuple[float, float]] = []
    for _ in range(4):
        for each in (live, alone):
            trained(each.model, each.optimizer, steps=1)
            assert each.scheduler is not None
            each.scheduler.step()
        users.step()
        seen.append((live.optimizer.param_groups[0]["lr"], alone.optimizer.param_groups[0]["lr"]))
    assert [one / other for one, other in seen] == pytest.approx([1, 0.5, 0.5, 0.25], rel=0.05)


def dip(rates: Sequence[float], at: float) -> list[float]:
    """The loss falls until the rate is reached, and then leaves."""
    return [3.0 - 0.02 * step if rate < at else 3.0 * rate / at for step, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("key", "other", "at"), [("raise-rate", "lower-rate", 1.0), ("lower-rate", "raise-rate", 1e-3)]
)
def test_a_range_test_finds_a_rate(key: str, other: str, at: float) -> None:
    live = training(grouped)
    live.rehearse = partial(dip, at=at)
    assert "a range test finds" in (remedy(f"{other}:range-test").refusal(live) or "")
    assert remedy(f"{key}:range-test").refusal(live) is None
    change = remedy(f"{key}:range-test").apply(live)
    first, second = (group["lr"] for group in live.optimizer.param_groups)
    assert first == pytest.approx(at / 10, rel=0.3) and second == pytest.approx(first / 15, rel=0.01)
    assert repr(first) in change.code.after


def test_between_the_usual_rate_and_that_of_a_range_test() -> None:
    live = training(sgd)
    usual, tested = 0.01, 1.0
    live.rehearse = partial(dip, at=10 * tested)
    for group in live.optimizer.param_groups:
        group["lr"] = 1e-6
    assert remedy("raise-rate:between").refusal(live) is None
    remedy("raise-rate:between").apply(live)
    assert live.optimizer.param_groups[0]["lr"] == pytest.approx((usual * tested) ** 0.5, rel=0.2)
    assert "half-way" in (remedy("raise-rate:between").refusal(live) or "")  # the rate is that already
    live.rehearse = partial(dip, at=10 * 3 * usual)
    assert "near the usual" in (remedy("raise-rate:between").refusal(live) or "")


def test_where_no_rate_can_be_found_it_says_why() -> None:
    live = training(sgd)
    assert "no batches are at hand" in (remedy("raise-rate:range-test").refusal(live) or "")
    live.rehearse = lambda rates: [2.3] * len(rates)
    assert "the loss falls at no rate" in (remedy("raise-rate:range-test").refusal(live) or "")
    live.rehearse = lambda rates: [float("nan")]
    assert "the loss falls at no rate" in (remedy("lower-rate:range-test").refusal(live) or "")
