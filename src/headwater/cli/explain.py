"""``headwater explain``."""

from __future__ import annotations

import json as json_text
import sys
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from headwater.rules import RULES, rule


def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code such as HW101, or its name. Without one: the list.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the page behind a finding's code: what it means, how it is measured, what to do.

    \b
    headwater explain
    headwater explain HW101
    """
    if code is None:
        _list(json)
        return
    known = rule(code)
    if json:
        _write({"code": known.code, "name": known.name, "page": known.page})
    else:
        Console().print(Markdown(known.page), width=min(Console().width, 100))


def _list(json: bool) -> None:
    if json:
        _write([{"code": known.code, "name": known.name, "summary": known.summary} for known in RULES])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("code")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for known in RULES:
        table.add_row(known.code, known.name, known.summary)
    Console().print(table)
    Console().print("headwater explain CODE shows the page behind a code.", highlight=False)


def _write(value: object) -> None:
    sys.stdout.write(json_text.dumps(value, indent=2) + "\n")
