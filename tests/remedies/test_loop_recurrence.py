from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from headwater.remedies import remedy
from tests.remedies.trainings import case, codes, diagnosed, executed, same_training

REMEDY = remedy("orthogonal-recurrence:loop")


@pytest.mark.parametrize(
    ("name", "code"),
    [("rnn-saturated", "HW302"), ("forum-chaotic-tanh", "HW202")],
)
def test_the_fault_is_no_longer_found_and_the_code_does_the_same(name: str, code: str) -> None:
    problem, broken = case(name)
    assert code in codes(broken.findings)
    assert REMEDY.refusal(broken) is None
    written = copy.deepcopy(problem.model)
    torch.manual_seed(1)
    change = REMEDY.apply(broken)
    live = copy.deepcopy(problem.model)
    torch.manual_seed(1)
    assert same_training(live, executed(change, written), problem)
    assert code not in codes(diagnosed(problem))


@pytest.mark.parametrize(("name", "slope"), [("forum-chaotic-tanh", 1.0), ("forum-sigmoid-elman", 0.25)])
def test_weights_times_the_largest_slope_of_the_activation_are_orthogonal(name: str, slope: float) -> None:
    _, broken = case(name)
    enter = broken.model.get_submodule("enter")
    before = copy.deepcopy(enter.state_dict())
    assert REMEDY.apply(broken).places == ("again",)
    weight = slope * broken.model.get_parameter("again.weight").detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)))
    assert all(torch.equal(value, before[key]) for key, value in enter.state_dict().items())


def test_what_reads_the_input_is_drawn_where_it_is_far_too_wide() -> None:
    _, broken = case("rnn-saturated")
    assert set(REMEDY.apply(broken).places) == {"inner", "recur"}
    assert float(broken.model.get_parameter("inner.weight").detach().std()) == pytest.approx(8**-0.5, rel=0.1)


def test_others_are_left() -> None:
    assert "no loop" in (REMEDY.refusal(case("two-heads")[1]) or "")  # no recurrence
    _, broken = case("forum-chaotic-tanh")
    again = broken.model.get_submodule("again")
    assert isinstance(again, nn.Linear)
    with torch.no_grad():
        learnt = torch.outer(torch.randn(64), torch.randn(64))
        again.weight += 100 * learnt / learnt.norm()
    assert "look trained" in (REMEDY.refusal(broken) or "")
