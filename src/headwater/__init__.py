"""Headwater finds where a network's gradient runs dry, explains why in numbers, and proves a fix."""

from __future__ import annotations

import random
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater import errors as errors
    from headwater import testing as testing
    from headwater.diagnose import diagnose as diagnose
    from headwater.fix import fix as fix
    from headwater.measure import trace as trace
    from headwater.predict import predict as predict
    from headwater.watch import watch as watch

__version__ = "0.1.0"

__all__ = ["__version__", "diagnose", "errors", "fix", "predict", "testing", "trace", "watch"]

# Imported on first use: `headwater explain` and the rules need no torch, whose import takes seconds.
_HOMES = {
    "diagnose": "headwater.diagnose",
    "fix": "headwater.fix",
    "predict": "headwater.predict",
    "trace": "headwater.measure",
    "watch": "headwater.watch",
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        # Importing a submodule binds it to the package: headwater.diagnose would stop being the function.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name in _HOMES:
        state = random.getstate()  # rich draws a number when it is imported, which a seeded training would notice
        try:
            return getattr(import_module(_HOMES[name]), name)
        finally:
            random.setstate(state)
    if name in ("errors", "testing"):
        return import_module(f"headwater.{name}")
    raise AttributeError(f"module 'headwater' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
