from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import headwater
from headwater.errors import InputError, ModelError, OptimizerError
from headwater.records import SourceLine
from headwater.trials.engines import Inline
from tests.trials.small import adam, network, regression, squared_error


def fixed(make_model: Any = network, **arguments: Any) -> Any:
    given = {"optimizer": adam, "validation": regression(4), "steps": 80, "engine": Inline()} | arguments
    return headwater.fix(make_model, regression(), squared_error, **given)


def test_a_broadcast_target_is_mended_and_the_mended_training_is_handed_over():
    result = fixed()
    assert result.verdict == "fixed" and result.best is not None
    assert "match-shapes" in result.best.remedies
    assert result.best.effect is not None and result.best.effect > 0.5
    assert result.best.p_value is not None and result.best.p_value < 0.05
    model, optimizer, scheduler = result.build()
    inputs, targets = regression(1)[0]
    assert model(inputs).shape == targets.shape
    assert isinstance(optimizer, torch.optim.Adam) and scheduler is None
    assert "match-shapes" in result.to_json() and "match-shapes" in result.to_html()
    assert repr(result).startswith("<FixResult: fixed, ") and result._repr_html_().startswith("<iframe")


def test_a_loss_without_a_lower_bound_is_mended_and_not_driven_down():
    """The negative log-likelihood of raw outputs falls for ever; judged by what they say, the mended one is ahead."""

    def classifier() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))

    draw = torch.Generator().manual_seed(0)
    inputs = [torch.randn(32, 4, generator=draw) for _ in range(12)]
    batches = [(x, x[:, :3].argmax(1)) for x in inputs]
    for validation in (None, batches[8:]):
        result = headwater.fix(
            classifier, batches[:8], nn.NLLLoss(), optimizer=adam, validation=validation, steps=80, engine=Inline()
        )
        assert result.best is not None and "match-loss:log-softmax" in result.best.remedies
        raced = [each for each in result.candidates if each.trials]
        assert raced and all("match-loss:log-softmax" in each.remedies for each in raced)
        assert "judged by its loss on the log-softmax of its outputs" in result.record.reason
        assert all(loss > 0 for trial in result.record.original for loss in (*trial.losses, *trial.held_out))


def test_trials_in_other_processes_end_alike():
    here, there = fixed().candidates, fixed(engine="local", workers=1).candidates
    assert [each.remedies for each in here] == [each.remedies for each in there]
    pairs = [
        pair for ours, theirs in zip(here, there, strict=True) for pair in zip(ours.trials, theirs.trials, strict=True)
    ]
    assert pairs and all(ours.losses == theirs.losses and ours.held_out == theirs.held_out for ours, theirs in pairs)


@pytest.mark.usefixtures("code_in_files")
def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    def goes_on(**changes: Any) -> int:
        return fixed(steps=20, seeds=2, trials=tmp_path, **changes).record.steps_spent

    whole, looks = goes_on(), goes_on()
    assert looks < whole - 100  # the diagnosis, and a look at each candidate
    assert goes_on(validation=regression(3)) > looks + 100
    assert goes_on(optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.03)) > looks + 100


def test_its_diagnosis_counts_and_what_a_function_trains_beforehand_does_not(monkeypatch: pytest.MonkeyPatch):
    def pretrained() -> nn.Module:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        for _ in range(40):
            optimizer.step()
        return model

    told: list[int] = []
    module = sys.modules["headwater.fix"]
    search = module.search

    def searched(*given: Any, diagnosed: int, **more: Any) -> Any:
        told.append(diagnosed)
        return search(*given, diagnosed=diagnosed, **more)

    monkeypatch.setattr(module, "search", searched)
    spent = [fixed(each, steps=20).record.steps_spent for each in (network, pretrained)]
    assert spent[0] == spent[1] and told[0] == told[1] >= 8


def test_a_healthy_network_is_left_in_peace():
    def healthy() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))

    result = fixed(healthy)
    assert result.verdict == "healthy" and result.best is None
    assert result.record.steps_spent == 0 and result.candidates == ()
    assert repr(result) == "<FixResult: healthy>"
    model, *_ = result.build(seed=4)
    torch.manual_seed(4)
    twin = healthy()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_where_seeds_change_nothing_nothing_is_proved():
    """Its weights come from a generator of its own, which no trial can shift."""

    def always_the_same() -> nn.Module:
        model, draw = network(), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for each in model.parameters():
                each.copy_(torch.randn(each.shape, generator=draw) / 2)
        return model

    result = fixed(always_the_same)
    assert result.verdict == "nothing helped" and result.best is None
    tried = next(each for each in result.candidates if "match-shapes" in each.remedies)
    assert tried.standing == "no better" and "seeds prove nothing" in tried.why


def test_where_nothing_helps_it_says_so():
    """The targets are noise: no change to the training can learn them."""

    def noise() -> list[tuple[Tensor, Tensor]]:
        draw = torch.Generator().manual_seed(1)
        return [(torch.randn(16, 4, generator=draw), torch.randn(16, generator=draw)) for _ in range(12)]

    result = headwater.fix(
        network, noise()[:6], squared_error, optimizer=adam, validation=noise()[6:], steps=60, engine=Inline()
    )
    assert result.verdict == "nothing helped" and result.best is None
    assert all(each.standing != "recommended" for each in result.candidates)


def test_the_line_that_builds_the_optimizer_is_known():
    def both() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = network()
        return model, torch.optim.Adam(model.parameters(), lr=0.02)

    line = both.__code__.co_firstlineno + 2
    result = fixed(both, optimizer=None)
    assert result.workload.optimizer_built == SourceLine(__file__, line)
    assert f"+++ {__file__}" in result.diff or Path(__file__).name in result.diff
    assert any(row.startswith("+") and "register_forward_hook" in row for row in result.diff.splitlines())


class Headed(nn.Module):
    """Has layers of its own on top of one that it was given."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, nn.Sequential(nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def test_what_is_frozen_may_be_shared_by_all_models():
    frozen = nn.Linear(4, 8).requires_grad_(False)
    assert fixed(lambda: Headed(frozen)).verdict in ("fixed", "nothing helped")


ONE, BODY = network(), nn.Linear(4, 8)


def wrong_pair() -> Any:
    return network(), "adam"


@pytest.mark.parametrize(
    ("make_model", "arguments", "error", "says"),
    [
        (network(), {}, InputError, "pass a function that builds the model anew"),
        (network, {"optimizer": adam(network().parameters())}, OptimizerError, "as a function of the parameters"),
        (network, {"validation": None, "score": lambda *_: 1.0}, InputError, "pass validation="),
        (network, {"steps": 0}, InputError, "Expected steps as a whole number"),
        (network, {"steps": True}, InputError, "Expected steps as a whole number of at least 1, got True"),
        (network, {"seeds": "3"}, InputError, "Expected seeds as a whole number of at least 1, got '3'"),
        (network, {"engine": "spark"}, InputError, "Expected engine as one of local, ray, dask"),
        (network, {"address": "127.0.0.1:1"}, InputError, "The local engine has no address"),
        (lambda: ONE, {}, InputError, "Expected make_model to build the model anew each time"),
        (lambda: Headed(BODY), {}, InputError, "(body.weight and others)"),
        (lambda: "model", {}, ModelError, "Expected make_model() to return"),
        (wrong_pair, {"optimizer": None}, InputError, "got (Sequential, str)"),
    ],
)
def test_what_cannot_be_used_is_said(make_model: Any, arguments: dict[str, Any], error: type[Exception], says: str):
    arguments = {"engine": "local", **arguments}
    with pytest.raises(error) as raised:
        fixed(make_model, **arguments)
    assert says.lower() in str(raised.value).lower()
