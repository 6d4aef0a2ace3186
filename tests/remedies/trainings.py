"""Trainings to change, and what a change says executed as a user would run it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

import headwater
from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.problem import Problem
from headwater.records import Change, Code, Finding
from headwater.remedies import Training


def case(name: str) -> tuple[Problem, Training]:
    """A case of the detection benchmark, diagnosed."""
    problem = BY_NAME[name].build(0)
    optimizer = problem.make_optimizer()
    return problem, training(problem.model, problem.batches, problem.loss_fn, step=problem.step, optimizer=optimizer)


def training(
    model: nn.Module, batches: Any, loss_fn: Any, *, step: Any = None, optimizer: Optimizer | None = None
) -> Training:
    """A training as it stands before its first step, with its diagnosis."""
    report = headwater.diagnose(
        model, batches, loss_fn, step=step
    )  # without an optimizer, whose rate it would try at length
    optimizer = optimizer or SGD(model.parameters(), lr=1e-2)
    return Training(model, optimizer, report.measurement, report.findings, steps=100, loss_fn=loss_fn)


def executed(change: Change, model: nn.Module, optimizer: Optimizer | None = None) -> nn.Module:
    """The model after the code of a change, all of it in plain PyTorch."""
    for code in (change.instead, change.code):
        run(code, model, optimizer)
    return model


def run(code: Code, model: nn.Module, optimizer: Optimizer | None = None) -> None:
    scope: dict[str, Any] = {"model": model, "optimizer": optimizer}
    for part in (*code.imports, code.before, code.after):
        text = part.replace("{model}", "model").replace("{optimizer}", "optimizer")
        exec(compile(text, "<change>", "exec"), scope)


def twins(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    return copy.deepcopy(model), copy.deepcopy(model)


def same_training(a: nn.Module, b: nn.Module, problem: Problem, steps: int = 3) -> bool:
    """Whether two models have the same losses and weights, bit for bit, over steps with the problem's own loss."""
    for model in (a, b):
        torch.manual_seed(0)
        optimizer = SGD(model.parameters(), lr=1e-5)  # small: a loss that is infinite would hide what differs
        for inputs, targets in problem.batches[:steps]:
            optimizer.zero_grad()
            assert problem.loss_fn is not None
            problem.loss_fn(model(inputs), targets).backward()
            optimizer.step()
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def diagnosed(problem: Problem) -> tuple[Finding, ...]:
    return headwater.diagnose(problem.model, problem.batches, problem.loss_fn, step=problem.step).findings


def codes(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.code for finding in findings}


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)
