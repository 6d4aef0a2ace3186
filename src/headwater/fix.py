"""From a model that does not learn to a change that is proved to help: the third story told from the pieces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from headwater.diagnose import at_least_one, diagnose
from headwater.errors import InputError, OptimizerError
from headwater.measure import untouched
from headwater.measure.objective import LossFunction, Step
from headwater.records import Candidate, FixRecord, Verdict
from headwater.report import page
from headwater.report.fix import json, terminal
from headwater.source import recorded, recording
from headwater.source.writing import Patch, patch
from headwater.trials import (
    HELD_OUT,
    Cache,
    ObjectsWorkload,
    Progress,
    StepCount,
    built,
    executor,
    identity,
    judged,
    made,
    materialised,
    search,
)

if TYPE_CHECKING:
    from rich.console import Console

Scheduler = LRScheduler | ReduceLROnPlateau


@dataclass(frozen=True, repr=False)
class FixResult:
    """What was tried, what is recommended, and a training with the recommendation applied.

    Attributes:
        record: the whole search, as data.
        workload: the training that was tried out.
        patch: of the user's files; ``None`` where nothing is recommended.
    """

    record: FixRecord
    workload: ObjectsWorkload
    patch: Patch | None = None

    @property
    def verdict(self) -> Verdict:
        """``"fixed"``, ``"nothing helped"`` or ``"healthy"``."""
        return self.record.verdict

    @property
    def best(self) -> Candidate | None:
        """The recommended candidate; ``None`` when nothing is recommended, and `verdict` says why."""
        return self.record.best

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates, the best first."""
        return self.record.candidates

    @property
    def diff(self) -> str:
        """The recommendation as a unified diff of the user's source; empty where it cannot be written as one."""
        return self.record.diff

    def print(self, console: Console | None = None) -> None:
        """Prints verdict, ranking and change on a terminal (standard output unless a rich console is given)."""
        terminal.render(self.record, console)

    def to_html(self) -> str:
        """Returns the search as one page that needs nothing else, also no network."""
        return page.render(fix=self.record)

    def save_html(self, path: str | Path) -> Path:
        """Writes the page and returns its path.

        Raises:
            InputError: the folder does not exist, or nothing can be written there.
        """
        return page.save([], path, fix=self.record)

    def to_json(self) -> str:
        """Returns the search as JSON; ``schema.json`` beside `headwater.report.fix.json` describes it."""
        return json.render(self.record)

    def __repr__(self) -> str:
        says = f"{self.verdict}, {' + '.join(self.best.remedies)}" if self.best else self.verdict
        return f"<FixResult: {says}>"

    def _repr_html_(self) -> str:
        return page.framed(self.to_html(), "Headwater fix")

    def build(self, seed: int = 0) -> tuple[nn.Module, Optimizer, Scheduler | None]:
        """Makes the model anew and applies the recommendation; without one the training is the original.

        What only your own code can do (a guard around your loss) is not in it: ``record.not_written`` says so.

        Returns:
            Model, optimizer, and a scheduler to be stepped after each optimizer step, or ``None``.
        """
        remedies = self.best.remedies if self.best else ()
        with untouched(nn.Identity(), seed):
            training = built(self.workload.recipe, remedies, seed=seed, steps=self.record.steps).training
        return training.model, training.optimizer, training.scheduler


def fix(
    make_model: Callable[[], Any],
    batches: Any,
    loss_fn: LossFunction | None = None,
    *,
    step: Step | None = None,
    optimizer: Callable[[Any], Optimizer] | None = None,
    validation: Any = None,
    score: Callable[[nn.Module, Any], float] | None = None,
    steps: int = 200,
    seeds: int = 3,
    engine: str | Executor = "local",
    address: str | None = None,
    workers: int | None = None,
    trials: str | Path | None = None,
    progress: Progress | None = None,
) -> FixResult:
    """Finds the smallest change after which a network truly learns better, by trying it out.

    The network is diagnosed. Remedies for what was found, and combinations of them, are applied to fresh copies; those
    under which the gradient still does not flow are out at once. The others train for a growing number of steps, with
    the same seeds and batches. The smallest change that is as good as the best is recommended when it beats both the
    original and a control that differs from it by chance only; otherwise nothing is.

    Args:
        make_model: builds the model anew, with random weights; may return ``(model, optimizer)``. It is called for
            every trial, in other processes too.
        batches: as for `headwater.diagnose`. A loader is shuffled by each trial's seed.
        loss_fn: as for `headwater.diagnose`.
        step: as for `headwater.diagnose`.
        optimizer: a factory such as ``lambda params: torch.optim.Adam(params, 1e-3)``; ``None``: gradient descent at
            a rate of 0.01, unless `make_model` returns one.
        validation: held-out batches, of which the first 64 are used; what counts is then the loss on them.
        score: ``score(model, batch)`` on held-out batches, larger is better; what counts is then the score.
        steps: optimizer steps of the longest trials.
        seeds: trainings of each kind that a recommendation is proved with.
        engine: ``"local"`` processes, ``"ray"``, ``"dask"``, or a `concurrent.futures.Executor`.
        address: of a running cluster; ``None``: one is started on this machine.
        workers: processes; ``None``: one for each core.
        trials: folder in which results are kept, so that an interrupted search goes on where it was. They count as long
            as versions, the files of your own code, the data, and the first losses are the same.
        progress: called after each task with how far it is, and who leads.

    Returns:
        The result: verdict, candidates with their trainings, and the recommended training itself.

    Raises:
        InputError: something passed cannot be used; the subclass and the message say what.
    """
    _check(make_model, optimizer, score, validation, steps, seeds)
    if trials is not None and not hasattr(sys.modules["__main__"], "__file__"):
        raise InputError("Results are kept for code that lies in files, which tell when it changes: leave out trials=.")
    workload, diagnosed = _workload(make_model, batches, loss_fn, step, optimizer, validation, score, steps)
    cache = Cache(Path(trials), identity(workload)) if trials is not None else None
    with executor(engine, address, workers) as running:
        record = search(
            workload,
            workload.measurement,
            workload.findings,
            steps=steps,
            seeds=seeds,
            executor=running,
            progress=progress,
            cache=cache,
            diagnosed=diagnosed,
        )
    return _with_source(judged(record, workload.measurement), workload)


def _with_source(record: FixRecord, workload: ObjectsWorkload) -> FixResult:
    """Adds the recommendation as a diff of the user's source, and what could not be written so."""
    if record.best is None:
        return FixResult(record, workload)
    written = patch(record.best.changes, optimizer=workload.optimizer_built, factory=workload.make_model)
    record = replace(record, diff=written.diff, snippet=written.snippet, not_written=written.not_written)
    return FixResult(record, workload, written)


def _workload(
    make_model: Any, batches: Any, loss_fn: Any, step: Any, optimizer: Any, validation: Any, score: Any, steps: int
) -> tuple[ObjectsWorkload, int]:
    """Diagnoses the original; returns what there is to train, and how many optimizer steps the diagnosis took."""
    kept = materialised(batches, steps)
    held_out = None if validation is None else materialised(validation, HELD_OUT)
    with untouched(nn.Identity(), seed=0), recording():
        model, its_optimizer = made(make_model, optimizer)
        _check_fresh(model, made(make_model, optimizer)[0])
    again: Any = iter(cast("list[Any]", kept)) if isinstance(kept, list) else kept
    count = StepCount()
    with count.counting():
        report = diagnose(model, again, loss_fn, step=step, optimizer=its_optimizer)
    line = recorded(its_optimizer)
    workload = ObjectsWorkload(
        make_model,
        kept,
        loss_fn,
        step,
        optimizer,
        held_out,
        score,
        report.measurement,
        report.findings,
        line.own if line else None,
    )
    return workload, count.steps


def _check_fresh(model: nn.Module, other: nn.Module) -> None:
    """Says that all trials would train one object; what is frozen may be shared."""
    trained = {id(parameter) for parameter in other.parameters() if parameter.requires_grad}
    shared = [name for name, parameter in model.named_parameters() if id(parameter) in trained]
    if shared:
        raise InputError(
            "Expected make_model to build the model anew each time, got one whose parameters are those of the one "
            f"before ({shared[0]}{' and others' if len(shared) > 1 else ''}): each trial would go on training what "
            "others have trained. Build its layers inside of the function: make_model=lambda: Net()."
        )


def _check(make_model: Any, optimizer: Any, score: Any, validation: Any, steps: Any, seeds: Any) -> None:
    if not callable(make_model) or isinstance(make_model, nn.Module):
        raise InputError(
            f"Expected make_model as a function, got {type(make_model).__name__}. Pass a function that builds the "
            "model anew, such as make_model=lambda: Net(): each trial begins with fresh weights."
        )
    if optimizer is not None and (isinstance(optimizer, Optimizer) or not callable(optimizer)):
        raise OptimizerError(
            f"Expected optimizer as a function of the parameters, got {type(optimizer).__name__}: each trial has "
            "parameters of its own. For example optimizer=lambda params: torch.optim.Adam(params, 1e-3)."
        )
    if score is not None and validation is None:
        raise InputError("A score is computed on held-out batches: pass validation= as well.")
    at_least_one(steps=steps, seeds=seeds)
