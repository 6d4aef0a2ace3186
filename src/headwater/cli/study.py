"""``headwater study``."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headwater.cli.console import note
from headwater.cli.fix import Engine
from headwater.errors import InputError
from headwater.records.numbers import count

if TYPE_CHECKING:
    from headwater.study.experiment import Experiment
    from headwater.study.results import Results
    from headwater.study.runner import Progress as Told
    from headwater.study.runner import SoFar

ALL = "all"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
_AHEAD = 2
"""Tasks for each local worker that are on their way at a time: it need not wait for the next, and takes few along."""
_STYLES = {"holds": "green", "does not hold": "red", "cannot be said": "yellow"}

_NAME = "An experiment of --list, or all."
_SEEDS = "Each network is built and trained from so many seeds.  [default: 3; with --quick 1]"
_QUICK = "A smaller grid that shows the same: all experiments in ten minutes on two cores."
_OUT = "Folder for the results. What is in it already is not measured again."
_ENGINE = "Where points are measured: processes here, or a cluster."
_ADDRESS = "Of a running Ray or Dask cluster. Default: one is started here."
_WORKERS = "Points at a time. Default: one for each core."


def study(
    name: Annotated[str | None, typer.Argument(help=_NAME, show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help=_QUICK)] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help=_SEEDS, show_default=False)] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help=_OUT)] = Path("studies"),
    engine: Annotated[Engine, typer.Option(help=_ENGINE)] = Engine.local,
    address: Annotated[str | None, typer.Option(help=_ADDRESS, show_default=False)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help=_WORKERS, show_default=False)] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the experiments and what each asks.")] = False,
) -> None:
    """Run an experiment on vanishing gradients, and see what its numbers say.

    Each experiment trains many small networks on data that needs no download,
    and measures them with Headwater: how depth, activation, initialisation,
    optimizer and schedule decide what reaches the first layer. Each makes claims
    that the numbers can refute, and says which of them hold.

    \b
    headwater study --list                   what there is
    headwater study depth --quick            one of them, in a minute or two
    headwater study all                      everything, three seeds each
    headwater study all --engine ray         on a Ray cluster

    In DIR you find index.html, a page with every figure that opens offline, and
    NAME.parquet with every number, which pandas, Polars and DuckDB read.

    Ctrl-C loses nothing that was finished: the same command goes on. A point
    that fails is reported and does not end the study.

    Exit codes: 0 all points were measured; 1 some could not be; 2 usage or
    input error; 130 interrupted.
    """
    from headwater.study.experiments import EXPERIMENTS, experiment

    if listing:
        _list(EXPERIMENTS)
        return
    if name is None:
        raise InputError(f"Which experiment? One of {', '.join(each.name for each in EXPERIMENTS)}, or all.")
    chosen = EXPERIMENTS if name == ALL else (experiment(name),)
    found = _conduct(chosen, quick, seeds or (1 if quick else 3), out, engine, address, workers)
    raise typer.Exit(int(any(each.made.failures for each in found)))


def _list(experiments: Sequence[Experiment[Any]]) -> None:
    console = Console(emoji=False)
    width = max(len(each.name) for each in experiments)
    for each in experiments:
        console.print(f"[bold]{each.name:<{width}}[/]  {each.question}", highlight=False, soft_wrap=True)


def _conduct(
    experiments: Sequence[Experiment[Any]],
    quick: bool,
    seeds: int,
    out: Path,
    engine: Engine,
    address: str | None,
    workers: int | None,
) -> list[Results]:
    from headwater.study.conduct import conduct, publish, ready
    from headwater.study.experiments import EXPERIMENTS
    from headwater.trials import cores, executor

    ready()
    console, began = Console(emoji=False), time.monotonic()
    ahead = _AHEAD * (workers or cores()) if engine is Engine.local else None
    found: list[Results] = []
    try:
        with executor(engine.value, address, workers) as opened:
            for each in experiments:
                with _progress(each.name) as tell:
                    got = conduct(each, opened, out, quick=quick, seeds=seeds, ahead=ahead, progress=tell)
                found.append(got)
                _print(console, each, got)
    except KeyboardInterrupt:
        note(f"Interrupted. What was finished is kept in {out}; the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    console.print(f"Written: {publish(EXPERIMENTS, out)} ({time.monotonic() - began:.0f} s)", markup=False)
    return found


def _print(console: Console, experiment: Experiment[Any], found: Results) -> None:
    from headwater.study.report.words import MARKS, tally
    from headwater.study.results import statements

    said = statements(experiment, found)
    console.print(f"[bold]{experiment.title}[/]: {tally(said)}", highlight=False)
    for each in said:
        style = _STYLES[each.verdict]
        console.print(f"[{style}]{MARKS[each.verdict]}[/] ", end="")
        console.print(each.claim, markup=False, highlight=False)
        console.print(f"  {each.found}", markup=False, highlight=False, style="dim")
    for failure in found.made.failures:
        point = ", ".join(f"{key} {value}" for key, value in failure.point.items())
        note(f"not measured: {point}: {failure.error}")
    console.print()


@contextmanager
def _progress(name: str) -> Generator[Told]:
    """A bar with the time that is left; where there is no terminal, a line at the start and at the end."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task(name, total=None, left="")

        def tell(far: SoFar) -> None:
            bar.update(task, completed=far.done, total=far.points, left=_left(far.left))
            if not shown and (far.left is None or far.done == far.points):
                note(f"{name}: {far.done} of {count(far.points, 'point')} done")

        yield tell


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"
