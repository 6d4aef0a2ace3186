"""For test suites: a network whose gradient does not flow fails the test, with the reason."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any, Literal

from rich.console import Console
from torch import nn

from headwater.diagnose import diagnose
from headwater.errors import InputError
from headwater.measure.objective import LossFunction, Step
from headwater.report import Report
from headwater.rules import RULES

_LEVELS = {"error": ("error",), "warning": ("error", "warning")}


def assert_gradient_flow(
    model: nn.Module,
    batches: Any,
    loss_fn: LossFunction | None = None,
    *,
    step: Step | None = None,
    optimizer: Any = None,
    steps: int = 8,
    seed: int = 0,
    fail_on: Literal["error", "warning"] = "error",
    ignore: Collection[str] = (),
) -> Report:
    """Diagnoses a network and fails when there is a finding.

    Args:
        model: as for `headwater.diagnose`, and so are the following.
        batches: one batch, or an iterable of them.
        loss_fn: ``loss_fn(outputs, targets)``.
        step: ``step(model, batch)``, which replaces it.
        optimizer: an optimizer or a factory.
        steps: training steps taken on a copy.
        seed: of all random numbers.
        fail_on: severity from which on a finding fails the test.
        ignore: codes that do not, such as ``{"HW605"}``.

    Returns:
        The report, for further assertions.

    Raises:
        AssertionError: there is a finding; the message is the report.
        InputError: something passed cannot be used.
    """
    if fail_on not in _LEVELS:
        raise InputError(f"Expected fail_on as 'error' or 'warning', got {fail_on!r}.")
    unknown = set(ignore) - {rule.code for rule in RULES}
    if unknown:
        raise InputError(f"Expected codes in ignore, got {', '.join(sorted(unknown))}; headwater explain lists them.")
    report = diagnose(model, batches, loss_fn, step=step, optimizer=optimizer, steps=steps, seed=seed)
    failing = [f for f in report.findings if f.severity in _LEVELS[fail_on] and f.code not in ignore]
    if failing:
        codes = ", ".join(dict.fromkeys(finding.code for finding in failing))
        raise AssertionError(f"The gradient does not flow: {codes}\n{_text(report)}")
    return report


def _text(report: Report) -> str:
    console = Console(width=100, no_color=True, force_terminal=False, file=io.StringIO())
    with console.capture() as captured:
        report.print(console)
    return captured.get()
