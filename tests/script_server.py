"""Runs Python scripts in processes forked from one that has imported torch already: imports cost more than the scripts.

Reads a job a line on standard input, {"arguments": [script, ...], "environment": {...}, "folder": ...}; the script's
standard streams are the files stdin, stdout and stderr of that folder. Answers with its exit code, a line.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
import torch._dynamo  # which the first optimizer would import

if find_spec("sklearn") is not None:
    import sklearn.datasets
    import sklearn.model_selection

__all__ = ["sklearn", "torch"]


def main() -> None:
    gc.collect()
    gc.freeze()  # else each fork, as it ends, walks all that was imported: 2.7 s of a processor in place of 0.7
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            run(job["arguments"], job["environment"], Path(job["folder"]))
            return  # ends as any script ends: exit handlers, flushed streams
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    """Runs a script in this process as `python script ...` would."""
    for number, (name, mode) in enumerate([("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY)]):
        os.dup2(os.open(folder / name, mode | os.O_CREAT), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the server's own has read ahead
    os.environ.update(environment)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
