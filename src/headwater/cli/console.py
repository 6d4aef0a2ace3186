"""What the commands say beside their result, all of it on stderr: progress, notes and complaints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Tell = Callable[[str, int, int], None]


@contextmanager
def progress_bar() -> Generator[Tell]:
    """Gives a function ``tell(what, done, total)`` that moves a bar; without a terminal it shows nothing."""
    # Not console.is_terminal: FORCE_COLOR, which many set where they log to a file, makes that true.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Starting", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def note(message: str) -> None:
    """Says something in passing."""
    Console(stderr=True, emoji=False).print(message, markup=False, highlight=False, soft_wrap=True)


def complain(error: Exception) -> None:
    """Says what went wrong, as the message of the exception tells it."""
    Console(stderr=True, emoji=False).print(
        f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True
    )
