"""Models and training loops of all kinds: watched, and trained as without."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from tests.monitor.training import Start, assert_identical, batch, hooks, mlp

STEPS = 6


def _fit(start: Start, model: nn.Module, steps: int = STEPS) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    start(model, optimizer)
    for _ in range(steps):
        inputs, targets = batch()
        optimizer.zero_grad()
        outputs = model(inputs)
        F.cross_entropy(outputs["logits"] if isinstance(outputs, dict) else outputs, targets).backward()
        optimizer.step()


class Checkpointed(nn.Module):
    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(4, 8), mlp(8), nn.Linear(2, 2)
        self.middle = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 2))
        self.reentrant = reentrant

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.last(checkpoint(self.middle, self.first(inputs), use_reentrant=self.reentrant))


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant: bool) -> None:
    seen = assert_identical(lambda start: _fit(start, Checkpointed(reentrant=reentrant)))
    assert seen.probes() == STEPS
    assert "HW601" not in seen.codes and "HW606" not in seen.codes
    measured = seen.monitor.tracks[0].measured
    assert measured is not None
    if not reentrant:  # a reentrant one is one operation, whose inside is built in the backward pass
        assert {"first", "middle.0", "middle.3", "last"} <= {layer.name for layer in measured.layers}


@pytest.mark.parametrize("wide", [False, True])
def test_targets_are_known_where_the_loss_compares_them_number_by_number(wide: bool) -> None:
    targets = 2e4 + 1e3 * torch.randn(8, 1)

    def train(start: Start) -> None:
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, _ = batch()
            optimizer.zero_grad()
            outputs = model(inputs)
            F.mse_loss(*torch.broadcast_tensors(outputs, targets.T) if wide else (outputs, targets)).backward()
            optimizer.step()

    seen = assert_identical(train)
    measured = seen.monitor.tracks[0].measured
    assert measured is not None
    assert measured.head.target_mean == (None if wide else pytest.approx(float(targets.mean())))
    assert ("HW605" in seen.codes) is not wide


def test_data_parallel() -> None:
    seen = assert_identical(lambda start: _fit(start, nn.DataParallel(mlp())))
    assert seen.probes() == STEPS
    assert "0.weight" in seen.steps[0].gradients


def test_dict_outputs() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()

        def forward(self, inputs: torch.Tensor) -> Any:
            return {"logits": self.net(inputs), "hidden": None}

    assert assert_identical(lambda start: _fit(start, Named())).probes() == STEPS


def test_a_submodule_is_replaced_and_one_is_added_between_steps() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        for i in range(2 * STEPS):
            if i == 3:
                model[-1] = nn.Linear(8, 2)
            if i == 6:
                model.append(nn.Linear(2, 2))
                optimizer.add_param_group({"params": model[-1].parameters()})
            inputs, targets = batch()
            optimizer.zero_grad()
            outputs = model(inputs)
            if i == 8:
                model.append(nn.Linear(2, 2))  # after the forward pass, and held by no optimizer
            F.cross_entropy(outputs, targets).backward()
            optimizer.step()

    seen = assert_identical(train)
    assert seen.probes() >= 2
    assert "HW606" in seen.codes


def test_two_optimizers_of_a_gan() -> None:
    def train(start: Start) -> None:
        maker, critic = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4)), mlp(out=1)
        of_maker = torch.optim.Adam(maker.parameters(), lr=1e-3)
        of_critic = torch.optim.Adam(critic.parameters(), lr=1e-3)
        start({"maker": maker, "critic": critic}, {"maker": of_maker, "critic": of_critic})
        for _ in range(STEPS):
            real, _ = batch()
            fake = maker(torch.randn(8, 2))
            of_critic.zero_grad()
            loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
            loss.backward()
            of_critic.step()
            of_maker.zero_grad()
            verdict = 10.0 + F.softplus(-critic(fake)).mean()  # 10: to tell the losses apart
            verdict.backward()
            of_maker.step()

    seen = assert_identical(train)
    assert all((step.loss or 0.0) > 10 for step in seen.figures["maker"])
    assert all((step.loss or 20.0) < 10 for step in seen.figures["critic"])
    assert "HW606" not in seen.codes
    by_name = {track.name: track.measured for track in seen.monitor.tracks}
    for name, high in (("maker", True), ("critic", False)):
        measured = by_name[name]
        assert measured is not None, name
        assert all((record.loss > 10) == high for record in measured.steps)
    assert "maker.0.weight" in seen.figures["maker"][0].gradients


def test_evaluation_between_steps_is_not_taken_for_training() -> None:
    def train(start: Start, *, evaluates: bool = True) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        for _ in range(STEPS):
            if evaluates:
                model.eval()
                with torch.no_grad():
                    for _ in range(3):
                        model(torch.ones(50, 4))
                model.train()
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    with_it = assert_identical(train).monitor.tracks[0].measured
    without = assert_identical(lambda start: train(start, evaluates=False)).monitor.tracks[0].measured
    assert with_it is not None and without is not None
    assert with_it.layers == without.layers
    assert with_it.profile == without.profile
    assert with_it.batch_size == without.batch_size == 8


def test_a_policy_is_called_many_times_before_one_backward_pass() -> None:
    def train(start: Start) -> None:
        policy = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
        start(policy, optimizer)
        for _ in range(STEPS):
            terms: list[torch.Tensor] = []
            state = torch.zeros(4)
            for _ in range(40):
                chances = torch.distributions.Categorical(logits=policy(state))
                action = chances.sample()
                terms.append(-chances.log_prob(action) * float(action))
                state = torch.randn(4)
            optimizer.zero_grad()
            torch.stack(terms).sum().backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def test_a_loss_that_does_not_depend_on_the_model() -> None:
    def train(start: Start) -> None:
        model, other = mlp(), nn.Linear(4, 2)
        optimizer = torch.optim.SGD([*model.parameters(), *other.parameters()], lr=0.05)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(other(inputs), targets).backward()
            optimizer.step()

    seen = assert_identical(train)
    assert seen.probes() == 0
    assert all(step.gradients["0.weight"] is None for step in seen.steps)


def test_functional_call() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        for _ in range(STEPS):
            inputs, targets = batch()
            optimizer.zero_grad()
            doubled = {name: 2.0 * p for name, p in model.named_parameters()}
            F.cross_entropy(torch.func.functional_call(model, doubled, (inputs,)), targets).backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


@pytest.mark.parametrize("per_sample", [False, True])
def test_gradients_from_torch_func_have_figures_and_no_probe(per_sample: bool) -> None:
    def train(start: Start) -> None:
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)

        def objective(weights: dict[str, torch.Tensor], inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(torch.func.functional_call(model, weights, (inputs,)), targets)

        gradients = torch.func.grad(objective)
        for _ in range(STEPS):
            weights = {name: p.detach() for name, p in model.named_parameters()}
            if per_sample:
                found = torch.func.vmap(gradients, in_dims=(None, 0, 0))(weights, *batch())
                found = {name: each.mean(dim=0) for name, each in found.items()}
            else:
                found = gradients(weights, *batch())
            for name, p in model.named_parameters():
                p.grad = found[name]
            optimizer.step()

    seen = assert_identical(train)
    assert seen.probes() == 0
    assert all((step.gradients["0.weight"] or 0.0) > 0 for step in seen.steps)


def test_gradient_penalty() -> None:
    def train(start: Start) -> None:
        critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
        start(critic, optimizer)
        for _ in range(STEPS):
            inputs = batch()[0].requires_grad_()
            outputs = critic(inputs)
            (slope,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
            optimizer.zero_grad()
            (outputs.mean() + (slope.norm(dim=1) - 1).square().mean()).backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def test_a_loader_with_workers() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        start(model, optimizer)
        data = TensorDataset(torch.randn(24, 4), torch.arange(24) % 2)
        for inputs, targets in DataLoader(data, batch_size=4, shuffle=True, num_workers=2):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    assert assert_identical(train).probes() == STEPS


def test_a_copy_and_a_file_of_the_model_hold_nothing_of_ours() -> None:
    def train(start: Start) -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        seen = start(model, optimizer)
        for _ in range(STEPS):
            best = copy.deepcopy(model), copy.deepcopy(optimizer)
            file = io.BytesIO()
            torch.save(model, file)
            assert b"headwater" not in file.getvalue() and b"headwater" not in pickle.dumps(model)
            file.seek(0)
            again = torch.load(file, weights_only=False)
            calls = seen.monitor.tracks[0]._probe._probe._owners.calls if seen else {}
            before = dict(calls)
            assert torch.equal(best[0].eval()(torch.ones(2, 4)), again.eval()(torch.ones(2, 4)))
            assert dict(calls) == before
            assert not [value for key, value in hooks(*best).items() if key.startswith("hooks optimizer") and value]
            inputs, targets = batch()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    assert_identical(train)
