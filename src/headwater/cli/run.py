"""``headwater run``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.check import FAILING, FailOn
from headwater.cli.console import note
from headwater.report.paths import writable
from headwater.run import Outcome, run_script
from headwater.script import Target

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""What comes behind the script is the script's."""

_BUDGET = "Share of the training's time that watching may take; the first eight steps are looked at besides."


def run(
    context: typer.Context,
    script: Annotated[str, typer.Argument(metavar="SCRIPT [ARGS]...", help="A script, or with -m a module.")],
    module: Annotated[bool, typer.Option("-m", "--module", help="SCRIPT is a module, as behind python -m.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop the script after so many optimizer steps.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the report as a page.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the report as JSON.")] = None,
    budget: Annotated[float, typer.Option(min=1e-6, help=_BUDGET)] = 0.01,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this severity on.")] = FailOn.never,
) -> None:
    """Run a training script of yours, unchanged, under watch, and diagnose it.

    The script sees its own arguments, trains exactly as it would by itself, and
    keeps its exit code. The diagnosis comes at its end, at Ctrl-C, or when it
    crashes.

    \b
    headwater run train.py --epochs 3
    headwater run --steps 100 --html report.html train.py
    headwater run -m package.train
    torchrun --nproc-per-node 2 -m headwater run train.py
    """
    for path in (html, json):
        if path is not None:
            writable(path)
    outcome = run_script(Target(script, tuple(context.args), module), steps=steps, budget=budget)
    if int(os.environ.get("RANK", "0")) == 0:
        _show(outcome, html, json)
    failing = any(f.severity in FAILING[fail_on] for report in outcome.reports for f in report.findings)
    raise typer.Exit(outcome.ended.code or int(failing))


def _show(outcome: Outcome, html: Path | None, json: Path | None) -> None:
    if not outcome.reports:
        note(_why_nothing(outcome))
        return
    sys.stdout.flush()
    for report in outcome.reports:
        report.print()
    note(f"{outcome.steps} optimizer steps seen; watching took {outcome.spent:.1%} of their time")
    worst = outcome.reports[0]
    if html is not None:
        note(f"written: {worst.save_html(html)}")
    if json is not None:
        json.write_text(worst.to_json() + "\n", encoding="utf-8")
        note(f"written: {json}")


def _why_nothing(outcome: Outcome) -> str:
    if outcome.fault is not None:
        return "headwater: nothing to report, since watching failed; the script was not touched by that."
    if not outcome.steps:
        return (
            "headwater: nothing to report: no step of an optimizer of torch.optim was seen in this process. Does the "
            "script train, and does it do so here and not in processes that it starts?"
        )
    return (
        f"headwater: nothing to report: {outcome.steps} optimizer steps were seen, but no backward pass that leads to "
        "their parameters. A report needs at least two steps."
    )
