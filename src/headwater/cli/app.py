"""The application: its commands, and how an error leaves it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import headwater
from headwater.cli.check import check
from headwater.cli.console import complain
from headwater.cli.demo import demo
from headwater.cli.explain import explain
from headwater.cli.fix import fix
from headwater.cli.predict import predict
from headwater.cli.report import report
from headwater.cli.run import SETTINGS, run
from headwater.cli.study import study
from headwater.cli.ui import ui
from headwater.errors import HeadwaterError

_HELP = """Find where a PyTorch network's gradient vanishes, why, and on which line.

Start with [bold]headwater demo[/bold]: the problem and its diagnosis on real handwritten digits, in three minutes.

Exit codes: 0 fine; 1 findings at or above --fail-on; 2 usage or input error.
"""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(check)
app.command(context_settings=SETTINGS)(run)
app.command(context_settings=SETTINGS)(fix)
app.command()(report)
app.command()(ui)
app.command()(predict)
app.command()(study)
app.command()(explain)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits; what Headwater raises on purpose is printed without a traceback."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="headwater")
    except HeadwaterError as error:
        complain(error)
        sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headwater {headwater.__version__}")
        raise typer.Exit


@app.callback(help=_HELP)
def _root(  # pyright: ignore[reportUnusedFunction]  # typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...
