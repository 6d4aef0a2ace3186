"""The demo on a terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headwater.records import FixRecord
from headwater.report.fix import terminal
from headwater.study.demo.story import Chapter, Demo
from headwater.study.demo.text import changed, diagnosis, fix_setting, moral, sentences, share_left

_BLOCKS = "▁▂▃▄▅▆▇█"
_STYLE = {"learned": "green", "partly": "yellow", "nothing": "red", "diverged": "red"}
_CURVE_WIDTH = 44


def print_chapter(console: Console, number: int, chapter: Chapter) -> None:
    """Prints one chapter as soon as it is known."""
    body: list[RenderableType] = [Text(changed(chapter), style="italic"), Text(), _curve(chapter)]
    body += [Text(sentence) for sentence in sentences(chapter)]
    verdict = Text(diagnosis(chapter), style="bold")
    console.print(
        Panel(
            Group(*body, verdict),
            title=f"{number}. {chapter.plan.title}",
            title_align="left",
            border_style=_STYLE[chapter.training.outcome],
            width=min(console.width, 100),
        )
    )


def print_demo(console: Console, demo: Demo) -> None:
    """Prints the comparison that closes the demo."""
    table = Table(box=box.SIMPLE_HEAD, title="Side by side", title_justify="left", pad_edge=False)
    table.add_column("network")
    for heading in ("a layer keeps", "arrives", "loss", "right"):
        table.add_column(heading, justify="right")
    table.add_column("found")
    for chapter in demo.chapters:
        gain = chapter.report.profile.gain
        table.add_row(
            chapter.plan.title,
            "" if gain is None else f"{gain:.2f}",
            share_left(chapter),
            f"{chapter.training.final_loss:.2f}",
            f"{100 * chapter.training.accuracy:.0f} %",
            ", ".join(finding.code for finding in chapter.report.findings if finding.under is None) or "-",
            style=_STYLE[chapter.training.outcome],
        )
    console.print(table)
    if (said := moral(demo)) is not None:
        console.print(said, highlight=False)


def print_fix(console: Console, record: FixRecord) -> None:
    """Prints what `headwater.fix` made of the deep network."""
    console.print(fix_setting(record), highlight=False)
    console.print()
    terminal.render(record, console)


def _curve(chapter: Chapter) -> Text:
    """The loss over the steps as a row of blocks, from nothing to the loss of guessing and above."""
    losses = chapter.training.losses
    width = min(_CURVE_WIDTH, len(losses))
    means = [_mean(losses[i * len(losses) // width : (i + 1) * len(losses) // width]) for i in range(width)]
    top = 1.15 * chapter.training.chance
    levels = [min(mean / top, 1.0) if math.isfinite(mean) else 1.0 for mean in means]
    curve = "".join(_BLOCKS[round(level * (len(_BLOCKS) - 1))] for level in levels)
    return Text.assemble("loss  ", (curve, _STYLE[chapter.training.outcome]), f"  {losses[0]:.2f} to {means[-1]:.2f}")


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)
