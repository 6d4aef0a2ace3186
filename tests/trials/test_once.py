"""A loss and a score of one batch cost one forward pass, and see what they would have seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headwater.trials import Trial
from headwater.trials.once import asked_once
from tests.trials.small import network, regression, workload


class Counting(nn.Module):
    """Counts its calls."""

    def __init__(self, forward: Callable[..., Any] = lambda x, **_: 2 * x) -> None:
        super().__init__()
        self.calls = 0
        self._forward = forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self._forward(*args, **kwargs)


def calls(*inputs: Any, forward: Callable[..., Any] = lambda x, **_: 2 * x) -> int:
    model = Counting(forward)
    with asked_once(model), torch.no_grad():
        for each in inputs:
            model(each)
    return model.calls


X = torch.arange(4.0)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (X, 1),
        (X.clone(), 1),
        (X + 1, 2),
        (X[:2], 2),
        (X.double(), 2),
        (None, 2),
    ],
)
def test_equal_inputs_are_answered_once(second: Any, expected: int) -> None:
    assert calls(X, second, forward=lambda _: torch.ones(2)) == expected
    assert calls((X, [X]), (second, [second]), forward=lambda _: torch.ones(2)) == expected
    assert calls({"x": X}, {"x": second}, forward=lambda _: torch.ones(2)) == expected


def test_only_the_last_call_counts_and_nan_equals_nothing() -> None:
    assert calls(X, X + 1, X) == 3
    nan = torch.tensor([float("nan")])
    assert calls(nan, nan.clone()) == 2
    assert calls({"x": X}, {"y": X}, forward=lambda _: X) == 2
    assert calls(X, X, forward=lambda _: "no tensor, so nobody can tell whether it was changed") == 2


def test_what_was_written_into_is_computed_again() -> None:
    model = Counting()
    with asked_once(model), torch.no_grad():
        model(X).zero_()
        assert torch.equal(model(X), 2 * X)
        with torch.inference_mode():
            assert torch.equal(model(X), 2 * X)
    assert model.calls == 2


def test_a_model_that_writes_into_its_inputs_is_asked_again() -> None:
    model = Counting(lambda x: x.add_(1))
    given = X.clone()
    with asked_once(model), torch.no_grad():
        assert torch.equal(model(given.clone()), X + 1)
        assert torch.equal(model(given), X + 1)


@pytest.mark.parametrize("own", [None, lambda x: x - 1])
def test_afterwards_the_model_is_as_it_was(own: Callable[..., Any] | None) -> None:
    model = network()
    if own is not None:
        model.forward = own
    before = dict(vars(model))
    with pytest.raises(RuntimeError), asked_once(model):
        raise RuntimeError
    assert vars(model) == before


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_model_is_left_alone() -> None:
    model = torch.jit.script(nn.Linear(4, 2))
    with asked_once(model):
        assert model(X).shape == (2,)


def test_an_evaluation_runs_the_model_once_for_each_batch() -> None:
    made: list[Counting] = []

    class Net(Counting):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()
            self._forward = self.inner.forward

    def make() -> nn.Module:
        made.append(Net())
        return made[-1]

    def score(model: nn.Module, batch: tuple[Tensor, Tensor]) -> float:
        return -float((model(batch[0]) - batch[1]).square().mean())

    result = workload(make, validation=regression(2), score=score).run(Trial((), 0, 3))
    assert made[-1].calls == 3 + 2
    assert result.scores == pytest.approx([-each for each in result.held_out])
