"""``headwater fix``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from headwater.cli.console import note, progress_bar
from headwater.cli.run import tell_misplaced, unknown_option
from headwater.cli.target import Maker, load_setup, names_function
from headwater.records import FixRecord
from headwater.records.numbers import number
from headwater.report.fix import json as text
from headwater.report.fix import terminal
from headwater.report.page import FIX, save
from headwater.report.paths import writable
from headwater.script import Target

if TYPE_CHECKING:
    from headwater.records import Finding
    from headwater.source.writing import Patch
    from headwater.trials import Progress, SoFar

Found = tuple[FixRecord, "Patch | None"]


_WIDEST = 60
"""Letters of the leader's remedies beside the progress bar."""


class Engine(str, Enum):
    """Where trials run."""

    local = "local"
    ray = "ray"
    dask = "dask"


_STEPS = "Optimizer steps of the longest trials."
_SEEDS = (
    "Trainings with the fix that prove it; two of the original to the end if it is far ahead, twice as many if unclear."
)
_ENGINE = "Where trials run: processes here, or a cluster."
_ADDRESS = "Of a running Ray or Dask cluster."
_WORKERS = "Trials at a time. Default: one for each core."
_APPLY = "Write the recommended change into the files, where git can undo it. Without it no file of yours is changed."
_DRY = "Diagnose, list what would be looked at, and train nothing: nothing is written, either."
_FORCE = "With --apply: also write files that git does not track, or whose changes are not committed."
_RUN_DIR = "Folder for the results of trials. Default: runs/NAME. An interrupted search goes on with them."


def fix(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="SCRIPT [ARGS]...", help="A script; or FILE.py:FUNCTION.")],
    module: Annotated[bool, typer.Option("-m", "--module", help="SCRIPT is a module, as behind python -m.")] = False,
    steps: Annotated[int, typer.Option(min=1, help=_STEPS)] = 200,
    seeds: Annotated[int, typer.Option(min=1, help=_SEEDS)] = 3,
    engine: Annotated[Engine, typer.Option(help=_ENGINE)] = Engine.local,
    address: Annotated[str | None, typer.Option(help=_ADDRESS)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help=_WORKERS)] = None,
    apply: Annotated[bool, typer.Option("--apply", help=_APPLY)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_DRY)] = False,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write the search as a page.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    run_dir: Annotated[Path | None, typer.Option(metavar="DIR", help=_RUN_DIR)] = None,
) -> None:
    """Find the change after which a training script of yours learns, and prove it.

    The script is diagnosed. What could mend it is tried: the script runs again
    and again, unchanged, for its first steps, with a remedy put into it when it
    builds its optimizer. Each is compared with the script as it is, and what is
    ahead of it with a control that differs by chance only. You see the ranking,
    the smallest change that is as good as the best, and that change as a diff of
    your source.

    The script runs in a scratch copy of its folder: checkpoints and logs of
    yours stay as they are. Seed 0 is the script's own; others shift its seeds.

    \b
    headwater fix train.py --epochs 3
    headwater fix --steps 500 --seeds 5 --html fix.html train.py
    headwater fix --apply train.py
    headwater fix -m package.train
    headwater fix mine.py:network     what `headwater check` takes

    Exit codes: 0: a fix is proved, or nothing needs one; 1: nothing that was
    tried helped, or --apply had nothing to write; 2: the script cannot be tried.
    """
    if target.startswith("-"):
        raise unknown_option(context, target)
    tell_misplaced(context, target)
    if html is not None:
        writable(html)
    script = Target(target, tuple(context.args), module)
    options = {"steps": steps, "seeds": seeds, "engine": engine.value, "address": address, "workers": workers}
    is_function = not module and names_function(target)
    if dry_run:
        _tell_idle({"--html": html is not None, "--json": json, "--apply": apply})
        _list(_findings_of_function(target) if is_function else _findings_of_script(script, steps))
        return
    if apply and not force and not module:
        _tell_unrestorable(Path(target.rpartition(":")[0] if is_function else target))
    with progress_bar() as tell:

        def progress(so_far: SoFar) -> None:
            tell(_says(so_far), so_far.done, so_far.total)

        trials = (run_dir or Path("runs") / _name(target, module, is_function)) / "trials"
        if is_function:
            record, patch = _fix_function(target, options, trials, progress)
        else:
            record, patch = _fix_script(script, options, trials, progress)
    if json:
        sys.stdout.write(text.render(record) + "\n")
    else:
        terminal.render(record)
    if trials.parent.is_dir():
        (trials.parent / FIX).write_text(text.render(record) + "\n", encoding="utf-8")
    if html is not None:
        save([], html, fix=record)
        note(f"written: {html}")
    written = _write(patch, force=force) if apply and patch is not None else True
    raise typer.Exit(int(record.verdict == "nothing helped" or not written))


def _name(target: str, module: bool, is_function: bool) -> str:
    """What the search is called: the function, the last part of the module, or the script."""
    if is_function:
        return target.rpartition(":")[2]
    return target.rpartition(".")[2] if module else Path(target).stem


def _fix_script(target: Target, options: dict[str, Any], trials: Path, progress: Progress) -> Found:
    from headwater.fix_script import fix_script  # here and not above: it imports torch

    found = fix_script(target, trials=trials, progress=progress, **options)
    if found.record.steps and found.record.steps < options["steps"]:
        note(f"The script ends by itself after {found.record.steps} optimizer steps: so long were the longest trials.")
    return found.record, found.patch


def _fix_function(target: str, options: dict[str, Any], trials: Path, progress: Progress) -> Found:
    from headwater.fix import fix

    maker = Maker.of(target)
    setup = maker.setup()
    found = fix(maker, setup.batches, setup.loss_fn, trials=trials, progress=progress, **options)
    return found.record, found.patch


def _findings_of_script(target: Target, steps: int) -> Sequence[Finding]:
    from headwater.trials.script import observe

    return observe(target, ".", steps).findings


def _findings_of_function(target: str) -> Sequence[Finding]:
    from headwater.diagnose import diagnose

    setup = load_setup(target)
    return diagnose(setup.model, setup.batches, setup.loss_fn, optimizer=setup.optimizer).findings


def _tell_idle(asked: dict[str, bool]) -> None:
    """Says which options have nothing to do where nothing is tried."""
    if idle := [name for name, was in asked.items() if was]:
        note(f"headwater: --dry-run tries nothing: there is nothing for {' and '.join(idle)}.")


def _tell_unrestorable(script: Path) -> None:
    """Says ahead of a long search that its fix will not be written, if it is one of the script."""
    from headwater.errors import PatchError
    from headwater.source.writing import check_restorable

    try:
        if script.is_file():
            check_restorable(script.resolve(), tracked=True)
    except PatchError as error:
        note(f"headwater: --apply will not write into {script.name}. {error}")


def _list(findings: Sequence[Finding]) -> None:
    """What was found, and what would be looked at first; combinations depend on which of these apply."""
    from headwater.trials import others, singles, told

    console = Console(emoji=False)  # residual:zero: is a name
    for finding in findings:
        console.print(f"{finding.code} {finding.name}: {finding.message}", markup=False, highlight=False)
    tried = (*singles(findings), *(ways[0] for ways in others(findings)))
    by_hand = told(findings)
    lines = [f"  {each.remedies[0]}: {each.says}" for each in (*tried, *by_hand)]
    head = (
        f"{len(tried)} remedies would be looked at; those that apply, and combinations of them, would be tried:"
        if tried
        else "Nothing would be tried."
    )
    console.print("\n".join([head, *lines]), markup=False, highlight=False)


def _says(so_far: SoFar) -> str:
    """The progress bar's words: the stage, and who leads."""
    stage = so_far.stage.capitalize()
    if not so_far.best or so_far.level is None or so_far.original is None:
        return stage
    return f"{stage}; best so far {number(so_far.level)} (original {number(so_far.original)}): {so_far.best[:_WIDEST]}"


def _write(patch: Patch, *, force: bool) -> bool:
    """Writes the recommendation into the files; whether there was anything that could be written."""
    from headwater.source.writing import apply

    if not patch.files:
        note("headwater: nothing was written: the change cannot be made safely in the files; it is told above.")
        return False
    apply(patch, force=force, tracked=True)
    for file in patch.files:
        note(f"written: {file.path}")
    if patch.not_written:
        note("headwater: a part of it could not be written into the files; it is told above.")
    return True
