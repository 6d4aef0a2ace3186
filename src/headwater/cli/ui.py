"""``headwater ui``."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.console import note

_HOST = "Address to listen at. For any but this machine's own, the address that is printed holds a token."


def ui(
    runs: Annotated[Path, typer.Argument(metavar="[RUNS]", help="Folder of runs, or of one run.")] = Path("runs"),
    host: Annotated[str, typer.Option(help=_HOST)] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: 8321, or one that is free.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    beside: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Look at runs in the browser, finished ones and those that train just now.

    \b
    headwater ui
    headwater ui runs/train
    headwater ui --no-browser --port 9000
    """
    from headwater.dashboard import dashboard

    served = dashboard(runs, host=host, port=port, beside=beside)

    def ready() -> None:
        ends = "Ctrl-C ends it" if beside is None else "it ends after the training, when its page is closed"
        note(f"The dashboard is at {served.address} ({ends})")
        if browser:  # beside the server: some browsers keep who opens them waiting, and would get no answer meanwhile
            threading.Thread(target=webbrowser.open, args=(served.address,), daemon=True).start()

    served.run(ready)
