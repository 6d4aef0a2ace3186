"""What a step costs of which `headwater.watch` keeps nothing, and what it counts itself for such a step.

    python -m benchmarks.overhead.idle [--blocks 200] [--only WORD] [--awake]

Most such steps are only counted (`COUNTED`); with `--awake` none is (`CALLED`): both are constants of
`headwater.monitor.governor`. The smallest of the trainings count: in long steps a few microseconds drown. Blocks of ten
watched and ten plain steps take turns, in random order, in one training; figures and probes are off. Of the small
trainings one keeps its code in the caches, and the other empties them before each step.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import nn

from benchmarks.overhead.networks import KINDS, Training
from benchmarks.overhead.variants import BLOCK, Headwater
from headwater.monitor.rhythm import OPENING, Rhythm

NEVER = 10**9
EMPTIES = 4_000_000
"""Numbers whose copying drives everything else out of the caches."""


class Small(Training):
    """Four layers of eight units, after something that empties the caches, or nothing."""

    def __init__(self, copied: int) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(4)))
        self.batches = [(torch.randn(4, 8), torch.zeros(4, dtype=torch.long))]
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.before_update = lambda: None
        self.steps = 0
        self._numbers, self._copy = torch.randn(copied), torch.empty(copied)

    def step(self) -> None:
        """Empties the caches first."""
        self._copy.copy_(self._numbers)
        self.steps = 0
        super().step()


TRAININGS: dict[str, Callable[[], Training]] = {
    "small": lambda: Small(0),
    "small, caches emptied": lambda: Small(EMPTIES),
    **{name: (lambda name=name: Training(name, 0, "cpu")) for name in KINDS},
}


def main() -> None:
    """Prints a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--awake", action="store_true", help="without steps that are only counted")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, make in TRAININGS.items():
        if args.only in name:
            plain, more, counted = _measure(make(), args.blocks, awake=args.awake)
            print(f"{name}: plain {plain:.0f} us, watched {more:+.1f} us, of which it counts {counted:.1f} us")


def _measure(training: Training, blocks: int, *, awake: bool) -> tuple[float, float, float]:
    """Microseconds of a plain step, more of a watched one, and those on its account."""
    watching, rng = Headwater(0.01), random.Random(0)
    for _ in range(BLOCK):
        training.step()
    watching.attach(training, BLOCK)
    with watching.turn():
        for _ in range(OPENING + BLOCK):  # its first probe and figures
            training.step()
    track: Any = watching._watch.monitor.tracks[0]
    track.governor.wants_probe, track.governor.stride = lambda step: False, lambda: NEVER
    track.rhythm = Rhythm(NEVER)
    track.sleep.nests = awake  # of an optimizer whose steps nest none is slept through
    time.sleep(1.0)
    times: tuple[list[float], list[float]] = [], []
    for block in range(blocks + 1):
        for watched in rng.sample((0, 1), 2):
            if watched:
                with watching.turn():
                    times[1].append(_seconds(training))
            else:
                times[0].append(_seconds(training))
        if not block:  # what was still under way has been collected
            begin = track.governor._idle
    counted = (track.governor._idle - begin) / (BLOCK * blocks)
    watching.close()
    plain, more = median(times[0]), median(b - a for a, b in zip(*times, strict=True))
    return tuple(1e6 * seconds for seconds in (plain / BLOCK, more / BLOCK, counted))


def _seconds(training: Training) -> float:
    begin = time.process_time()
    for _ in range(BLOCK):
        training.step()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
