"""The experiments: networks, real data, short trainings, and the stories told with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.study.data import Dataset as Dataset
    from headwater.study.data import load_dataset as load_dataset
    from headwater.study.demo import FIX_STEPS as FIX_STEPS
    from headwater.study.demo import PLANS as PLANS
    from headwater.study.demo import STEPS as STEPS
    from headwater.study.demo import Chapter as Chapter
    from headwater.study.demo import Demo as Demo
    from headwater.study.demo import Plan as Plan
    from headwater.study.demo import print_chapter as print_chapter
    from headwater.study.demo import print_demo as print_demo
    from headwater.study.demo import print_fix as print_fix
    from headwater.study.demo import run_chapter as run_chapter
    from headwater.study.demo import run_fix as run_fix
    from headwater.study.demo import save_demo as save_demo
    from headwater.study.demo import setting as setting

_OF_DATA = ("Dataset", "load_dataset")
_OF_DEMO = (
    "FIX_STEPS",
    "PLANS",
    "STEPS",
    "Chapter",
    "Demo",
    "Plan",
    "print_chapter",
    "print_demo",
    "print_fix",
    "run_chapter",
    "run_fix",
    "save_demo",
    "setting",
)


def __getattr__(name: str) -> object:
    """Imports on first use: the list of experiments needs no torch, whose import takes seconds."""
    if name in _OF_DATA:
        return getattr(import_module("headwater.study.data"), name)
    if name in _OF_DEMO:
        return getattr(import_module("headwater.study.demo"), name)
    raise AttributeError(f"module 'headwater.study' has no attribute {name!r}")
