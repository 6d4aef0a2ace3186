"""``headwater run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.check import FAILING, FailOn
from headwater.cli.console import note
from headwater.errors import InputError
from headwater.report import github as annotations
from headwater.report.html import save
from headwater.report.paths import writable
from headwater.report.sarif import render as render_sarif
from headwater.report.terminal import render_each
from headwater.run import Outcome, run_script
from headwater.script import Target

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""What comes behind the script is the script's."""

_RUN_DIR = "Folder to record the run in. Default: runs/NAME, with a number where that is taken."
_BUDGET = "Share of the training's time that watching may take; the first eight steps are looked at besides."


def run(
    context: typer.Context,
    script: Annotated[str, typer.Argument(metavar="SCRIPT [ARGS]...", help="A script, or with -m a module.")],
    module: Annotated[bool, typer.Option("-m", "--module", help="SCRIPT is a module, as behind python -m.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop the script after so many optimizer steps.")] = None,
    run_dir: Annotated[Path | None, typer.Option(metavar="DIR", help=_RUN_DIR)] = None,
    record: Annotated[bool, typer.Option(help="Record the run on disk, with its report as a page.")] = True,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the report as a page.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the report as JSON.")] = None,
    sarif: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the findings as SARIF.")] = None,
    github: Annotated[bool, typer.Option(help="Also print the findings as annotations for GitHub.")] = False,
    live: Annotated[bool, typer.Option(help="Open the dashboard beside the training.")] = False,
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
    for path in (html, json, sarif):
        if path is not None:
            writable(path)
    if live:
        note("headwater: this version has no dashboard yet; the run is recorded, and reported at its end.")
    name = script.rpartition(".")[2] if module else Path(script).stem
    folder = str(run_dir or Path("runs") / name) if record else None
    outcome = run_script(Target(script, tuple(context.args), module), run_dir=folder, steps=steps, budget=budget)
    written = True
    if int(os.environ.get("RANK", "0")) == 0:
        _show(outcome)
        if outcome.reports:
            written = _write(outcome, html, json, sarif)
            if github:
                sys.stdout.write(annotations.render(*outcome.reports))
    failing = any(f.severity in FAILING[fail_on] for report in outcome.reports for f in report.findings)
    raise typer.Exit(outcome.ended.code or int(failing) or 2 * (not written))


def _show(outcome: Outcome) -> None:
    if not outcome.reports:
        note(_why_nothing(outcome))
        return
    sys.stdout.flush()
    render_each(outcome.reports)
    note(f"{outcome.steps} optimizer steps seen; watching took {outcome.spent:.1f} s")


def _write(outcome: Outcome, html: Path | None, json: Path | None, sarif: Path | None) -> bool:
    """Writes what was asked for, and the run's own page; whether all that was asked for is there.

    A disk that has filled meanwhile must not end in a traceback of ours: the script's exit code is the one that counts.
    """
    worst = outcome.reports[0]

    def page(path: Path) -> None:
        save(outcome.reports, path)

    def text(path: Path, content: str) -> None:
        path.write_text(content + "\n", encoding="utf-8")

    if outcome.run_dir is not None:
        _wrote(Path(outcome.run_dir) / "report.html", page)
    asked = [
        html is None or _wrote(html, page),
        json is None or _wrote(json, lambda path: text(path, worst.to_json())),
        sarif is None or _wrote(sarif, lambda path: text(path, render_sarif(*outcome.reports))),
    ]
    return all(asked)


def _wrote(path: Path, write: Callable[[Path], None]) -> bool:
    try:
        write(path)
    except (OSError, InputError) as error:
        note(f"headwater: could not write {path}: {error}")
        return False
    note(f"written: {path}")
    return True


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
