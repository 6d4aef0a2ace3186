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
    from headwater.study.demo import Chapter


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
    """See a gradient vanish, its diagnosis and its cure on real handwritten digits (three minutes, offline).

    Four networks: 2 sigmoid layers; 50 of them; 50 ReLU layers; and these with
    He initialisation. Each is trained by plain gradient descent and diagnosed.
    At the end headwater.fix finds what mends the 50 sigmoid layers, and proves
    it. A page is written that puts all of it side by side.

    Exit codes: 0: the fix is proved; 1: it is not.
    """
    from headwater.study import demo as story  # here and not above: it imports torch
    from headwater.study.data import load_dataset

    console = Console(emoji=False)
    dataset = load_dataset(data.value)
    console.print(story.setting(dataset), highlight=False)
    started = time.perf_counter()
    chapters: list[Chapter] = []
    for number, plan in enumerate(story.PLANS, 1):
        with progress_bar() as tell:
            chapters.append(story.run_chapter(plan, dataset, seed=seed, progress=tell))
        story.print_chapter(console, number, chapters[-1])
        if chapters[-1].report.findings and not any(earlier.report.findings for earlier in chapters[:-1]):
            chapters[-1].report.print(console)  # the first diagnosis in full; the page holds the others
    with progress_bar() as tell:
        found = story.run_fix(dataset, seed=seed, progress=tell)
    result = story.Demo(dataset, story.STEPS, tuple(chapters), found)
    story.print_demo(console, result)
    story.print_fix(console, found)
    story.save_demo(result, out)
    console.print(_NEXT.format(out=out, seconds=time.perf_counter() - started), markup=False, highlight=False)
    raise typer.Exit(int(found.verdict != "fixed"))


_NEXT = """Written: {out} ({seconds:.0f} s): the four side by side, each diagnosis in full, the fix.

Next, your own network. In a file, say mine.py, write a function that returns
(model, batches, loss_fn). Then:

    headwater check mine.py:network    diagnoses it
    headwater fix train.py             finds what mends it, and proves it
    headwater explain                  lists what can be found

From Python it is headwater.diagnose(model, batches, loss_fn); see README.md."""
