"""The experiments: networks, real data, short trainings, and the stories told with them."""

from headwater.study.data import Dataset, load_dataset
from headwater.study.demo import PLANS, STEPS, Chapter, Demo, Plan, run_chapter
from headwater.study.demo_fix import FIX_STEPS, run_fix
from headwater.study.demo_page import save_demo
from headwater.study.demo_terminal import print_chapter, print_demo, print_fix
from headwater.study.demo_text import setting

__all__ = [
    "FIX_STEPS",
    "PLANS",
    "STEPS",
    "Chapter",
    "Dataset",
    "Demo",
    "Plan",
    "load_dataset",
    "print_chapter",
    "print_demo",
    "print_fix",
    "run_chapter",
    "run_fix",
    "save_demo",
    "setting",
]
