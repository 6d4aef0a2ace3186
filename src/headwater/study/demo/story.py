"""The story of the vanishing gradient, told by four networks on real data: what ran, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from headwater.diagnose import diagnose
from headwater.records import FixRecord
from headwater.report import Report
from headwater.study.data import Dataset
from headwater.study.networks import mlp
from headwater.study.training import Training, batches, train

WIDTH = 128  # wide enough that 50 ReLU layers with He initialisation train with every seed tried (at 100 they do not)
STEPS = 1500
RETRY_STEPS, RETRY_FACTORS = 300, (0.1, 10.0)  # a training that learns nothing is tried at other rates too
_DIAGNOSIS_STEPS = 8

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the steps done, and their number."""


@dataclass(frozen=True)
class Plan:
    """One network of the story, and how it is trained.

    Attributes:
        key: a short name.
        title: what the reader sees.
        change: what differs from the network before.
    """

    key: str
    title: str
    depth: int
    activation: str
    initialisation: str
    rate: float
    change: str


PLANS = (
    Plan("shallow", "2 hidden layers, sigmoid", 2, "sigmoid", "default", 1.0, "A small network, to begin with."),
    Plan(
        "deep",
        "50 hidden layers, sigmoid",
        50,
        "sigmoid",
        "default",
        1.0,
        "The same images, rate and steps. Only the depth differs.",
    ),
    Plan(
        "relu",
        "50 hidden layers, ReLU",
        50,
        "relu",
        "default",
        0.0015,
        "The remedy that everyone names first: ReLU in place of sigmoid.",
    ),
    Plan(
        "he",
        "50 hidden layers, ReLU, He",
        50,
        "relu",
        "he",
        0.0015,
        "The same network, rate and steps. Only the first weights differ: drawn with variance 2 / fan_in (He) "
        "instead of PyTorch's 1 / (3 fan_in).",
    ),
)


@dataclass(frozen=True)
class Chapter:
    """What came of one plan: the training, the same at other rates where nothing was learned, and the diagnosis."""

    plan: Plan
    training: Training
    retries: tuple[Training, ...]
    report: Report


@dataclass(frozen=True)
class Demo:
    """The whole story, and the search for what mends its deep network."""

    data: Dataset
    steps: int
    chapters: tuple[Chapter, ...]
    fix: FixRecord


def run_chapter(
    plan: Plan, data: Dataset, *, seed: int = 0, steps: int = STEPS, progress: Progress | None = None
) -> Chapter:
    """Diagnoses and trains the network of one plan.

    Args:
        plan: the network.
        data: what it learns.
        seed: of the weights and of the order of the images.
        steps: of the training.
        progress: called after each step.
    """

    def training(rate: float, steps: int, what: str) -> Training:
        tell = _activity(progress, f"{what}: {plan.title}")
        return train(_network(plan, data, seed), data, rate=rate, steps=steps, seed=seed, progress=tell)

    with _one_thread():
        report = _diagnosis(plan, data, seed, _activity(progress, f"Diagnosing: {plan.title}"))
        main = training(plan.rate, steps, "Training")
        factors = RETRY_FACTORS if main.outcome == "nothing" else ()
        retries = [training(plan.rate * factor, min(RETRY_STEPS, steps), f"Rate x {factor:g}") for factor in factors]
    return Chapter(plan, main, tuple(retries), report)


def _diagnosis(plan: Plan, data: Dataset, seed: int, progress: Callable[[int, int], None] | None) -> Report:
    return diagnose(
        _network(plan, data, seed),
        batches(data, _DIAGNOSIS_STEPS + 1, seed=seed),
        nn.CrossEntropyLoss(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=plan.rate),
        steps=_DIAGNOSIS_STEPS,
        seed=seed,
        progress=progress,
    )


def _network(plan: Plan, data: Dataset, seed: int) -> nn.Module:
    return mlp(
        data.features,
        data.classes,
        depth=plan.depth,
        width=WIDTH,
        activation=plan.activation,
        initialisation=plan.initialisation,
        seed=seed,
    )


def _activity(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)


@contextmanager
def _one_thread() -> Generator[None]:
    """Layers this small gain nothing from a second thread, and on a busy machine two cost up to 80 times as much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
