"""The range test: the suggested rate trains, nothing of the user's is touched, the picture shows what matters."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headwater import diagnose, errors
from headwater.range_test import FELL, MOST_NOTCHES, NOTCH, bracket, peak, range_test, smoothed, suggested
from headwater.records import RangeTest, RateTrial
from headwater.report import range_picture

TRIALS = (RateTrial(1e-3, 0.5), RateTrial(1e-2, math.inf))


def _parts() -> tuple[nn.Module, list[tuple[torch.Tensor, torch.Tensor]]]:
    torch.manual_seed(0)
    model, labels = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 3)), nn.Linear(8, 3)
    inputs = [torch.randn(64, 8) for _ in range(12)]
    return model, [(x, labels(x).argmax(1)) for x in inputs]


def test_the_suggested_rate_trains_and_lies_below_where_the_loss_leaves() -> None:
    model, batches = _parts()
    found = range_test(model, batches, F.cross_entropy, optimizer=lambda p: torch.optim.Adam(p, 1e-3))
    assert found.suggested is not None and found.rate == 1e-3 and found.optimizer == "Adam"
    assert found.rates[0] == pytest.approx(1e-6) and found.suggested < found.rates[-1]
    optimizer = torch.optim.Adam(model.parameters(), found.suggested)
    first = float(F.cross_entropy(model(batches[0][0]), batches[0][1]).detach())
    for _ in range(5):
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert float(F.cross_entropy(model(batches[0][0]), batches[0][1]).detach()) < 0.5 * first


def test_nothing_is_touched_and_the_same_seed_gives_the_same() -> None:
    model, batches = _parts()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    before, state = [p.detach().clone() for p in model.parameters()], torch.get_rng_state()
    first, second = (range_test(model, batches, F.cross_entropy, optimizer=optimizer, steps=30) for _ in range(2))
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state()) and optimizer.param_groups[0]["lr"] == 0.1


def test_no_rate_is_suggested_where_the_loss_never_falls() -> None:
    model, batches = _parts()
    nn.init.zeros_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    nn.init.zeros_(model[3].weight)
    found = range_test(model, [(x, y * 0 + 1) for x, y in batches], lambda out, _: out.mean() * 0 + 1)
    assert found.suggested is None and found.trials == ()


def test_batches_that_grow_easier_are_no_fall() -> None:
    model, batches = _parts()
    model.requires_grad_(False)[0].bias.requires_grad_()
    scaled = [(x, torch.full((len(x), 1), 1.0 / (index + 1))) for index, (x, _) in enumerate(batches)]
    found = range_test(model, scaled, lambda out, y: (out * 0 + y).mean(), steps=len(scaled))
    assert found.smoothed[-1] < 0.9 * found.smoothed[0] and found.suggested is None


def test_the_search_begins_where_the_loss_is_furthest_below_the_untrained_networks() -> None:
    assert peak([2.0, 1.0, 1.7, math.nan], [2.0, 1.0, 2.0, 2.0]) == 2
    assert peak([2.0, 1.0], [2.0, 1.0]) is None
    assert peak([math.nan, 1.0], [math.nan, 1.0]) is None


def test_no_rate_is_suggested_where_no_trial_learned() -> None:
    assert suggested((RateTrial(0.1, 2.0 * (1 - 0.9 * FELL)),), 2.0) is None
    assert suggested((RateTrial(0.1, 2.0 * (1 - 1.1 * FELL)), RateTrial(1.0, math.inf)), 2.0) == 0.1


@pytest.mark.parametrize("best", [-6, -3, -1, 0, 1, 2, 3])
def test_the_search_finds_the_least_of_a_valley_on_either_side(best: int) -> None:
    def level(rate: float) -> float:
        notches = math.log(rate / 0.1, NOTCH)
        return math.inf if notches - best > 1.5 else 1 - 0.5 * math.exp(-abs(notches - best))

    trials = bracket(0.1, (1e-6, 10.0), level, 1.0)
    assert suggested(trials, 1.0) == pytest.approx(0.1 * NOTCH**best)
    assert [trial.rate for trial in trials] == sorted(trial.rate for trial in trials)
    assert len(trials) <= MOST_NOTCHES + 1


def test_the_search_keeps_within_its_bounds_and_goes_on_where_nothing_is_learned() -> None:
    climbing = bracket(0.1, (1e-6, 0.5), lambda rate: 1 - rate, 1.0)
    assert [trial.rate / 0.1 for trial in climbing] == pytest.approx([NOTCH**notch for notch in range(-2, 3)])
    assert len(bracket(0.1, (1e-6, 0.5), lambda _: math.inf, 1.0)) == MOST_NOTCHES
    assert len(bracket(0.1, (0.04, 0.5), lambda _: math.inf, 1.0)) == 2


def test_smoothing_starts_at_the_first_loss_and_leaves_a_constant_alone() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([4.0, 2.0])[1] == pytest.approx((0.9 * 4.0 + 2.0) / 1.9)


def test_a_range_that_makes_no_sense() -> None:
    model, batches = _parts()
    with pytest.raises(errors.InputError, match="lowest < highest"):
        range_test(model, batches, F.cross_entropy, lowest=1.0, highest=0.1)


def test_the_picture(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    assert matplotlib
    found = RangeTest((1e-3, 1e-2, 1e-1), (2.0, 1.0, 4.0), (2.0, 1.5, 2.4), 1e-3, TRIALS, 0.5, 0.02, "Adam")
    path = range_picture.render(found, tmp_path / "range.png")
    assert isinstance(path, Path) and path.read_bytes().startswith(b"\x89PNG")
    labels = [text.get_text() for text in range_picture.render(found).axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert "suggested: 0.001" in labels and "yours: 0.5" in labels
    with pytest.raises(errors.InputError, match="ends in"):
        range_picture.render(found, tmp_path / "range.txt")


def test_arms_leave_the_model_and_the_random_numbers_alone() -> None:
    model, batches = _parts()
    optimizer = torch.optim.SGD(model.parameters(), 30.0, momentum=0.9)
    before, state = [p.detach().clone() for p in model.parameters()], torch.get_rng_state()
    first, second = (diagnose(model, batches, F.cross_entropy, optimizer=optimizer) for _ in range(2))
    assert first.measurement.rate is not None and len(first.measurement.rate.arms) > 2
    assert first.to_json() == second.to_json()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state()) and optimizer.state == {}


def test_a_healthy_rate_needs_no_arms_and_the_default_optimizer_no_look() -> None:
    model, batches = _parts()
    given = diagnose(model, batches, F.cross_entropy, optimizer=lambda p: torch.optim.Adam(p, 1e-2)).measurement.rate
    assert given is not None and given.arms == () and given.sharpness is None
    assert diagnose(model, batches, F.cross_entropy).measurement.rate is None
