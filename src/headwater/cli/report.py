"""``headwater report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.check import FAILING, LINES, FailOn
from headwater.cli.console import note
from headwater.errors import NotMeasuredError
from headwater.records import gravity
from headwater.report import Report, github, page, sarif
from headwater.report.paths import writable
from headwater.report.terminal import render_each, render_lines

if TYPE_CHECKING:
    from headwater.store import StoredRun


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run, or its URL.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the report as a page.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="PATH", help="Also draw the profile (.png or .svg).")] = None,
    lines: Annotated[bool, typer.Option("--lines", help=LINES)] = False,
    sarif_path: Annotated[Path | None, typer.Option("--sarif", metavar="PATH", help="Also write SARIF 2.1.0.")] = None,
    github_: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub instead.")] = False,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this severity on.")] = FailOn.never,
) -> None:
    """Show what was found in a recorded run.

    \b
    headwater report runs/train
    headwater report runs/train --html report.html
    headwater report runs/train --lines
    headwater report runs/train --sarif findings.sarif --fail-on error
    """
    for path in (html, plot, sarif_path):
        if path is not None:
            writable(path)
    from headwater.store import open_run

    stored = open_run(run)
    found = sorted(map(Report.from_json, stored.report_texts()), key=lambda each: gravity(each.findings))
    if not found:
        raise NotMeasuredError(
            f"The run {run} holds no report: none was written. The first is as soon as a step was probed and judged."
        )
    worst = found[0]
    if json:
        sys.stdout.write(worst.to_json() + "\n")
    elif github_:
        sys.stdout.write(github.render(*found))
    else:
        render_each(found)
        ended = stored.info.status if stored.info.ended else "not closed"
        note(f"{stored.info.name}: {ended}, {stored.info.steps or _steps(stored)} optimizer steps")
        _say_shards(stored)
    if lines and not json and not github_:
        render_lines(found, stored.sources())
    if html is not None:
        note(f"written: {page.save(found, html, run=stored)}")
    for each in stored.notes:
        note(each)
    if plot is not None:
        worst.plot(plot)
        note(f"written: {plot}")
    if sarif_path is not None:
        sarif_path.write_text(sarif.render(*found) + "\n", encoding="utf-8")
        note(f"written: {sarif_path}")
    if len(found) > 1 and (json or plot is not None):
        note(f"shown is the worst of {len(found)} optimizers; all are in {stored.files.root}/reports")
    if any(finding.severity in FAILING[fail_on] for each in found for finding in each.findings):
        raise typer.Exit(1)


def _steps(stored: StoredRun) -> int:
    """Optimizer steps whose figures are on disk, of a run that was not closed."""
    last = stored.last_step()
    return 0 if last is None else last + 1


def _say_shards(stored: StoredRun) -> None:
    """Says of what the report shows parts only, and how large the gradient is on all ranks together."""
    count, ranks = len(stored.info.sharded), stored.info.world_size
    if not count:
        return
    note(f"{count} parameters are sharded: what is said of weights and updates is about rank 0's parts, 1 of {ranks}")
    rows = stored.table(["step", "track", "parameter", "grad_norm"], layer="", joined=True).to_pylist()
    newest = {row["track"]: row for row in rows if row["parameter"] is None and row["grad_norm"] is not None}
    for track, row in newest.items():
        of = f" of {track}" if track else ""
        note(f"norm of the gradient{of} at step {row['step']}, joined over {ranks} ranks: {row['grad_norm']:.3g}")
