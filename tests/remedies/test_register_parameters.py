from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, Optimizer

from headwater.errors import RemedyError
from headwater.records import Change
from headwater.remedies import Training, remedy
from tests.builders import measurement
from tests.remedies.rewriting import case, executed, remedied
from tests.remedies.trainings import codes

REMEDY = remedy("register-parameters")


class Lists(nn.Module):
    """A network that keeps its layers as people do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Linear(3, 3)
        self.layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
        self.heads = {"a": nn.Linear(3, 2), "b": nn.Linear(3, 2)}
        self.scales = (nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3)))
        self.order = [self.stem]  # known to the module under another name
        self.shapes = [3, 3]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, scale in zip(self.layers, self.scales, strict=True):
            x = scale * layer(self.order[0](x)).tanh()
        return self.heads["a"](x) + self.heads["b"](x)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Lists()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def training(model: nn.Module, kind: type = SGD) -> Training:
    return Training(model, kind(model.parameters(), lr=0.1), measurement(), (), 10)


def trained(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("make", [Lists, Outer])
def test_layers_in_lists_and_dicts_are_trained(make: type[nn.Module]) -> None:
    live = training(make())
    assert REMEDY.refusal(live) is None
    change = REMEDY.apply(live)
    assert len(change.places) == 2 * 2 + 2 * 2 + 2
    assert "order" not in "".join(change.places)
    optimizer = compared(live, change, make())
    assert len(optimizer.param_groups) == 1  # built behind the lists, it misses nothing


def compared(live: Training, change: Change, model: nn.Module) -> Optimizer:
    """Trains with what was changed live, which must move, and a fresh model by the code: both end alike."""
    before = {name: tensor.clone() for name, tensor in live.model.state_dict().items()}
    after = trained(live.model, live.optimizer)
    assert all(not torch.equal(before[name], after[name]) for name in change.places)
    exec("import torch", names := {"net": model})
    exec(change.code.before.replace("{model}", "net"), names)
    optimizer = executed(type(change.code)(after=change.code.after), model, SGD(model.parameters(), lr=0.1))
    written = trained(model, optimizer)
    assert all(torch.equal(after[name], written[name]) for name in after)
    return optimizer


class Heads(nn.Module):
    """Heads by number and by names that no module can bear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Linear(3, 3)
        self.by_number = {2: nn.Linear(3, 2), 7: nn.Linear(3, 2)}
        self.by_path = {"a.b": nn.Linear(3, 2), "keys": nn.Linear(3, 2)}
        self.scales = {0: nn.Parameter(torch.ones(2))}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).tanh()
        return self.scales[0] * sum(head(x) for heads in (self.by_number, self.by_path) for head in heads.values())


def test_a_dict_whose_keys_are_no_names_of_modules_stays() -> None:
    live = training(Heads())
    change = REMEDY.apply(live)
    assert len(change.places) == 4 * 2 + 1
    assert list(live.model.by_number) == [2, 7]  # type: ignore[call-overload]
    compared(live, change, Heads())


def test_parameters_of_the_model_that_are_in_no_group_get_one() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    model[2].bias.requires_grad_(False)
    live = Training(model, Adam(model[1].parameters(), lr=0.1, betas=(0.5, 0.6)), measurement(), (), 10)
    change = REMEDY.apply(live)
    assert change.places == ("0.weight", "0.bias", "2.weight")
    assert live.optimizer.param_groups[1]["betas"] == (0.5, 0.6)
    assert REMEDY.refusal(live) is not None
    optimizer = executed(change.code, model, Adam(model[1].parameters(), lr=0.1))
    assert [id(p) for p in optimizer.param_groups[1]["params"]] == [
        id(p) for p in live.optimizer.param_groups[1]["params"]
    ]


def test_nothing_to_add_is_an_error() -> None:
    live = training(nn.Linear(3, 1))
    assert REMEDY.refusal(live) is not None
    with pytest.raises(RemedyError, match="does not hold"):
        REMEDY.apply(live)


def test_adagrad_takes_no_parameters_later() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    live = Training(model, Adagrad(model[1].parameters()), measurement(), (), 10)
    assert "Adagrad" in (REMEDY.refusal(live) or "")


@pytest.mark.parametrize("name", ["optimizer-over-head-mlp", "layers-in-python-list"])
def test_the_finding_goes_away(name: str) -> None:
    problem, live = case(name)
    assert "HW606" in codes(live.findings)
    REMEDY.apply(live)
    assert "HW606" not in codes(remedied(problem, live))
