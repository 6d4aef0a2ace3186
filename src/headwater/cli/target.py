"""From ``pkg.mod:function`` or ``path/to/file.py:function`` to what the function returns."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import cloudpickle

from headwater.errors import InputError

_FORM = "Write it as pkg.mod:function or path/to/file.py:function."


@dataclass(frozen=True)
class Setup:
    """What the user's function returned."""

    model: Any
    batches: Any
    loss_fn: Any
    optimizer: Any = None


@dataclass(frozen=True)
class Maker:
    """Builds the model of a target anew, in any process; with its optimizer, where the function makes one.

    Attributes:
        target: names the function, by the whole path of its file where it is in one.
    """

    target: str

    @classmethod
    def of(cls, target: str) -> Maker:
        """Makes one for a target, and lets what its file defines be sent to other processes."""
        where, _, name = target.rpartition(":")
        maker = cls(f"{Path(where).resolve()}:{name}" if where.endswith(".py") else target)
        module = sys.modules[maker.__wrapped__.__module__]
        cloudpickle.register_pickle_by_value(module)
        return maker

    @property
    def __wrapped__(self) -> Callable[[], object]:
        """The user's function."""
        return load_function(self.target)

    def setup(self) -> Setup:
        """Calls the function."""
        return called(self.__wrapped__, self.target)

    def __call__(self) -> Any:
        """Returns the model, or model and optimizer."""
        setup = self.setup()
        return setup.model if setup.optimizer is None else (setup.model, setup.optimizer)


def names_function(target: str) -> bool:
    """Whether a target names a function, as ``mine.py:function`` does, and no script."""
    where, colon, name = target.rpartition(":")
    return bool(where and colon) and name.isidentifier()


def load_setup(target: str) -> Setup:
    """Imports the function that `target` names, and calls it.

    Raises:
        InputError: there is no such function, it raised, or it returned something else than the three or four things.
    """
    return called(load_function(target), target)


def load_function(target: str) -> Callable[[], object]:
    """Imports the function that `target` names, with the current directory on the path.

    Raises:
        InputError: there is no such function, or importing it raised.
    """
    where, colon, name = target.rpartition(":")
    if not (where and colon and name):
        raise InputError(f"Expected a module and a function, got {target!r}. {_FORM}")
    _put_first_on_path(Path.cwd())
    is_file = where.endswith(".py")
    module = _guarded(
        lambda: _from_file(Path(where)) if is_file else importlib.import_module(where), f"Importing {where}"
    )
    return _function(module, name, where)


def called(function: Callable[[], object], target: str) -> Setup:
    """Calls the function that `target` names.

    Raises:
        InputError: it raised, or returned something else than the three or four things.
    """
    return _setup(_guarded(function, f"{target} was called and"), target)


def _from_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise InputError(f"There is no file {path}. {_FORM}")
    _put_first_on_path(path.parent)
    name = f"_checked_{path.stem}"  # a file called random.py must not become everybody's random
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    spec.loader.exec_module(module)
    return module


def _put_first_on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _function(module: ModuleType, name: str, where: str) -> Callable[[], object]:
    function: object = getattr(module, name, None)
    if not callable(function):
        known = f" It has: {', '.join(_own(module))}." if _own(module) else ""
        raise InputError(f"There is no function {name!r} in {where}.{known} {_FORM}")
    return function


def _own(module: ModuleType) -> list[str]:
    """Names of the functions and classes that the module defines itself."""
    return [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]


def _setup(returned: object, target: str) -> Setup:
    parts = cast("list[Any] | tuple[Any, ...]", returned) if isinstance(returned, list | tuple) else ()
    if len(parts) not in (3, 4):
        came = f"{len(parts)} values" if isinstance(returned, list | tuple) else type(returned).__name__
        raise InputError(
            f"Expected {target} to return (model, batches, loss_fn) or (model, batches, loss_fn, optimizer), "
            f"got {came}. Use None as the loss function if the model's output carries .loss."
        )
    return Setup(*parts)


def _guarded(call: Callable[[], Any], what: str) -> Any:
    """Turns whatever the user's code raises into one message that names the line."""
    try:
        return call()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{what} raised {type(error).__name__}: {error}{_place(error)}") from error


def _place(error: Exception) -> str:
    """The line of the user's code that raised; none when the import system itself did."""
    ours = {__file__, importlib.__file__}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in ours]
    theirs = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f"\n  at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
