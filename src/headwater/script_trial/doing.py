"""One job, in a process that is for this job alone."""

from __future__ import annotations

import os
import random
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import InputError
from headwater.script import after_import, execute
from headwater.script_trial.elsewhere import rebind
from headwater.script_trial.guard import announce, protect
from headwater.script_trial.job import Answer, Job, read_job, write_answer
from headwater.script_trial.needs import Needs
from headwater.script_trial.seeds import shift_numpy, shift_python, shift_torch

if TYPE_CHECKING:
    from headwater.script_trial.observing import Observing
    from headwater.script_trial.trying import Trying


def do(job_file: str, answer_file: str) -> None:
    """Reads a job, runs its script in the current folder, and writes what came of it."""
    job = read_job(Path(job_file).read_bytes())
    protect(job.scratch, job.moved.values())
    sys.path[:] = [_mirrored(each, job.moved) for each in sys.path]
    Path(answer_file).write_bytes(write_answer(_done(job), job.moved))


def _mirrored(path: str, moved: dict[str, str]) -> str:
    """The place in the scratch folder of one that the user has put on the path, or installed as editable."""
    for mirror, root in moved.items():
        if path == root or path.startswith(root + os.sep):
            return mirror + path[len(root) :]
    return path


def _done(job: Job) -> Answer:
    tasks: list[Observing | Trying] = []

    def begin() -> None:
        state = random.getstate()  # what is imported here must draw nothing for the script
        import torch

        from headwater.script_trial.observing import Observing
        from headwater.script_trial.trying import Trying

        _announce_torch(torch)
        shift_torch(job.seed)
        tasks.append(Observing(job) if job.task == "observe" else Trying(job))
        tasks[0].begin()
        random.setstate(state)

    shift_python(job.seed)
    needs = Needs(job.moved)
    needs.begin()
    with ExitStack() as imports:
        imports.enter_context(after_import("numpy", lambda: shift_numpy(job.seed)))
        imports.enter_context(after_import("safetensors", _announce_safetensors))
        imports.enter_context(after_import("h5py", _announce_h5py))
        imports.enter_context(after_import("torch", begin))
        try:
            ended = execute(job.target)
        except InputError as error:
            return Answer("crashed", error=str(error))
    answer = tasks[0].answer() if tasks else Answer()
    if answer.original is not None:
        needed = {"imports": needs.imports(), "environment": needs.environment, "sources": needs.sources()}
        answer = replace(answer, original=replace(answer.original, **needed))
    return replace(answer, ended=ended.status, line=ended.line, code=ended.code)


def _announce_torch(torch: Any) -> None:
    announce(torch._C, "PyTorchFileWriter")
    announce(torch._C.ScriptModule, "save", place=1)
    announce(torch._C, "import_ir_module", place=1, writes=False)
    announce(torch, "from_file", writes=None)
    announce(torch.UntypedStorage, "from_file", writes=None)


def _announce_h5py() -> None:
    files = sys.modules["h5py.h5f"]
    announce(files, "create", called="name")
    announce(files, "open", called="name", writes=None)  # its next argument is ``flags``, 0 for reading only


def _announce_safetensors() -> None:
    package = sys.modules["safetensors"]
    written = announce(package, "serialize_file", place=1)
    rebind([written, announce(package, "safe_open", writes=False)])  # its own modules and transformers have bound them
