"""Runs a script or a module as ``python script.py`` and ``python -m module`` would, in this process.

The module that runs is ``__main__`` and stays it, so that pickling, worker processes that are spawned, and functions
that run at exit find what they look for. Its own failure keeps its traceback and its exit code.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import os
import signal
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from importlib.util import decode_source, find_spec
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Literal

from headwater.errors import InputError
from headwater.script.stopping import EnoughSteps, Stoppable, Terminated, join_interrupted

_SAFE_PATH = bool(sys.flags.isolated or getattr(sys.flags, "safe_path", False))
"""Whether Python was told to put no folder of ours or of the script's before the others (-P, PYTHONSAFEPATH, -I)."""
_RELATIVE = "relative import with no known parent package"
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
_FOREIGN = (str(Path(__file__).parents[1]) + os.sep, *(sysconfig.get_path(name) + os.sep for name in _INSTALLED))
"""Folders of code that is not the user's."""


@dataclass(frozen=True)
class Target:
    """What to run.

    Attributes:
        name: path of a script, or name of a module.
        arguments: what comes behind it on the command line.
        module: whether `name` is that of a module, as behind ``python -m``.
    """

    name: str
    arguments: tuple[str, ...] = ()
    module: bool = False


@dataclass(frozen=True)
class Ended:
    """How it ended.

    Attributes:
        status: ``"finished"``, ``"crashed"`` (an exception, whose traceback was printed), ``"interrupted"`` (Ctrl-C
            or SIGTERM) or ``"stopped"`` (it took the steps that were asked for).
        code: the exit code that the process would have had; 128 and the number of the signal that would have ended it.
        line: file and line of the user's code at which it crashed or was interrupted.
        signal: number of the signal that would have ended the process.
    """

    status: Literal["finished", "crashed", "interrupted", "stopped"]
    code: int
    line: tuple[str, int] | None = None
    signal: int | None = None


def execute(target: Target) -> Ended:
    """Runs the target to its end, or until `EnoughSteps` is raised in it.

    Raises:
        InputError: there is no such script or module, or it is not Python.
    """
    main, code = _module(target) if target.module else _script(target)
    sys.argv = [main.__dict__["__file__"] if target.module else target.name, *target.arguments]
    if not _SAFE_PATH:
        sys.path[0:1] = [str(Path.cwd()) if target.module else str(Path(target.name).resolve().parent)]
    sys.modules["__main__"] = main
    stop = Stoppable()
    ended = _run(code, main, stop)
    return _by_signal(signal.SIGTERM, ended.line) if stop.terminated else ended  # whatever the script made of it


def _run(code: CodeType, main: ModuleType, stop: Stoppable) -> Ended:
    try:
        with stop:
            exec(code, main.__dict__)
    except EnoughSteps:
        join_interrupted()
        return Ended("stopped", 0)
    except SystemExit as end:
        return Ended("finished", _exit_code(end))
    except KeyboardInterrupt as error:
        return _by_signal(signal.SIGINT, _show(error))
    except Terminated as error:
        return _by_signal(signal.SIGTERM, _line(_behind_us(error.__traceback__)))
    except BaseException as error:
        line = _show(error)
        if isinstance(error, ImportError) and not main.__package__ and _RELATIVE in str(error):
            sys.stderr.write(f"headwater: {_as_module(main)}\n")
        return Ended("crashed", 1, line)
    return Ended("finished", 0)


def _by_signal(number: int, line: tuple[str, int] | None) -> Ended:
    return Ended("interrupted", 128 + number, line, number)


def _script(target: Target) -> tuple[ModuleType, CodeType]:
    path = Path(target.name)
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name the script in it, or run it as a module: headwater run -m NAME.")
    if not path.is_file():
        raise InputError(f"There is no script {path}. Name an existing file, or a module behind -m.")
    if path.suffix == ".ipynb":
        raise InputError(f"{path} is a notebook. Export it as a script first: jupyter nbconvert --to script {path}")
    file = _whole(target.name)
    try:
        code = compile(_source(file), file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path} is not Python: {error}") from error
    return _main(file, importlib.machinery.SourceFileLoader("__main__", file), None), code


def _whole(name: str) -> str:
    """The path as Python gives it to a script: behind the current folder, and otherwise as it was written."""
    return os.path.abspath(name) if os.name == "nt" else os.path.join(Path.cwd(), name)


def _source(path: str) -> str:
    """Its text, decoded as its first lines say."""
    with io.open_code(path) as file:
        return decode_source(file.read())


def _module(target: Target) -> tuple[ModuleType, CodeType]:
    before = list(sys.path)
    if not _SAFE_PATH:
        sys.path.insert(0, str(Path.cwd()))  # where Python looks first behind -m; in place of what is set later
    name = target.name
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name, spec = f"{name}.__main__", find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise InputError(f"Module {name} cannot be found: {error}") from error
    finally:
        sys.path[:] = before
    get_code = getattr(spec.loader, "get_code", None) if spec is not None else None
    code = get_code(name) if get_code is not None else None
    if spec is None or code is None or spec.origin is None:
        raise InputError(f"There is no module {name} with Python code. Is its folder the current one, or installed?")
    return _main(spec.origin, spec.loader, spec), code


def _as_module(main: ModuleType) -> str:
    """How a file that belongs to a package is run, whose relative imports have no meaning in a script."""
    path = Path(main.__dict__["__file__"]).resolve()
    names, folder = [path.parent.name, path.stem], path.parent.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return f"a script has no package to import from. Run it as a module, in {folder}: -m {'.'.join(names)}"


def _main(file: str, loader: Any, spec: importlib.machinery.ModuleSpec | None) -> ModuleType:
    main = ModuleType("__main__")
    main.__dict__.update(
        __file__=file,
        __builtins__=builtins,
        __spec__=spec,
        __package__=spec.parent if spec is not None else None,
        __loader__=loader,
        __cached__=None,
    )
    return main


def _exit_code(end: SystemExit) -> int:
    """As Python reads it: nothing is 0, and what is no number is printed and is 1."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    sys.stderr.write(f"{end.code}\n")
    return 1


def _show(error: BaseException) -> tuple[str, int] | None:
    """Prints the traceback without our own frames, by whatever hook is set."""
    own = _behind_us(error.__traceback__)
    error.__traceback__ = own
    sys.excepthook(type(error), error, own)
    sys.stderr.flush()
    return _line(own)


def _line(trace: TracebackType | None) -> tuple[str, int] | None:
    """The innermost line outside of Python, of installed packages and of Headwater; else simply the innermost."""
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if not frame.filename.startswith(("<", *_FOREIGN))]
    return next(((frame.filename, frame.lineno or 0) for frame in reversed(own or frames)), None)


def _behind_us(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace
