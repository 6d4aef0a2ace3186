"""The story of the vanishing gradient, told by four networks: what ``headwater demo`` shows."""

from headwater.study.demo.fix import FIX_STEPS, run_fix
from headwater.study.demo.page import save_demo
from headwater.study.demo.story import PLANS, STEPS, Chapter, Demo, Plan, run_chapter
from headwater.study.demo.terminal import print_chapter, print_demo, print_fix
from headwater.study.demo.text import setting

__all__ = [
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
]
