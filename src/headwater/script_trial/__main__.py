"""``python -m headwater.script_trial``: does jobs, each in a process that is forked for it, or a single one.

Importing torch and what else a script needs takes longer than most trials. So this process imports it once, and a fork
of it is where a script runs. It reads a line of JSON for each: ``{"imports": [...]}`` first, then jobs, ``{"cwd": ...,
"job": ..., "answer": ..., "log": ...}``, the latter three names of files. It answers each with an empty line.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress

from headwater.script_trial.doing import do

_DEATH = 1
"""Linux's ``PR_SET_PDEATHSIG``: a search that is killed leaves no trials behind."""


def main() -> None:
    """Serves until its standard input ends."""
    _die_with_parent()
    for name in json.loads(sys.stdin.readline())["imports"]:
        with suppress(ImportError):  # a package may have made it itself; the script imports it again, and may fail
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a fork then leaves what was imported alone, whose pages would be copied when it is collected
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    for line in sys.stdin:
        job = json.loads(line)
        if not hasattr(os, "fork"):
            _in_its_place(**job)
        child = os.fork()
        if child == 0:
            _in_its_place(**job)
        os.waitpid(child, 0)
        _end_group(child)
        sys.stdout.write("\n")
        sys.stdout.flush()


def _in_its_place(cwd: str, job: str, answer: str, log: str) -> None:
    """Does a job in this process and ends it at once: what the script has registered for its exit is of no use here."""
    if hasattr(os, "setsid"):
        os.setsid()
    _die_with_parent()
    empty, told = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT)
    for number, file in enumerate((empty, told, told)):
        os.dup2(file, number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the old one has read ahead
    os.chdir(cwd)
    os.environ["PWD"] = cwd
    try:
        do(job, answer)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _end_group(leader: int) -> None:
    """Ends what a job has started and left behind."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH, signal.SIGKILL)


if __name__ == "__main__":
    main()
