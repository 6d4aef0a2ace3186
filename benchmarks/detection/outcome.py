"""One diagnosis of one case, as plain data, and whether it was right."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.detection.cases import BY_NAME
from benchmarks.detection.problem import Case
from benchmarks.detection.variations import VARIATIONS
from headwater import diagnose

STEPS = 8


@dataclass(frozen=True)
class Outcome:
    """What Headwater said. `findings`: code, severity and message, in the report's order."""

    name: str
    seed: int
    variation: str | None
    findings: tuple[tuple[str, str, str], ...]
    healthy: bool
    seconds: float
    error: str = ""

    @property
    def case(self) -> Case:
        return BY_NAME[self.name]

    @property
    def leading(self) -> str | None:
        """Code of the first finding, unless it is only information."""
        return self.findings[0][0] if self.findings and self.findings[0][1] != "info" else None

    @property
    def alarms(self) -> tuple[str, ...]:
        return tuple(code for code, severity, _ in self.findings if severity != "info")

    @property
    def detected(self) -> bool:
        return self.case.expect in self.alarms

    @property
    def led(self) -> bool:
        return self.leading == self.case.expect and not self.error

    @property
    def accepted(self) -> bool:
        return self.led or self.leading in self.case.accept

    @property
    def right(self) -> bool:
        return (self.healthy and not self.error) if self.case.expect is None else self.accepted


def diagnose_case(name: str, seed: int, variation: str | None = None) -> Outcome:
    """Builds the case and diagnoses it; an exception is an outcome too."""
    torch.set_num_threads(1)
    case = BY_NAME[name]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the broken losses warn of their broadcasting, rightly
        problem = case.build(seed) if variation is None else VARIATIONS[variation](case, seed)
        try:
            report = diagnose(
                problem.model,
                problem.batches,
                problem.loss_fn,
                step=problem.step,
                optimizer=problem.optimizer,
                steps=STEPS,
                seed=seed,
            )
        except Exception as error:  # the benchmark goes on and counts it as a miss
            return Outcome(
                name, seed, variation, (), False, time.perf_counter() - start, f"{type(error).__name__}: {error}"
            )
    findings = tuple((f.code, f.severity, f.message) for f in report.findings)
    return Outcome(name, seed, variation, findings, report.healthy, time.perf_counter() - start)


def rate(outcomes: list[Outcome], test: Callable[[Outcome], bool]) -> str:
    """``passed/all``; a dash where there is nothing to count."""
    return f"{sum(map(test, outcomes))}/{len(outcomes)}" if outcomes else "-"
