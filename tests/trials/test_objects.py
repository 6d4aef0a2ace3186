"""A trial is a pure function: the same numbers whenever and however it runs."""

from __future__ import annotations

import math
import random
from functools import partial
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from headwater.trials import Trial, materialised
from headwater.trials.objects import SCREENING
from tests.trials.small import adam, network, regression, squared_error, workload


def test_the_same_trial_gives_the_same_numbers():
    work = workload(validation=regression(2))
    first = work.run(Trial((), seed=3, steps=12))
    torch.manual_seed(99)
    again = workload(validation=regression(2)).run(Trial((), seed=3, steps=12))
    assert first.losses == again.losses and first.held_out == again.held_out
    assert first.losses != work.run(Trial((), seed=4, steps=12)).losses


def test_its_losses_are_those_of_a_plain_loop():
    found = workload().run(Trial((), seed=3, steps=12))
    torch.manual_seed(3)
    model = network()
    optimizer = adam(model.parameters())
    losses: list[float] = []
    for inputs, targets in (regression() * 2)[:12]:
        optimizer.zero_grad()
        loss = squared_error(model(inputs), targets)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert found.losses == tuple(losses)


def test_tiny_numbers_count_as_zero_while_it_trains_and_no_longer():
    seen: list[bool] = []

    def is_flushed() -> bool:
        return not torch.full((), 1e-310, dtype=torch.float64).mul(1.0)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(is_flushed())
        return squared_error(outputs, targets)

    workload(loss_fn=loss).run(Trial((), seed=0, steps=2))
    assert seen[-2:] == [True, True] and not is_flushed()


def seeded(kind: str) -> nn.Module:
    """A network that seeds itself before it draws its weights, in one of the usual ways."""
    if kind == "torch":
        torch.manual_seed(7)
        return network()
    if kind == "python":
        random.seed(7)
        torch.random.manual_seed(random.randrange(1000))
        return network()
    model = network()
    draw = np.random.default_rng(7) if kind == "generator" else np.random
    if kind == "numpy":
        np.random.seed(7)
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.from_numpy(draw.normal(size=tuple(each.shape))))
    return model


@pytest.mark.parametrize("kind", ["torch", "python", "numpy", "generator"])
def test_a_factory_that_seeds_itself_draws_other_weights_for_each_seed(kind: str):
    work = workload(partial(seeded, kind))
    own = work.run(Trial((), 0, 4)).losses
    assert own == work.run(Trial((), 0, 4)).losses
    torch.manual_seed(5)
    model = seeded(kind)
    inputs, targets = regression()[0]
    assert own[0] == squared_error(model(inputs), targets).item()  # under seed 0 it is the user's own
    others = [work.run(Trial((), 1, 4)).losses, work.run(Trial((), 0, 4, control=True)).losses]
    assert len({own, *others}) == 3
    before = torch.manual_seed, torch.random.manual_seed, random.seed, np.random.seed, np.random.default_rng
    work.run(Trial((), 1, 1))
    assert before == (torch.manual_seed, torch.random.manual_seed, random.seed, np.random.seed, np.random.default_rng)


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))


def shuffled() -> DataLoader[Any]:
    inputs, targets = (torch.cat(parts) for parts in zip(*regression(), strict=True))
    return DataLoader(TensorDataset(inputs, targets), batch_size=16, shuffle=True)


def test_a_trial_that_goes_on_ends_where_one_from_the_start_does():
    """Dropout, shuffling and an optimizer with a state: all of it has to be picked up where it was."""
    trial = Trial((), seed=0, steps=20, horizon=20)
    whole = workload(dropping, batches=shuffled()).run(trial)
    work = workload(dropping, batches=shuffled(), validation=regression(1))
    work.run(Trial((), seed=0, steps=7, horizon=20))
    work.run(Trial((), seed=1, steps=7, horizon=20))
    torch.rand(3)
    going_on = work.run(trial)
    assert going_on.losses == whole.losses
    assert (going_on.spent, whole.spent) == (13, 20)


class Noisy(nn.Module):
    """Draws random numbers in evaluation mode as well."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x + 0.1 * torch.randn_like(x))


def test_an_evaluation_draws_nothing_that_the_training_draws():
    trial = Trial((), seed=0, steps=20, horizon=20)
    held_out = regression(2)
    whole = workload(Noisy, validation=held_out).run(trial)
    work = workload(Noisy, validation=held_out)
    early = work.run(Trial((), seed=0, steps=7, horizon=20))
    assert work.run(trial).losses == whole.losses
    assert work.run(Trial((), seed=0, steps=7, horizon=20)).held_out == early.held_out


def test_an_evaluation_draws_the_same_for_all_candidates():
    seen: list[float] = []

    def score(*_: Any) -> float:
        seen.append(float(torch.rand(())))
        return 0.0

    work = workload(dropping, validation=regression(1), score=score)
    fields: list[dict[str, Any]] = [{"seed": 0}, {"seed": 0, "control": True}, {"seed": 1}]
    for each in fields:
        work.run(Trial((), steps=3, **each))
    work.run(Trial(("match-shapes",), 0, 3))
    work.run(Trial((), 0, 4))
    assert len(seen) == 5 and seen[0] == seen[1] == seen[3] and len(set(seen)) == 3


def test_a_pickled_workload_gives_the_same_numbers():
    work = workload(dropping, batches=shuffled())
    twin = cloudpickle.loads(cloudpickle.dumps(work))
    assert twin.run(Trial((), 0, 10)).losses == work.run(Trial((), 0, 10)).losses


def test_every_network_of_a_seed_sees_the_same_batches_in_an_order_of_the_seed():
    seen: list[list[float]] = []

    def step(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        seen[-1].append(float(batch[1].sum()))
        return squared_error(model(batch[0]), batch[1])

    def orders(make_model: Any, **fields: Any) -> list[float]:
        seen.append([])
        workload(make_model, batches=shuffled(), loss_fn=None, step=step).run(Trial((), steps=16, **fields))
        return seen[-1]

    order = orders(network, seed=0)
    assert len(order) == 16 and order[:8] != order[8:]  # shuffled anew in the second epoch
    assert orders(dropping, seed=0) == order
    assert orders(network, seed=0, control=True) == order
    assert orders(network, seed=1) != order


def test_the_control_differs_by_its_initial_weights_only():
    work = workload()
    original, control = work.run(Trial((), 0, 8)), work.run(Trial((), 0, 8, control=True))
    assert original.losses[0] != control.losses[0]
    assert control.control and not original.control


def test_random_numbers_of_the_caller_stay_as_they_were():
    work = workload(dropping, batches=shuffled())
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    work.run(Trial((), 0, 5))
    work.screen(())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()


def test_a_remedy_is_applied_and_told():
    result = workload().run(Trial(("match-shapes",), 0, 100))
    assert [change.remedy for change in result.changes] == ["match-shapes"]
    assert result.level < 0.1 * workload().run(Trial((), 0, 100)).level


def test_a_range_test_leaves_no_trace_but_the_rate_that_is_written():
    def fitting() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))

    def slow(parameters: Any, rate: float = 1e-5) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9)

    work = workload(fitting, batches=shuffled(), optimizer=slow)
    looked = work.screen(("raise-rate:range-test",))
    assert looked.standing == "passed" and SCREENING < looked.spent <= SCREENING + 100
    assert work.screen(("lower-rate:range-test",)).standing == "refused"
    results = [work.run(Trial(("raise-rate:range-test",), seed, 30)) for seed in (0, 1)]
    said = {each.changes[0].says for each in results}
    assert len(said) == 1  # what is proved with every seed is the number that is written
    rate = float(next(iter(said)).split()[4].strip(","))
    for seed, result in enumerate(results):
        plain = workload(fitting, batches=shuffled(), optimizer=partial(slow, rate=rate)).run(Trial((), seed, 30))
        assert result.losses == plain.losses
        assert result.spent == plain.spent == 30  # what was rehearsed is known
    assert results[0].level < work.run(Trial((), 0, 30)).level / 2


def test_steps_that_a_function_takes_to_pretrain_its_network_are_not_those_of_the_search():
    def pretrained() -> nn.Module:
        model = network()
        optimizer = adam(model.parameters())
        for inputs, targets in (regression() * 10)[:50]:
            optimizer.zero_grad()
            squared_error(model(inputs), targets).backward()
            optimizer.step()
        return model

    plain, work = workload(), workload(pretrained)
    for remedies in (("clip-gradient",), ("raise-rate:range-test",), ("no-such-remedy",)):
        assert work.screen(remedies).spent == plain.screen(remedies).spent
    assert work.screen(("clip-gradient",)).spent == SCREENING
    assert work.run(Trial((), 0, 5)).spent == 5


def test_a_training_that_leaves_the_finite_numbers_ends_there():
    def wild(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e6)

    result = workload(optimizer=wild).run(Trial((), 0, 500))
    assert result.lost and result.error is None and result.level == math.inf
    assert len(result.losses) == result.spent < 500 and not math.isfinite(result.losses[-1])


def test_code_that_refuses_what_is_no_number_tells_of_a_training_that_diverged():
    def refusing(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = squared_error(outputs, targets)
        assert torch.isfinite(loss), "the loss is gone"
        return loss

    wild = partial(torch.optim.SGD, lr=1e6)
    result = workload(loss_fn=refusing, optimizer=wild).run(Trial((), 0, 500))
    assert result.lost and result.error is None and math.isnan(result.losses[-1])


def test_what_the_users_code_raises_is_told_and_no_more():
    def refuses() -> nn.Module:
        raise RuntimeError("no weights today")

    result = workload(refuses).run(Trial((), 0, 5))
    assert result.lost and result.error == "RuntimeError: no weights today"
    assert workload(refuses).screen(()).standing == "failed"


def test_held_out_batches_are_evaluated_in_evaluation_mode():
    modes: list[bool] = []

    def watched() -> nn.Module:
        model = dropping()
        model.register_forward_hook(lambda module, *_: modes.append(module.training))
        return model

    def score(model: nn.Module, batch: tuple[Tensor, Tensor]) -> float:
        return -float(squared_error(model(batch[0]).squeeze(-1), batch[1]))

    result = workload(watched, validation=regression(2), score=score).run(Trial((), 0, 3))
    assert modes == [True] * 3 + [False] * 4
    assert len(result.held_out) == len(result.scores) == 2
    assert result.score == pytest.approx(sum(result.scores) / 2)


def test_the_profile_is_measured_where_it_is_asked_for_and_changes_nothing():
    plain, looked = (workload(dropping).run(Trial((), 0, 6, horizon=9, profile=each)) for each in (False, True))
    assert plain.profile is None and looked.profile is not None
    assert [point.name for point in looked.profile.points] == ["0", "3"]
    work = workload(dropping)
    work.run(Trial((), 0, 6, horizon=9, profile=True))
    assert work.run(Trial((), 0, 9)).losses == workload(dropping).run(Trial((), 0, 9)).losses


def test_the_model_may_come_with_its_optimizer():
    def both() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = network()
        return model, adam(model.parameters())

    pair = workload(both, optimizer=None).run(Trial((), 0, 6))
    assert pair.losses == workload().run(Trial((), 0, 6)).losses


def test_an_iterator_is_read_once_and_a_loader_again_and_again():
    batches = regression(3)
    assert materialised(iter(batches), 2) == batches[:2]
    assert materialised(batches, 2) == batches
    assert materialised(batches[0], 2) == [batches[0]]
    loader = shuffled()
    assert isinstance(materialised(loader, 2), DataLoader)


def test_what_is_told_is_the_first_error_though_the_weights_cannot_be_read_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind an assertion that failed on a GPU whatever is asked of it raises."""

    def first(_outputs: Tensor, _targets: Tensor) -> Tensor:
        raise ValueError("mine")

    def second(_: Any) -> Tensor:
        raise RuntimeError("CUDA error: device-side assert triggered")

    work = workload(loss_fn=first)
    monkeypatch.setattr(torch, "isfinite", second)
    error = work.run(Trial((), 0, 4)).error
    assert error is not None and "ValueError: mine" in error and "CUDA" not in error
