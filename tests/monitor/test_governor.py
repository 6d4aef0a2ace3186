"""The account of what watching costs, on a clock of its own."""

from __future__ import annotations

import itertools
import math
import random
import sys

import pytest
import torch

from headwater.errors import InputError
from headwater.monitor import Monitor, Settings
from headwater.monitor.governor import (
    CALLED,
    COUNTED,
    EAGER,
    PATIENCE,
    SELDOM,
    SPENDABLE,
    Governor,
    Purse,
)
from headwater.monitor.rhythm import common_stride


class Training:
    """Simulated steps: each takes `plain` seconds, a probe `probe` more (half of it unseen), figures `figures`."""

    def __init__(self, *, budget: float, plain: float, probe: float, figures: float, noise: float, **other: float):
        self.now = 0.0
        self.governor = Governor(Settings(budget=budget, **other), clock=lambda: self.now)  # type: ignore[arg-type]
        self.plain, self.probe, self.figures, self.noise = plain, probe, figures, noise
        self.random = random.Random(0)
        self.spent, self.probed, self.steps = 0.0, list[int](), 0

    def _passes(self, seconds: float) -> None:
        self.now += seconds

    def run(self, steps: int) -> Training:
        for _ in range(steps):
            probes = self.governor.wants_probe(self.steps)
            measured = self.steps % self.governor.stride() == 0
            self.now += self.plain * math.exp(self.random.gauss(0.0, self.noise))
            if probes:
                self.now += 0.5 * self.probe  # slower forward and backward passes, which no code of ours can time
                self.probed.append(self.steps)
            cost = (0.5 * self.probe if probes else 0.0) + (self.figures if measured else 0.01 * self.figures)
            self.governor.bill(self._passes, cost)
            self.spent += cost + (0.5 * self.probe if probes else 0.0)
            self.governor.step_ended(probed=probes, measured=measured)
            self.steps += 1
        return self

    @property
    def share(self) -> float:
        return self.spent / self.now


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("plain", [1e-3, 0.1])
@pytest.mark.parametrize("budget", [0.01, 0.05])
def test_the_mean_cost_stays_inside_the_budget(budget: float, plain: float, noise: float) -> None:
    training = Training(budget=budget, plain=plain, probe=20 * plain, figures=0.02 * plain, noise=noise)
    training.run(20_000)
    assert training.share < 1.1 * budget
    assert len(training.probed) > 0.5 * SPENDABLE * budget * 20_000 / 2 / 20  # and is used, not saved up
    assert training.governor.spent == pytest.approx(training.spent, rel=0.25)


def test_the_first_probe_is_made_at_any_cost_and_the_next_when_it_is_paid_for() -> None:
    training = Training(budget=0.01, plain=0.01, probe=0.1, figures=1e-6, noise=0.0).run(60_000)
    assert training.probed[0] == 3
    # what it knows of a probe so far is three quarters of its cost: 0.175 s for two, half of what it may spend in 175 s
    assert training.probed[1] > 0.99 * 0.175 / (0.5 * SPENDABLE * 0.01) / 0.01
    gaps = [later - earlier for earlier, later in zip(training.probed[1:], training.probed[2:], strict=False)]
    one = 0.1 / (0.5 * SPENDABLE * 0.01) / 0.01  # steps in which half of the budget is a probe
    assert len(gaps) >= 4 and min(gaps) > 0.95 * one


def test_probes_before_any_plain_step_are_billed_in_full_later() -> None:
    training = Training(budget=0.01, plain=0.01, probe=0.1, figures=1e-6, noise=0.0, first=tuple(range(9)))  # type: ignore[arg-type]
    training.run(9)
    assert training.probed == list(range(9)) and training.spent == pytest.approx(0.9, rel=0.01)
    assert training.governor.spent == pytest.approx(0.45, rel=0.01)  # what our own code can time
    training.run(3)
    assert training.governor.spent == pytest.approx(0.9, rel=0.01)
    assert training.governor.probe_cost == pytest.approx(0.1, rel=0.1)
    training.run(20_000)
    assert training.share < 1.1 * 0.01


@pytest.mark.parametrize(("plain", "stride"), [(0.1, 17), (0.06, 51), (0.02, 152), (0.005, 610), (1e-4, SELDOM)])
def test_what_being_called_costs_comes_first(plain: float, stride: int) -> None:
    """Of 0.1 s steps a fifth of a per cent are 200 us: half of what being called (80 us) leaves of them is for figures.

    Where it leaves less than a third, a third is spent all the same.
    """
    now = [0.0]
    governor = Governor(Settings(), clock=lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    for step in range(2_000):
        now[0] += plain
        if step % 50:
            governor.rested(step, governor.now())
        else:
            governor.bill(passes, 1e-3)
            governor.step_ended(probed=False, measured=True)
    governor.charge(-governor.spent)  # no debt
    assert governor.stride() == pytest.approx(stride, rel=0.03, abs=1)


def test_steps_that_are_only_counted_are_on_the_account() -> None:
    now = [0.0]
    governor = Governor(Settings(), clock=lambda: now[0])
    governor.step_ended(probed=False, measured=False)
    for step in range(0, 1000, 10):
        now[0] += 0.1
        since, now[0] = governor.now(), now[0] + 1e-6
        governor.rested(step, since, 9)
    assert governor.spent == pytest.approx(100 * (1e-6 + CALLED + 9 * COUNTED))
    assert governor.step_seconds == pytest.approx(0.01, rel=1e-2)


def test_steps_that_were_only_counted_are_not_taken_for_a_long_one() -> None:
    now = [0.0]
    governor = Governor(Settings(), clock=lambda: now[0])
    for step in range(40):
        now[0] += 0.01
        governor.step_ended(probed=False, measured=step == 0)
    now[0] += 0.5  # 49 of them, and one that something woke
    governor.step_ended(probed=False, measured=False, slept=49)
    assert governor.step_seconds == pytest.approx(0.01, rel=1e-2)
    assert governor.spent == pytest.approx(49 * COUNTED)


def test_no_step_is_only_counted_that_is_to_be_probed() -> None:
    now = [0.0]
    governor = Governor(Settings(first=(3, 40)), clock=lambda: now[0])
    for step in range(5):
        now[0] += 0.001
        governor.step_ended(probed=step == 3, measured=True)
    assert governor.patience(5) == 40 - 5 - 1
    assert governor.patience(41) == pytest.approx(PATIENCE / 0.001, abs=2)


def test_what_is_spent_on_one_optimizer_is_not_billed_to_another() -> None:
    now, purse = [0.0], Purse()

    def passes(seconds: float) -> None:
        now[0] += seconds

    one, other = (Governor(Settings(), clock=lambda: now[0], purse=purse) for _ in range(2))
    for i in range(40):
        probed = i > 4 and i % 2 == 0  # every second step of the one, and none of the other
        for governor, dear in ((one, probed), (other, False)):
            now[0] += 1.0
            second = other if governor is one else one  # who is asked first pays
            governor.bill(second.bill, passes, 3.0 if dear else 0.0)
            governor.step_ended(probed=dear, measured=False)
    assert one.spent == pytest.approx(3.0 * 17 + 0.0) and other.spent == 0.0
    assert one.step_seconds == other.step_seconds == 2.0


def test_what_is_spent_once_is_part_of_the_bill() -> None:
    governor = Governor(Settings(), clock=lambda: 0.0)
    governor.charge(2.0)
    assert governor.spent == 2.0


def test_a_budget_that_changes_holds_from_then_on() -> None:
    now = [0.0]
    governor = Governor(Settings(budget=0.02), clock=lambda: now[0])
    governor.step_ended(probed=False, measured=False)
    governor.probe_cost = 0.45
    now[0] = 250.0  # a half of a fifth of 2 per cent of 250 s: 0.5 s
    assert governor.wants_probe(10)
    governor.share(0.0001)
    assert governor.wants_probe(10)
    governor.charge(1.0)
    now[0] = 590.0
    assert not governor.wants_probe(10)


def test_optimizers_that_come_and_go_divide_the_budget() -> None:
    models = [torch.nn.Linear(4, 2) for _ in range(3)]
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    monitor = Monitor({"0": models[0]}, optimizers[0], Settings(budget=0.03), keep=False)
    monitor.attach()
    for i in (1, 2):
        monitor.add(str(i), optimizers[i], {str(i): models[i]})
    assert [track.governor._budget for track in monitor.tracks] == pytest.approx([SPENDABLE * 0.01] * 3)
    optimizers.pop()
    assert [track.governor._budget for track in monitor.tracks] == pytest.approx([SPENDABLE * 0.015] * 2)
    monitor.detach()


def test_one_probe_in_so_many_seconds_is_made_at_any_cost() -> None:
    training = Training(budget=1e-9, plain=1.0, probe=5.0, figures=1e-9, noise=0.0, at_least_every=50.0).run(500)
    assert training.probed[0] == 3
    gaps = [later - earlier for earlier, later in zip(training.probed, training.probed[1:], strict=False)]
    assert len(gaps) >= 8
    assert all(45 <= gap <= 52 for gap in gaps)


def test_a_pause_of_the_training_is_not_billed() -> None:
    training = Training(budget=0.01, plain=0.01, probe=0.05, figures=1e-5, noise=0.0).run(100)
    before = training.governor.spent
    training.now += 3600.0  # an evaluation, inside a plain step
    training.run(1)
    assert training.governor.spent - before < 0.1
    while not training.governor.wants_probe(training.steps):
        training.run(1)
    before = training.governor.spent
    training.now += 3600.0  # and inside a probed one
    training.run(1)
    assert training.probed[-1] == training.steps - 1
    assert training.governor.spent - before < 0.1


def test_bills_inside_of_bills_count_once_and_also_when_something_is_raised() -> None:
    now = [0.0]
    governor = Governor(Settings(), clock=lambda: now[0])
    governor.step_ended(probed=False, measured=False)

    def passes() -> None:
        now[0] += 1.0

    def raises() -> None:
        passes()
        governor.bill(passes)
        raise KeyError

    with pytest.raises(KeyError):
        governor.bill(raises)
    assert governor.spent == 2.0
    governor.bill(passes)
    assert governor.spent == 3.0


def test_figures_are_spaced_when_they_cost_too_much() -> None:
    assert Training(budget=0.01, plain=1e-3, probe=1e-3, figures=2e-7, noise=0.1).run(200).governor.stride() == 1
    dear = Training(budget=0.01, plain=1e-3, probe=1e-3, figures=1e-4, noise=0.1).run(3000)
    assert 80 < dear.governor.stride() < 240  # a tenth of a step for a tenth of one per cent, or a part of it


def test_the_account_does_not_grow_where_each_step_is_itemised() -> None:
    training = Training(budget=math.inf, plain=1e-2, probe=1e-2, figures=1e-3, noise=0.0).run(100)
    before = sys.getallocatedblocks()
    training.run(2000)  # keeps the number of each probe: one block a step, the account would keep three more
    assert sys.getallocatedblocks() - before < 2 * 2000


def test_an_infinite_budget_measures_everything() -> None:
    training = Training(budget=math.inf, plain=1e-3, probe=1.0, figures=1.0, noise=0.0).run(10)
    assert training.probed == list(range(10))
    assert training.governor.stride() == 1


@pytest.mark.parametrize("wrong", [{"budget": 0.0}, {"budget": -1.0}, {"budget": math.nan}, {"at_least_every": 0.0}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Expected"):
        Settings(**wrong)  # type: ignore[arg-type]


def test_strides_of_different_ranks_meet_at_every_step_of_the_largest() -> None:
    strides = [common_stride(stride) for stride in range(1, 40)]
    assert all(stride <= common < 2 * stride for stride, common in enumerate(strides, 1))
    assert all(max(pair) % min(pair) == 0 for pair in itertools.product(strides, strides))


def test_a_closed_account_stays_as_it_is() -> None:
    training = Training(budget=0.01, plain=0.01, probe=0.1, figures=1e-6, noise=0.0).run(100)
    elapsed = training.governor.elapsed
    assert elapsed > 0
    training.governor.close()
    training.now += 1000.0
    training.governor.close()
    assert training.governor.elapsed == elapsed


@pytest.mark.parametrize(("figure", "seconds"), [(1e-3, EAGER), (5.4e-3, 1.5)])
def test_while_somebody_looks_on_figures_come_in_any_case_and_keep_to_their_part(figure: float, seconds: float) -> None:
    """5.4 milliseconds are 0.36 per cent of 1.5 seconds: 1.8 times what may be spent."""
    now, purse = [0.0], Purse()
    governor = Governor(Settings(), clock=lambda: now[0], purse=purse)

    def passes(duration: float) -> None:
        now[0] += duration

    for _ in range(40):
        now[0] += 5e-3
        governor.bill(passes, figure)
        governor.step_ended(probed=False, measured=True)
    governor.charge(100.0)  # probes at any cost have left a debt
    owing = governor.stride()
    purse.eager = True
    assert governor.stride() == pytest.approx(seconds / 5e-3, rel=0.02) and governor.stride() < owing


def test_while_somebody_looks_on_loss_and_rate_are_noted_often_however_dear_figures_are() -> None:
    now, purse = [0.0], Purse()
    governor = Governor(Settings(), clock=lambda: now[0], purse=purse)
    for _ in range(40):
        now[0] += 5e-3
        governor.step_ended(probed=False, measured=False)
    assert governor.beat() == 0
    purse.eager = True
    assert governor.beat() == pytest.approx(EAGER / 5e-3, abs=1)
    known, before = (governor.figure_cost, governor.idle_cost), governor.spent

    def passes() -> None:
        now[0] += 1e-3

    governor.bill(passes)
    governor.step_ended(probed=False, measured=False, noted=True)
    assert governor.spent == pytest.approx(before + 1e-3)
    assert (governor.figure_cost, governor.idle_cost) == known  # it says nothing about what these cost
