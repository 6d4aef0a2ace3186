"""``headwater demo``."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headwater.cli.console import progress_bar

if TYPE_CHECKING:
    from headwater.study import Chapter, Dataset, Plan


class Data(str, Enum):
    """The data sets that need no download."""

    auto = "auto"
    digits = "digits"
    fashion_mnist = "fashion-mnist"


def demo(
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("headwater-demo.html"),
    data: Annotated[Data, typer.Option(help="What the networks learn.")] = Data.auto,
    seed: Annotated[int, typer.Option(help="Of the weights and of the order of the images.")] = 0,
) -> None:
    """See a gradient vanish, its diagnosis and its cure on real handwritten digits (two minutes, offline).

    Four networks: 2 sigmoid layers; 50 of them; 50 ReLU layers; and these with
    He initialisation. Each is trained by plain gradient descent and diagnosed.
    A page is written that puts the four side by side.
    """
    from headwater.study import PLANS, STEPS, Demo, load_dataset, print_demo, save_demo, setting

    console = Console()
    dataset = load_dataset(data.value)
    console.print(setting(dataset), highlight=False)
    started = time.perf_counter()
    chapters = [_tell(console, number, plan, dataset, seed) for number, plan in enumerate(PLANS, 1)]
    result = Demo(dataset, STEPS, tuple(chapters))
    print_demo(console, result)
    save_demo(result, out)
    console.print(_NEXT.format(out=out, seconds=time.perf_counter() - started), markup=False, highlight=False)


def _tell(console: Console, number: int, plan: Plan, data: Dataset, seed: int) -> Chapter:
    from headwater.study import print_chapter, run_chapter

    with progress_bar() as tell:
        chapter = run_chapter(plan, data, seed=seed, progress=tell)
    print_chapter(console, number, chapter)
    return chapter


_NEXT = """Written: {out} ({seconds:.0f} s): the four side by side, each diagnosis in full.

Next, your own network. In a file, say mine.py, write a function that returns
(model, batches, loss_fn). Then:

    headwater check mine.py:network    diagnoses it
    headwater explain                  lists what can be found

From Python it is headwater.diagnose(model, batches, loss_fn); see README.md."""
