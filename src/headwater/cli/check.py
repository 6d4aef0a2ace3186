"""``headwater check``."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.console import note, progress_bar
from headwater.cli.target import Setup, load_setup
from headwater.records import RangeTest
from headwater.report.lines import texts_now
from headwater.report.page import save
from headwater.report.paths import PICTURES, writable
from headwater.report.terminal import render_lines


class FailOn(str, Enum):
    """The least severity that makes the exit code 1."""

    error = "error"
    warning = "warning"
    never = "never"


FAILING = {FailOn.error: {"error"}, FailOn.warning: {"error", "warning"}, FailOn.never: set[str]()}


LINES = "Also show your files with a bar beside each line: how much of the gradient it costs."
_RANGE_TEST = "Also train copies at many rates, suggest one, and draw them (.png, .svg or .pdf)."


def check(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="pkg.mod:function or path/to/file.py:function")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the report as a page.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="PATH", help="Also draw the profile (.png or .svg).")] = None,
    range_test: Annotated[Path | None, typer.Option(metavar="PATH", help=_RANGE_TEST)] = None,
    lines: Annotated[bool, typer.Option("--lines", help=LINES)] = False,
    steps: Annotated[int, typer.Option(min=1, help="Training steps taken on a copy of the model.")] = 8,
    seed: Annotated[int, typer.Option(help="Of all random numbers.")] = 0,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this severity on.")] = FailOn.error,
) -> None:
    """Diagnose the network that a function of yours returns.

    TARGET names a function without arguments. It returns (model, batches,
    loss_fn), or the same with an optimizer as the fourth. The network is not
    changed: a copy of it is trained for a few steps.

    \b
    headwater check mine.py:network
    headwater check package.training:setup --html report.html
    headwater check mine.py:network --lines
    headwater check mine.py:network --json --fail-on warning
    """
    if html is not None:
        writable(html)
    if plot is not None:
        writable(plot, PICTURES)
    if range_test is not None:
        writable(range_test, PICTURES)
    from headwater.diagnose import diagnose  # here and not above: it imports torch
    from headwater.source import recording

    with recording():
        setup = load_setup(target)

    with progress_bar() as tell:
        report = diagnose(
            setup.model,
            setup.batches,
            setup.loss_fn,
            optimizer=setup.optimizer,
            steps=steps,
            seed=seed,
            progress=lambda done, total: tell("Diagnosing", done, total),
        )
    if json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        report.print()
    if lines and not json:
        render_lines([report], texts_now([report.measurement]))
    if plot is not None:
        report.plot(plot)
        note(f"written: {plot}")
    rates = None if range_test is None else _range_test(setup, range_test, seed)
    if html is not None:
        note(f"written: {save([report], html, range_test=rates)}")
    if any(finding.severity in FAILING[fail_on] for finding in report.findings):
        raise typer.Exit(1)


def _range_test(setup: Setup, path: Path, seed: int) -> RangeTest:
    from headwater.range_test import range_test
    from headwater.report import range_picture

    with progress_bar() as tell:
        found = range_test(
            setup.model,
            setup.batches,
            setup.loss_fn,
            optimizer=setup.optimizer,
            seed=seed,
            progress=lambda done, total: tell("Trying rates", done, total),
        )
    note(range_picture.summary(found))
    range_picture.render(found, path)
    note(f"written: {path}")
    return found
