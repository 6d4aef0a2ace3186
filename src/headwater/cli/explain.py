"""``headwater explain``."""

from __future__ import annotations

import json as json_text
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from headwater.records import REMEDIES
from headwater.rules import RULES, rule

if TYPE_CHECKING:
    from headwater.remedies import Remedy


def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code such as HW101 or activation-swap, or a fault's name. None: the list.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the page behind a finding's code, or behind a remedy's: what it means, what it does, and when not.

    \b
    headwater explain
    headwater explain HW101
    headwater explain activation-swap
    """
    if code is None:
        _list(json)
    elif code.strip().lower().partition(":")[0] in REMEDIES:
        _remedy(code.strip().lower(), json)
    else:
        known = rule(code)
        _show({"code": known.code, "name": known.name, "page": known.page}, json)


def _remedy(code: str, json: bool) -> None:
    """All remedies of a code, or the one with this key; those that share a page under one heading."""
    from headwater.remedies import answering, remedy  # with torch, which the rules do without

    pages: dict[str, list[Remedy]] = {}
    for each in (remedy(code),) if ":" in code else answering(code):
        pages.setdefault(each.page, []).append(each)
    page = "\n\n".join(f"# {_heading(remedies)}\n\n{text.strip()}" for text, remedies in pages.items())
    _show({"code": code, "name": code, "page": page}, json)


def _heading(remedies: list[Remedy]) -> str:
    grades = ", ".join(dict.fromkeys(each.safety for each in remedies))
    return f"{', '.join(each.key for each in remedies)} ({grades})"


def _show(known: dict[str, str], json: bool) -> None:
    if json:
        _write(known)
    else:
        Console().print(Markdown(known["page"]), width=min(Console().width, 100))


def _list(json: bool) -> None:
    if json:
        found = [{"code": known.code, "name": known.name, "summary": known.summary} for known in RULES]
        _write(found + [{"code": code, "name": code, "summary": says} for code, says in REMEDIES.items()])
        return
    findings = _table("code", "name", "what it is")
    for known in RULES:
        findings.add_row(known.code, known.name, known.summary)
    remedies = _table("remedy", "what to do")
    for code, says in REMEDIES.items():
        remedies.add_row(code, says)
    Console().print(findings)
    Console().print(remedies)
    Console().print("headwater explain CODE shows the page behind a code or a remedy.", highlight=False)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("code", "name", "remedy"))
    return table


def _write(value: object) -> None:
    sys.stdout.write(json_text.dumps(value, indent=2) + "\n")
