"""Runs the methods on one case."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from dataclasses import asdict

import torch

from benchmarks.repair.autotrainer import altered
from benchmarks.repair.chosen import BY_NAME
from benchmarks.repair.methods import Attempt, autotrainer, headwater, random_search
from benchmarks.repair.outcome import Line
from benchmarks.repair.training import FRESH, WHOLE, judged, of_twin, with_adam, workloads

ADAM = 1e-3
BROKEN = ("original", "twin", "headwater", "random", "adam", "autotrainer")
HEALTHY = ("headwater",)


def examine(name: str, known: Collection[Line], methods: Collection[str]) -> list[Line]:
    """Returns the lines of a case that are asked for, made with one core."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # broken trainings warn, of their broadcasting or of their numbers
        case = BY_NAME[name]
        return list(_broken(name, known, methods) if case.expect else _healthy(name))


def _broken(name: str, known: Collection[Line], methods: Collection[str]) -> Iterator[Line]:
    search, training = workloads(name)
    trial = BY_NAME[name].build(0).train_steps
    whole = WHOLE * trial
    scores = {line.remedies: line.scores for line in known if line.method == "original"}
    spent = next((line.steps for line in known if line.method == "headwater"), 0)

    def line(method: str, found: Attempt) -> Line:
        if found.remedies not in scores:
            scores[found.remedies] = judged(training, found.remedies, whole)
        return Line(name, method, scores[found.remedies], whole, **asdict(found))

    for method in (each for each in BROKEN if each in methods):
        if method == "original":
            yield line(method, Attempt((), False, 0, 0.0))
        elif method == "twin":
            twin = of_twin(training, BY_NAME[name].twin or "")
            yield Line(name, method, judged(twin, (), whole), whole)
        elif method == "headwater":
            found = headwater(name)
            spent = found.steps
            yield line(method, found)
        elif method == "random":
            yield line(method, random_search(search, trial, spent))
        elif method == "adam":
            yield Line(name, method, judged(with_adam(training, ADAM), (), whole), whole, claimed=True)
        else:
            found = autotrainer(name, training, whole)
            theirs = altered(training, *found.remedies) if found.remedies else training
            yield Line(name, method, judged(theirs, (), whole), whole, **asdict(found))


def _healthy(name: str) -> Iterator[Line]:
    """Tests what is claimed for a healthy training again, with fresh seeds."""
    found = headwater(name)
    whole = WHOLE * BY_NAME[name].build(0).train_steps
    if not found.claimed:
        yield Line(name, "headwater", (), whole, **asdict(found))
        return
    training = workloads(name)[1]
    yield Line(name, "headwater", judged(training, found.remedies, whole, FRESH), whole, **asdict(found))
    yield Line(name, "again", judged(training, (), whole, FRESH), whole)
