"""Processes that have imported what a script needs, and fork for each of its trials."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

QUIET = {
    "WANDB_MODE": "disabled",
    "MLFLOW_TRACKING_URI": "./mlruns",
    "NEPTUNE_MODE": "debug",
    "CLEARML_OFFLINE_MODE": "1",
}
"""Loggers that would send each trial to a server."""
_HOME = Path(__file__).parents[2]
"""The folder above the package: in the user's own one a file of his could be taken for Python's."""

_free: defaultdict[str, list[Server]] = defaultdict(list)
"""Servers that wait, by what they were told at the beginning. Each is used by one thread at a time."""


class Server:
    """One such process; see `headwater.script_trial.__main__`."""

    def __init__(self, imports: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process: Any = subprocess.Popen(
            [sys.executable, "-m", "headwater.script_trial"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=_HOME,
            env={**os.environ, **QUIET, **environment},
            start_new_session=True,  # Ctrl-C is for the search, which ends its servers
        )
        self._tell({"imports": list(imports)})

    def do(self, job: Mapping[str, str]) -> None:
        """Does a job; its files say how it went, also when the process was killed."""
        self._tell(job)
        self._process.stdout.readline()

    @property
    def lives(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def end(self) -> None:
        """Ends it, and a job that is under way."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _tell(self, what: object) -> None:
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:  # it was killed, which its job's files will tell
            return


def serve(job: Mapping[str, str], imports: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
    """Does a job in a fork of a server, which is kept for the next one.

    Args:
        job: what `headwater.script_trial.__main__` reads.
        imports: modules that are imported before.
        environment: variables that are set before.
    """
    waiting = _free[json.dumps([imports, sorted((environment or {}).items())])]
    server = _living(waiting) or Server(imports, environment or {})
    try:
        server.do(job)
    except BaseException:
        server.end()
        raise
    if server.lives and hasattr(os, "fork"):
        waiting.append(server)
    else:
        server.end()


def _living(waiting: list[Server]) -> Server | None:
    """One that waits: on Linux it dies with the thread that began it, be that one of a pool that was closed."""
    while waiting:
        server = waiting.pop()
        if server.lives:
            return server
        server.end()
    return None


@atexit.register
def end_servers() -> None:
    """Ends the servers that wait."""
    for waiting in _free.values():
        while waiting:
            waiting.pop().end()
