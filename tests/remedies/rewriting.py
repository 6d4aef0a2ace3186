"""Small trainings to change, the same by what a change says to write, and what a diagnosis with its optimizer finds."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer

import headwater
from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.problem import Problem
from headwater.records import Change, Code, Finding, Measurement, ReplaceCall, SourceLine
from headwater.remedies import Training
from tests.builders import measurement

BUILT = SourceLine("train.py", 7)
Make = Callable[[nn.Module], Optimizer]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def training(
    make: Make, model: nn.Module | None = None, found: Measurement | None = None, *, built: bool = True, steps: int = 20
) -> Training:
    model = model or network()
    return Training(model, make(model), found or measurement(), (), steps, built=BUILT if built else None)


def executed(code: Code, model: nn.Module, optimizer: Optimizer) -> Optimizer:
    """Runs code of a change as it would stand in a script; returns the optimizer that the script has then."""
    names: dict[str, Any] = {"net": model, "opt": optimizer}
    for text in (*code.imports, code.before, code.after):
        exec(text.replace("{model}", "net").replace("{optimizer}", "opt"), names)
    return names["opt"]


def called(edit: ReplaceCall, params: Any, given: dict[str, Any]) -> Optimizer:
    """Makes the call that stands there after an edit, where `given` were its keyword arguments before."""
    module, _, name = edit.to.rpartition(".")
    kept = {key: value for key, value in given.items() if edit.keep is None or key in edit.keep}
    arguments = {key: eval(source, {}) for key, source in edit.arguments.items()}
    return getattr(import_module(module), name)(params, **(kept | arguments))


def trained(
    model: nn.Module, optimizer: Optimizer, steps: int = 6, after: Callable[[], None] = lambda: None
) -> nn.Module:
    """Trains on the same batches always."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(8, 5, generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(x), x[:, :3].argmax(1)).backward()
        optimizer.step()
        after()
    return model


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether they agree bit for bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def same_by_code(change: Change, make: Make, live: Training) -> bool:
    """Whether a fresh training that executes all statements of a change ends where the live one does."""
    model = network()
    optimizer = executed(change.code, model, executed(change.instead, model, make(model)))
    return same_weights(trained(model, optimizer), trained(live.model, live.optimizer, after=_stepping(live)))


def _stepping(live: Training) -> Callable[[], None]:
    scheduler: Any = live.scheduler
    return scheduler.step if scheduler is not None else lambda: None


def case(name: str) -> tuple[Problem, Training]:
    """A case of the detection benchmark, diagnosed with its optimizer."""
    problem = BY_NAME[name].build(0)
    optimizer = problem.make_optimizer()
    report = headwater.diagnose(problem.model, problem.batches, problem.loss_fn, optimizer=optimizer)
    return problem, Training(problem.model, optimizer, report.measurement, report.findings, steps=100)


def remedied(problem: Problem, live: Training) -> tuple[Finding, ...]:
    """The findings, beside information, after a remedy was applied."""
    report = headwater.diagnose(live.model, problem.batches, problem.loss_fn, optimizer=live.optimizer)
    return tuple(each for each in report.findings if each.severity != "info")
