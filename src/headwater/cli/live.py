"""``headwater run --live``: the dashboard in a process of its own, beside the training."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from headwater.errors import InputError, MissingDependencyError

NEEDED = ("duckdb", "starlette", "uvicorn")
"""Packages of the extra ``ui``; they are looked for and not imported, since the training needs none of them."""


def start_beside(folder: str | None) -> None:
    """Starts the dashboard over the runs beside one, at the lowest priority; it ends by itself when nobody looks on.

    Args:
        folder: in which the run will be recorded.

    Raises:
        InputError: the run is not recorded in a local folder.
        MissingDependencyError: the extra ``ui`` is not installed.
    """
    if folder is None or "://" in folder:
        raise InputError(
            "--live shows what is recorded in a local folder: leave out --no-record, or give another folder."
        )
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise MissingDependencyError(f"--live needs {', '.join(missing)}: pip install 'headwater[ui]'")
    runs = Path(folder).parent
    runs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "headwater", "ui", str(runs), "--beside", str(os.getpid())]
    # a session of its own: Ctrl-C is meant for the training
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    server.returncode = 0  # nobody waits for it: without this Python would complain of it at the end of the training
