"""``headwater run``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.cli.check import FAILING, FailOn
from headwater.cli.console import note
from headwater.cli.live import start_beside
from headwater.errors import InputError, StoreError
from headwater.report import github as annotations
from headwater.report.lines import texts_now
from headwater.report.page import save
from headwater.report.paths import writable
from headwater.report.sarif import render as render_sarif
from headwater.report.terminal import render_each
from headwater.report.words import source
from headwater.run import Outcome, run_script
from headwater.script import Target, dying

if TYPE_CHECKING:
    from headwater.store import StoredRun

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""What comes behind the script is the script's."""

_RUN_DIR = "Folder to record the run in. Default: runs/NAME, with a number where that is taken."
_KEEP = "At the end, delete all runs beside this one but the newest N. Runs that have not ended stay."
_STEPS = "Stop the script after so many optimizer steps, those of all its optimizers counted together."
_BUDGET = "Share of the training's time that watching may take; the first eight steps are looked at besides."


def run(
    context: typer.Context,
    script: Annotated[str, typer.Argument(metavar="SCRIPT [ARGS]...", help="A script, or with -m a module.")],
    module: Annotated[bool, typer.Option("-m", "--module", help="SCRIPT is a module, as behind python -m.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help=_STEPS)] = None,
    run_dir: Annotated[str | None, typer.Option(metavar="DIR", help=_RUN_DIR)] = None,
    record: Annotated[bool, typer.Option(help="Record the run on disk, with its report as a page.")] = True,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help=_KEEP)] = None,
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
    if script.startswith("-"):
        raise unknown_option(context, script)
    tell_misplaced(context, script)
    if keep is not None and not record:
        raise InputError(
            "--keep deletes older runs beside a new one, and --no-record makes none. Leave one of them out."
        )
    here = Path.cwd()  # the script may change it
    html, json, sarif = (None if path is None else here / writable(path) for path in (html, json, sarif))
    name = script.rpartition(".")[2] if module else Path(script).stem
    folder = _folder(run_dir or f"runs/{name}", here) if record else None
    if live and int(os.environ.get("RANK", "0")) == 0:
        start_beside(folder)
    die = dying()
    outcome = run_script(Target(script, tuple(context.args), module), run_dir=folder, steps=steps, budget=budget)
    written = True
    if int(os.environ.get("RANK", "0")) == 0:
        _show(outcome)
        if outcome.reports:
            written = _write(outcome, here, html, json, sarif)
            if github:
                sys.stdout.write(annotations.render(*outcome.reports, root=here))
        if folder is not None and keep is not None:
            _prune(folder, keep)
    if outcome.ended.signal is not None:
        die(outcome.ended.signal)
    failing = any(f.severity in FAILING[fail_on] for report in outcome.reports for f in report.findings)
    raise typer.Exit(outcome.ended.code or int(failing) or 2 * (not written))


def tell_misplaced(context: typer.Context, script: str) -> None:
    """Says so where an option of ours stands behind a script that does not know it, to which it goes."""
    ours = {name for parameter in context.command.params for name in parameter.opts}
    behind = [each for each in (argument.partition("=")[0] for argument in context.args) if each in ours]
    text = Path(script).read_text(encoding="utf-8", errors="replace") if behind and Path(script).is_file() else ""
    if text and (strange := [each for each in behind if each.lstrip("-") not in text]):
        note(
            f"headwater: {' and '.join(strange)} behind {script} goes to the script, which does not know it. Options "
            f"of Headwater come before {script}."
        )


def unknown_option(context: typer.Context, name: str) -> InputError:
    """Says that an option before the script is none of ours: behind the script it would be the script's."""
    name = name.partition("=")[0]
    ours = [option for parameter in context.command.params for option in (*parameter.opts, *parameter.secondary_opts)]
    meant = "".join(f" Did you mean {near}?" for near in get_close_matches(name, ours, n=1, cutoff=0.75))
    return InputError(f"No such option: {name}.{meant} The script's own options stand behind the script.")


def _folder(given: str, here: Path) -> str:
    """Where the run goes, wherever the script goes meanwhile; a URL stays as it is."""
    return given if "://" in given else str(here / given)


def _show(outcome: Outcome) -> None:
    if outcome.reports:
        sys.stdout.flush()
        render_each(outcome.reports)
        note(f"{outcome.steps} optimizer steps seen; watching took {outcome.spent:.1f} s")
    else:
        note(_why_nothing(outcome))
    if outcome.ended.status in ("crashed", "interrupted"):
        note(_broken_off(outcome))


def _broken_off(outcome: Outcome) -> str:
    ended, line = outcome.ended, outcome.ended.line
    how = f"was interrupted by {signal.Signals(ended.signal).name}" if ended.signal is not None else "crashed"
    at = f" at {source(*line)}" if line is not None else ""
    until = "; the report is about the training until then" if outcome.reports else ""
    return f"The script {how}{at}, after {outcome.steps} optimizer steps{until}."


def _write(outcome: Outcome, here: Path, html: Path | None, json: Path | None, sarif: Path | None) -> bool:
    """Writes what was asked for, and the run's own page; whether all that was asked for is there.

    A disk that has filled meanwhile must not end in a traceback of ours: the script's exit code is the one that counts.
    """
    worst = outcome.reports[0]

    run = _recorded(outcome)
    texts = texts_now([report.measurement for report in outcome.reports])

    def page(path: Path) -> None:
        save(outcome.reports, path, run=run, texts=texts)

    def text(path: Path, content: str) -> None:
        path.write_text(content + "\n", encoding="utf-8")

    if outcome.run_dir is not None:
        _wrote(Path(outcome.run_dir) / "report.html", page)
    asked = [
        html is None or _wrote(html, page),
        json is None or _wrote(json, lambda path: text(path, worst.to_json())),
        sarif is None or _wrote(sarif, lambda path: text(path, render_sarif(*outcome.reports, root=here))),
    ]
    return all(asked)


def _prune(folder: str, keep: int) -> None:
    """Deletes older runs, and says which."""
    from headwater.store import prune

    try:
        deleted = prune(folder.rpartition("/")[0] if "://" in folder else Path(folder).parent, keep=keep)
    except StoreError as error:
        note(f"headwater: older runs stay: {error}")
        return
    if deleted:
        note(f"deleted: {', '.join(deleted)}")


def _recorded(outcome: Outcome) -> StoredRun | None:
    """The run on disk, whose history the page shows; without it the page shows the reports."""
    if outcome.run_dir is None:
        return None
    from headwater.store import open_run

    try:
        return open_run(outcome.run_dir)
    except StoreError as error:
        note(f"headwater: the page shows no history: {error}")
        return None


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
        f"headwater: nothing to report: {outcome.steps} optimizer steps were seen, but none whose backward pass was "
        "heard. A report needs at least two steps, and a loss on which backward() is called: gradients "
        "from torch.autograd.grad, or set by hand (parameter.grad = ...), are not heard, nor is a backward pass from "
        "several tensors at once (torch.autograd.backward with a list)."
    )
