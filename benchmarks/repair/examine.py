"""Runs the methods on one case."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, replace

import torch

from benchmarks.repair.autotrainer import altered
from benchmarks.repair.chosen import BY_NAME
from benchmarks.repair.methods import Attempt, autotrainer, headwater, random_search
from benchmarks.repair.outcome import Line, is_close
from benchmarks.repair.training import ALL_JUDGES, FRESH, JUDGES, WHOLE, judged, of_twin, with_adam, workloads
from headwater.trials import ObjectsWorkload

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
    spent = next((line.steps for line in known if line.method == "headwater"), 0)
    lines = {line.method: line for line in known}
    for method in (each for each in BROKEN if each in methods):
        found = Attempt((), False, 0, 0.0)
        if method == "headwater":
            found = headwater(name)
            spent = found.steps
        elif method == "random":
            found = random_search(search, trial, spent)
        elif method == "adam":
            found = replace(found, claimed=True)
        elif method == "autotrainer":
            found = autotrainer(name, training, whole)
        lines[method] = _judged(Line(name, method, (), whole, **asdict(found)), training, lines.values(), JUDGES)
    for method in _to_judge_closer(lines):
        lines[method] = _judged(lines[method], training, lines.values(), ALL_JUDGES)
    yield from (line for line in lines.values() if line not in known)


def _to_judge_closer(lines: Mapping[str, Line]) -> list[str]:
    """Methods that so few seeds leave open, and what those are compared with."""
    standards = [lines[each] for each in ("twin", "original") if each in lines]
    close = [method for method, line in lines.items() if any(is_close(line, each) for each in standards)]
    return list(dict.fromkeys([*close, *(each.method for each in standards)])) if close else []


def _judged(line: Line, training: ObjectsWorkload, known: Collection[Line], seeds: tuple[int, ...]) -> Line:
    """The line with a score for each seed; the same training is not judged twice."""
    changed, remedies = training, line.remedies
    if line.method == "twin":
        changed = of_twin(training, BY_NAME[line.case].twin or "")
    elif line.method == "adam":
        changed = with_adam(training, ADAM)
    elif line.method == "autotrainer" and remedies:
        changed, remedies = altered(training, *remedies), ()
    same = () if changed is not training else (each for each in known if _is_plain(each) and each.remedies == remedies)
    scores = max((line.scores, *(each.scores for each in same)), key=len)[: len(seeds)]
    scores += judged(changed, remedies, line.whole, seeds[len(scores) :])
    return replace(line, scores=scores)


def _is_plain(line: Line) -> bool:
    """Whether it is the case's own training with nothing but remedies."""
    return line.method in ("original", "headwater", "random") or (line.method == "autotrainer" and not line.remedies)


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
