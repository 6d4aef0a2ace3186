"""The parts of the repair benchmark that its numbers rest on; the benchmark itself takes hours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.repair import autotrainer as changes
from benchmarks.repair import methods
from benchmarks.repair.autotrainer import CHANGES, altered
from benchmarks.repair.chosen import BY_NAME, KINDS, broken, healthy, kind
from benchmarks.repair.examine import examine
from benchmarks.repair.methods import autotrainer, random_search
from benchmarks.repair.outcome import Line, ahead, is_broken, is_close, is_repaired, is_worse, keep, kept
from benchmarks.repair.training import make_model, material, score_of, with_adam, workloads
from headwater.records import TrialResult
from headwater.trials import ObjectsWorkload, Trial

NAME = "rate-1-mlp-adam"


@pytest.fixture(scope="module")
def both() -> tuple[ObjectsWorkload, ObjectsWorkload]:
    return workloads(NAME)


def test_a_search_trains_on_nothing_that_it_compares_by() -> None:
    given = material(BY_NAME[NAME].build(0))
    seen = torch.cat([inputs for inputs, _ in given.train])
    held_out = torch.cat([inputs for inputs, _ in given.validation])
    assert len(held_out) >= 200 and len(seen) > 3 * len(held_out)
    # Digits: no two images are equal, so that the nearest training image of each one held out is another one.
    assert torch.cdist(held_out, seen, compute_mode="donot_use_mm_for_euclid_dist").min() > 0


def test_what_was_chosen_covers_each_code() -> None:
    codes = {case.expect for case in BY_NAME.values() if case.expect}
    assert {case.expect for case in broken()} == codes
    assert len(broken()) >= 60 and len(healthy()) == 30
    assert {kind(case) for case in broken()} == {kind(case) for case in healthy()} == set(KINDS)
    assert not any(case.expect for case in healthy())


def test_weights_come_from_the_random_numbers_of_the_moment() -> None:
    torch.manual_seed(0)
    first, second = (make_model(NAME)[0].weight for _ in range(2))
    torch.manual_seed(0)
    assert torch.equal(make_model(NAME)[0].weight, first) and not torch.equal(first, second)


def test_adam_takes_the_place_of_the_optimizer(both: tuple[ObjectsWorkload, ObjectsWorkload]) -> None:
    search, _ = both
    broken_score = score_of(search.run(Trial((), 0, 60)))
    assert broken_score < 0.3 < score_of(with_adam(search, 1e-3).run(Trial((), 0, 60)))


def test_a_random_search_spends_its_budget_and_keeps_the_best(both: tuple[ObjectsWorkload, ObjectsWorkload]) -> None:
    search, _ = both
    found = random_search(search, trial=30, budget=300)
    assert 300 <= found.steps < 330
    assert found == replace(random_search(search, trial=30, budget=300), seconds=found.seconds)
    original = score_of(search.run(Trial((), 0, 30)))
    assert (score_of(search.run(Trial(found.remedies, 0, 30))) > original) == found.claimed


def test_the_published_order_stops_at_the_first_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "sigmoid-normal-3x128"
    training = workloads(name)[1]
    cure = "ReLU, He's initialisation"
    some = {"nothing": lambda model: False, "no cure": lambda model: True, cure: CHANGES[cure]}
    for module in (methods, changes):
        monkeypatch.setattr(module, "CHANGES", some)
    found = autotrainer(name, training, steps=800)
    assert (found.remedies, found.claimed, found.steps) == ((cure,), True, 3 * 800)  # the original is trained first
    del some[cure]
    found = autotrainer(name, training, steps=800)
    assert (found.remedies, found.claimed, found.steps) == ((), False, 2 * 800)


class Recurrent(nn.Module):
    """Has a layer of each kind that the published changes are about."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act = nn.Linear(4, 8), nn.Tanh()
        self.memory, self.second = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head, self.out = nn.Linear(8, 3), nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.second(self.memory(self.act(self.first(x)))[0])
        return self.out(self.head(self.attention(h, h, h)[0]))


def test_the_published_changes_are_made_to_any_network() -> None:
    x = torch.randn(5, 7, 4)
    model = Recurrent()
    assert CHANGES["SELU"](model)
    assert isinstance(model.act, nn.SELU) and isinstance(model.out, nn.Sigmoid)  # the output's is no hidden one
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    assert CHANGES["ReLU, He's initialisation"](model) and isinstance(model.act, nn.ReLU)
    drawn = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    weights = {f"{name}.weight" for name in ("first", "second", "head", "attention.out_proj")}
    assert drawn == weights | {"memory.weight_ih_l0"}
    assert CHANGES["batch normalisation"](model)
    hidden = model.second
    assert isinstance(hidden, nn.Sequential) and isinstance(model.head, nn.Linear)
    out = hidden(torch.randn(5, 7, 8)).detach()
    assert out.mean(dim=(0, 1)).abs().max() < 1e-5 and out.var(dim=(0, 1)).min() > 0.9
    model(x).sum().backward()
    images = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    assert CHANGES["batch normalisation"](images) and isinstance(images[0][1], nn.BatchNorm2d)
    assert not CHANGES["batch normalisation"](nn.Sequential(nn.Linear(2, 2))) and not CHANGES["SELU"](nn.GRU(2, 2))


def test_new_parameters_reach_an_optimizer_that_came_with_its_model(
    both: tuple[ObjectsWorkload, ObjectsWorkload],
) -> None:
    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        return model, torch.optim.SGD(model.parameters(), lr=0.1)

    model, optimizer = altered(replace(both[0], make_model=made), "batch normalisation").make_model()
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters()} and len(held) == 6


def test_lines_are_kept_and_the_later_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lines.jsonl"
    lines = [Line("a", "twin", (0.9, 0.8), 100), Line("a", "headwater", (0.7,), 100, 5, 1.5, ("x",), True, "why", 9)]
    keep(path, lines)
    keep(path, [replace(lines[0], scores=(0.5,))])
    assert kept(path) == {("a", "twin"): replace(lines[0], scores=(0.5,)), ("a", "headwater"): lines[1]}
    assert kept(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("original", "ours", "verdict"),
    [(0.1, 0.89, (True, True, False)), (0.1, 0.87, (True, False, False)), (0.5, 0.47, (True, False, True))],
)
def test_two_points_are_a_difference(original: float, ours: float, verdict: tuple[bool, bool, bool]) -> None:
    scores = {"twin": 0.9, "original": original, "headwater": ours}
    lines = {("a", method): Line("a", method, (score, score), 100) for method, score in scores.items()}
    found = is_broken(lines, "a"), is_repaired(lines, "a", "headwater"), is_worse(lines, "a", "headwater")
    assert found == verdict


def test_what_three_seeds_leave_open_is_judged_by_ten() -> None:
    assert is_close(Line("a", "headwater", (0.87,), 9), Line("a", "twin", (0.9,), 9))
    assert not is_close(Line("a", "headwater", (0.85,), 9), Line("a", "twin", (0.9,), 9))
    assert not is_close(Line("a", "headwater", (0.91,), 9), Line("a", "twin", (0.9,), 9))
    twin = Line(NAME, "twin", (0.9, 0.9, 0.9), 4)
    known = [twin, Line(NAME, "original", (0.1, 0.1, 0.1), 4), Line(NAME, "headwater", (0.87, 0.88, 0.89), 4)]
    found = {line.method: line for line in examine(NAME, known, ())}
    assert {len(line.scores) for line in found.values()} == {10} and set(found) == {"twin", "original", "headwater"}
    assert found["twin"].scores[:3] == twin.scores  # it goes on from what was judged
    assert not list(examine(NAME, [twin, Line(NAME, "headwater", (0.95, 0.95, 0.95), 4)], ()))


def test_seeds_are_compared_in_pairs() -> None:
    twin, ours = Line("a", "twin", (0.9, 0.5, 0.4), 9), Line("a", "headwater", (0.89,), 9)
    assert ahead(ours, twin) == pytest.approx(-0.01)


def test_a_training_that_was_lost_scores_as_the_best_constant_answer() -> None:
    assert score_of(TrialResult((), 0, 2, losses=(1.0, float("nan")), scores=(0.9,))) == 0.0
    assert score_of(TrialResult((), 0, 2, losses=(1.0, 0.5), held_out=(0.5,), scores=(0.9, 0.7))) == pytest.approx(0.8)
